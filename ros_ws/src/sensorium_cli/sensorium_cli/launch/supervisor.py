"""Runs the processes of a plan: starts, restarts, ends them. Nothing is left behind.

`poll` does all the work, in the caller's thread; it never blocks. As in `ros2 launch`, a process
with `respawn` starts again whenever it ends, and one with `on_exit: shutdown` ends everything the
first time that it does. Other than there, a process that fails after its last restart ends
everything, too.
"""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from sensorium_cli.launch.child import Child, describe_exit, open_warden
from sensorium_cli.launch.output import Line, Output
from sensorium_cli.launch.plan import Plan, Process

_POLL_S = 0.02


class Supervisor:
    """Owns the children and the warden."""

    def __init__(self, plan: Plan, folder: Path, output: Output) -> None:
        """Prepare; nothing runs yet.

        Args:
            plan: what to run.
            folder: for parameter files.
            output: takes what the processes write.
        """
        self._plan = plan
        self._folder = folder
        self._output = output
        self._warden: subprocess.Popen[bytes] | None = None
        self._children: dict[str, Child] = {}
        self._restarts: dict[str, int] = {}
        self._due_s: dict[str, float] = {}
        self.failures: list[tuple[str, str]] = []
        """Processes that failed, by label, and how; in order."""
        self._stopping = False

    def start(self) -> None:
        """Start every process, in file order."""
        self._warden = open_warden()
        for process in self._plan.processes:
            self._start(process)

    def poll(self) -> int | None:
        """Look after all processes once.

        Returns:
            None while any runs; then 0, or 1 if one of them failed.
        """
        for label, child in list(self._children.items()):
            if child.exit_code is not None and not child.is_gone:
                child.escalate()
            if self._stopping:
                child.escalate()
            if child.is_gone:
                self._forget(label, child)
        self._restart_due()
        if self._children or self._due_s:
            return None
        self._release_warden()
        return int(bool(self.failures))

    def stop(self) -> None:
        """Tell every process to end; `poll` sees it through. A second call is impatient."""
        if self._stopping:
            for child in self._children.values():
                child.hurry()
        self._stopping = True
        self._due_s.clear()

    def wait(self) -> int:
        """Poll until everything has ended."""
        while (code := self.poll()) is None:
            time.sleep(_POLL_S)
        return code

    @property
    def running(self) -> dict[str, int]:
        """Process ids by label."""
        return {label: child.group for label, child in self._children.items()}

    def _start(self, process: Process) -> None:
        try:
            child = Child(process, self._folder)
        except OSError as error:
            self._fail(process.label, f"cannot start: {error}")
            self._stopping = self._stopping or process.ends_launch
            return
        self._children[process.label] = child
        self._tell_warden("+", child.group)
        self._output.add(process.label, process.output, child.streams)

    def _forget(self, label: str, child: Child) -> None:
        del self._children[label]
        self._tell_warden("-", child.group)
        code = child.exit_code or 0
        if self._stopping:
            if code == -signal.SIGKILL:
                self._say(f"{label} did not end by itself and was killed", is_error=True)
            return
        process = child.process
        words = describe_exit(code)
        if process.ends_launch:
            self._say(f"{label} was to end the launch: stopping the others")
            self._stopping = True
        elif process.respawn and self._may_restart(process):
            self._say(f"{label} ended: {words}", is_error=code != 0)
            self._restarts[label] = self._restarts.get(label, 0) + 1
            self._due_s[label] = time.monotonic() + process.respawn_delay_s
            return
        if code != 0:
            times = self._restarts.get(label, 0)
            self._fail(label, f"ended: {words}" + (f", after {times} restarts" if times else ""))
            if process.output == "log":
                self._output.show_tail(label)
            if process.respawn and not self._stopping:
                self._say(f"{label} is not started again: stopping the others")
                self._stopping = True

    def _may_restart(self, process: Process) -> bool:
        done = self._restarts.get(process.label, 0)
        return process.respawn_max < 0 or done < process.respawn_max

    def _fail(self, label: str, what: str) -> None:
        self._say(f"{label} {what}", is_error=True)
        self.failures.append((label, what))

    def _restart_due(self) -> None:
        if self._stopping:
            self._due_s.clear()
        for process in self._plan.processes:
            due_s = self._due_s.get(process.label)
            if due_s is not None and time.monotonic() >= due_s:
                del self._due_s[process.label]
                self._say(f"{process.label} starts again ({self._restarts[process.label]})")
                self._start(process)

    def _tell_warden(self, sign: str, group: int) -> None:
        if self._warden is not None and self._warden.stdin is not None:
            self._warden.stdin.write(f"{sign}{group}\n".encode())
            self._warden.stdin.flush()

    def _release_warden(self) -> None:
        if self._warden is not None and self._warden.stdin is not None:
            self._warden.stdin.close()
            self._warden.wait()
            self._warden = None

    def _say(self, text: str, *, is_error: bool = False) -> None:
        self._output.on_line(Line("", text, is_error))
