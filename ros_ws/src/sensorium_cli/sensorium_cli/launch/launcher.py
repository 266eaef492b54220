"""Runs a launch file: `with Launcher(path) as launcher: ... launcher.poll()`."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from sensorium_cli.launch.interpreter import interpret
from sensorium_cli.launch.output import Line, Output
from sensorium_cli.launch.plan import Plan
from sensorium_cli.launch.supervisor import Supervisor
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.shared_memory import remove_stale_segments


class Launcher:
    """One run of one launch file. Call it from one thread."""

    plan: Plan
    """What will run, fully resolved."""
    log_folder: Path
    """Has `<label>.log` of every process."""

    def __init__(
        self,
        path: Path | str,
        arguments: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        *,
        on_line: Callable[[Line], None] | None = None,
        log_folder: Path | None = None,
    ) -> None:
        """Read and resolve the launch file; nothing runs yet.

        Args:
            path: the launch file.
            arguments: launch arguments by name.
            environment: instead of this process's own; what ROS needs is added.
            on_line: gets every line to be shown, in a thread of its own; default: dropped.
            log_folder: default: a new folder under ROS's own log folder.

        Raises:
            LaunchFileError, LaunchArgumentError: if the file cannot be run.
        """
        base = middleware_environment(os.environ if environment is None else environment)
        self.plan = interpret(Path(path), arguments or {}, base)
        self.log_folder = log_folder or _new_log_folder(base)
        self._on_line = on_line or _drop
        self._parameters = Path()
        self._output: Output | None = None
        self._supervisor: Supervisor | None = None
        self._code: int | None = None

    def start(self) -> None:
        """Start every process."""
        remove_stale_segments()
        self.log_folder.mkdir(parents=True, exist_ok=True)
        self._parameters = Path(tempfile.mkdtemp(prefix="sensorium-launch-"))
        self._output = Output(self.log_folder, self._on_line)
        self._supervisor = Supervisor(self.plan, self._parameters, self._output)
        for message in self.plan.messages:
            self._on_line(Line("", message))
        self._supervisor.start()

    def poll(self) -> int | None:
        """Look after the processes; call it several times a second.

        Returns:
            None while any runs; then 0, or 1 if one of them failed.
        """
        if self._supervisor is not None and self._code is None:
            self._code = self._supervisor.poll()
            if self._code is not None:
                self._clean_up()
        return self._code

    def request_stop(self) -> None:
        """Tell every process to end, without waiting; a second call hurries."""
        if self._supervisor is not None:
            self._supervisor.stop()

    def stop(self) -> int:
        """End every process and wait for it: SIGINT, then SIGTERM, then SIGKILL.

        Returns:
            0, or 1 if a process had failed before.
        """
        self.request_stop()
        while self._supervisor is not None and self.poll() is None:
            time.sleep(0.02)
        return self._code or 0

    @property
    def running(self) -> dict[str, int]:
        """Process ids by label."""
        return self._supervisor.running if self._supervisor is not None else {}

    def __enter__(self) -> Launcher:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _clean_up(self) -> None:
        if self._output is not None and self._supervisor is not None:
            self._output.close()
            for label, what in self._supervisor.failures:
                self._on_line(Line("", self._obituary(label, what, self._output), is_error=True))
        shutil.rmtree(self._parameters, ignore_errors=True)
        remove_stale_segments()

    def _obituary(self, label: str, what: str, output: Output) -> str:
        """What is said last of a process that failed; with its last line, unless it was killed."""
        lines = [text for text in output.tails.get(label, ()) if text.strip()]
        last = f": {lines[-1].strip()}" if lines and "exit code" in what else ""
        return f"failed: {label} {what}{last}"


def _drop(line: Line) -> None:
    del line


def _new_log_folder(environment: Mapping[str, str]) -> Path:
    """`$ROS_LOG_DIR`, else `$ROS_HOME/log`, else `~/.ros/log`, and a name of this run."""
    home = Path(environment.get("ROS_HOME", Path.home() / ".ros"))
    base = Path(environment.get("ROS_LOG_DIR", home / "log"))
    return base / f"sensorium-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"
