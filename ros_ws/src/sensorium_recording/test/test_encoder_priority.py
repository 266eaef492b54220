"""No encoder takes real-time priority: it would go before the gate of the robot it runs on."""

import ctypes
import os
import threading

import numpy as np
import pytest
from sensorium_recording.encoder_priority import own_priority
from sensorium_recording.lerobot.videos import VideoFiles


def policies() -> set[tuple[int, int]]:
    threads = [int(thread) for thread in os.listdir("/proc/self/task")]
    return {(os.sched_getscheduler(t), os.sched_getparam(t).sched_priority) for t in threads}


def remembered() -> int:
    """The policy that the C library believes this thread has, and gives to new ones."""
    policy, priority = ctypes.c_int(), ctypes.c_int()
    caller = ctypes.c_ulong(threading.get_ident())
    libc = ctypes.CDLL(None)
    libc.pthread_getschedparam(caller, ctypes.byref(policy), ctypes.byref(priority))
    return policy.value


def test_writing_a_video_leaves_every_thread_at_its_priority(tmp_path):
    ours = os.sched_getscheduler(0)
    files = VideoFiles(tmp_path, "observation.images.scene", 10, (64, 64, 3))
    before = policies()
    files.begin(1.0)
    assert policies() <= before
    for shade in range(20):
        files.add(np.full((64, 64, 3), shade, dtype=np.uint8))
        assert policies() <= before
    files.end()
    files.close()
    assert policies() <= before
    assert remembered() == ours


def test_what_changes_the_priority_inside_is_undone():
    ours = os.sched_getscheduler(0)
    try:
        with own_priority():
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
            assert os.sched_getscheduler(0) == os.SCHED_FIFO
    except PermissionError:
        pytest.skip("this system does not permit real-time priority")
    assert os.sched_getscheduler(0) == ours
