"""Runs the processes of a plan: starts, restarts, ends them. Nothing is left behind.

`poll` does all the work, in the caller's thread; it never blocks.
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
        self._failed = False
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
        return int(self._failed)

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
            self._say(f"{process.label} cannot start: {error}", is_error=True)
            self._failed = True
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
        if code != 0 or process.respawn:
            self._say(f"{label} ended: {describe_exit(code)}", is_error=code != 0)
        self._restarts[label] = self._restarts.get(label, 0) + 1
        may_respawn = process.respawn_max < 0 or self._restarts[label] <= process.respawn_max
        if process.respawn and may_respawn:
            self._due_s[label] = time.monotonic() + process.respawn_delay_s
            return
        self._failed = self._failed or code != 0
        if code != 0 and process.output == "log":
            self._output.show_tail(label)
        if process.ends_launch:
            self._say(f"{label} was to end the launch: stopping the others")
            self._stopping = True

    def _restart_due(self) -> None:
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
