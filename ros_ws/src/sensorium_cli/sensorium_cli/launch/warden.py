"""Ends process groups when the launcher is gone, even when it was killed.

A process of its own with the standard library alone. It reads `+<group>` and `-<group>` lines
from its standard input; when that ends, the launcher is gone, and every group still listed gets
SIGINT, then SIGTERM, then SIGKILL.
"""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import sys
import time
from pathlib import Path

STEPS = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0))
"""What to send, and how long to wait for it [s]."""


def is_alive(group: int) -> bool:
    """Whether a process group has a member that still runs.

    A dead member that nobody has collected yet (a container's first process may never do so)
    does not count.
    """
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(_runs_in(Path(folder), group) for folder in glob.iglob("/proc/[0-9]*"))


def _runs_in(folder: Path, group: int) -> bool:
    try:
        state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(its_group) == group and state not in ("Z", "X")


def send(group: int, signal_number: int) -> None:
    """Signal a process group, if it still exists."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal_number)


def main() -> None:
    """Wait for the launcher's end, then clean up."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        change = groups.add if line[0] == "+" else groups.discard
        change(int(line[1:]))
    for signal_number, patience_s in STEPS:
        for group in groups:
            send(group, signal_number)
        end_s = time.monotonic() + patience_s
        while any(map(is_alive, groups)) and time.monotonic() < end_s:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
