"""Keeps a video encoder from going before the robot's own processes."""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def own_priority() -> Iterator[None]:
    """Leave the scheduling of every thread as the caller's is, whatever is done meanwhile.

    SVT-AV1, where the system allows it, as it does for root, takes the highest real-time priority
    for its threads and for the one that opens it: it would go before the gate, and torch, when it
    trains in the same process, hangs. Measured with PyAV's SVT-AV1.
    """
    if not hasattr(os, "sched_setscheduler"):
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    before = set(_threads())
    try:
        yield
    finally:
        _schedule_caller(policy, priority)
        for thread in _threads():
            if thread not in before:
                _schedule(thread, policy, priority)


def _schedule_caller(policy: int, priority: Any) -> None:
    """Through the C library: it remembers what the encoder asked for and hands it to new threads.

    After a call of the kernel alone, threads of Fast DDS still came up with priority 99.
    """
    value = ctypes.c_int(priority.sched_priority)
    caller = ctypes.c_ulong(threading.get_ident())
    ctypes.CDLL(None).pthread_setschedparam(caller, policy, ctypes.byref(value))


def _threads() -> list[int]:
    return [int(thread) for thread in os.listdir("/proc/self/task")]


def _schedule(thread: int, policy: int, priority: Any) -> None:
    with suppress(ProcessLookupError):
        os.sched_setscheduler(thread, policy, priority)
