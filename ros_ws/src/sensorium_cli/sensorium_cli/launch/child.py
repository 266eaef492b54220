"""One running process of a plan: starts it in a group of its own, ends the whole group."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

from sensorium_cli.launch.plan import Process
from sensorium_cli.launch.warden import is_alive, send

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)


class Child:
    """Not thread-safe; the supervisor's thread owns it."""

    def __init__(self, process: Process, folder: Path) -> None:
        """Start the process.

        Raises:
            OSError: if it cannot be started.
        """
        self.process = process
        self._popen = subprocess.Popen(
            process.arguments(folder),
            cwd=process.cwd,
            env=process.environment | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.group = self._popen.pid
        self._sent = 0
        self._next_signal_s = 0.0

    @property
    def streams(self) -> tuple[IO[bytes], IO[bytes]]:
        """Its output and its error output."""
        if self._popen.stdout is None or self._popen.stderr is None:
            raise TypeError("both streams are pipes")
        return self._popen.stdout, self._popen.stderr

    @property
    def exit_code(self) -> int | None:
        """Of the process itself; None while it runs. Negative: the signal that ended it."""
        return self._popen.poll()

    @property
    def is_gone(self) -> bool:
        """Whether the process and everything that it started in its group have ended."""
        return self.exit_code is not None and not is_alive(self.group)

    def escalate(self) -> None:
        """Send SIGINT, or the next stronger signal when its time has come."""
        now_s = time.monotonic()
        if self.is_gone or now_s < self._next_signal_s:
            return
        send(self.group, _SIGNALS[self._sent])
        patience_s = (self.process.sigterm_after_s, self.process.sigkill_after_s, 1.0)
        self._next_signal_s = now_s + patience_s[self._sent]
        self._sent = min(self._sent + 1, len(_SIGNALS) - 1)

    def hurry(self) -> None:
        """Make the next `escalate` send the next signal at once."""
        self._next_signal_s = 0.0


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def open_warden() -> subprocess.Popen[bytes]:
    """Start the warden: in a session of its own, so that Ctrl-C does not reach it."""
    path = Path(__file__).with_name("warden.py")
    executable = os.path.realpath("/proc/self/exe")
    return subprocess.Popen(
        [executable, "-I", "-S", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
