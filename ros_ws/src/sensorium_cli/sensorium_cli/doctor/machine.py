"""Python, processors, disk, shared memory."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

from sensorium_cli.doctor.finding import FAIL, OK, WARN, Finding
from sensorium_cli.shared_memory import FOLDER, stale_segments

_GB = 1_000_000_000
_MB = 1_000_000
_SEGMENT_MB = 34
"""What one process takes with our Fast DDS profile."""
_PROCESSES = 8


def check_python() -> Finding:
    """Python 3.10 to 3.12; 3.11 and 3.12 have the simulator that the policy was measured with."""
    version = platform.python_version()
    if not (3, 10) <= sys.version_info[:2] <= (3, 12):
        return Finding(
            "python", FAIL, f"{version}; needs 3.10 to 3.12",
            "SENSORIUM_PYTHON=/path/to/python3.12 make demo",
        )  # fmt: skip
    if sys.version_info[:2] == (3, 10):
        return Finding(
            "python", WARN, f"{version} has MuJoCo 3.17; results were measured with 4.0.0",
            "install Python 3.11 or 3.12, then `make clean demo`",
        )  # fmt: skip
    return Finding("python", OK, version)


def check_processors() -> Finding:
    """Two cores carry the simulator and the nodes in real time."""
    count = len(os.sched_getaffinity(0))
    if count < 2:
        return Finding(
            "processors", WARN, "1 core: the simulation will run behind real time",
            "use two cores or more",
        )  # fmt: skip
    return Finding("processors", OK, f"{count} cores")


def check_disk(folder: Path) -> Finding:
    """Room for bags and videos in the current folder."""
    free_gb = shutil.disk_usage(folder).free / _GB
    detail = f"{free_gb:.1f} GB free in {folder}"
    if free_gb < 0.5:
        return Finding("disk", FAIL, detail, "free some room, or work in another folder")
    if free_gb < 5.0:
        return Finding("disk", WARN, f"{detail}; training data takes 5 GB", "free some room")
    return Finding("disk", OK, detail)


def check_shared_memory(folder: Path = FOLDER) -> Finding:
    """Room for the images that processes hand to each other."""
    if not folder.is_dir():
        return Finding("shared memory", FAIL, f"no {folder}", "mount -t tmpfs tmpfs /dev/shm")
    free_mb = shutil.disk_usage(folder).free / _MB
    needed_mb = _SEGMENT_MB * _PROCESSES
    detail = f"{free_mb:.0f} MB free in {folder}"
    if free_mb < needed_mb:
        return Finding(
            "shared memory", WARN if free_mb > needed_mb / 4 else FAIL,
            f"{detail}; {_PROCESSES} nodes take up to {needed_mb} MB",
            "sudo mount -o remount,size=1G /dev/shm   (Docker: docker run --shm-size=1g ...)",
        )  # fmt: skip
    return Finding("shared memory", OK, detail)


def check_stale_files(folder: Path = FOLDER) -> Finding:
    """Files of killed processes."""
    stale = stale_segments(folder)
    if stale:
        return Finding(
            "stale files", WARN, f"{len(stale)} shared-memory files of killed processes",
            "sensorium doctor --clean",
        )  # fmt: skip
    return Finding("stale files", OK, "none")
