"""The nodes of launch/sim.launch.yaml, each of which may be killed, stopped, starved or replaced.

What runs, with which parameters and environment, is what the launch file says. Only who looks
after the processes differs: nothing is restarted and nothing ends with another, so that one fault
can be watched two hundred times.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from running_cell import cpu_seconds, schedule
from sensorium_cli.domain import free_domain
from sensorium_cli.launch.child import open_warden
from sensorium_cli.launch.interpreter import interpret
from sensorium_cli.launch.plan import ParameterSet, Process
from sensorium_cli.middleware import middleware_environment
from sensorium_cli.packages import BRINGUP, package_share
from sensorium_cli.shared_memory import remove_stale_segments

WRAPPER = Path(__file__).with_name("fault_node.py")
_BUSY = """
import os, sys, time
parent, end_s = os.getppid(), time.monotonic() + float(sys.argv[1])
while os.getppid() == parent and time.monotonic() < end_s:
    pass
"""
_LONGEST_LOAD_S = 7200.0
_HARDWARE_PRIORITY = 1
"""Of the simulator: a robot's own electronics do not wait for a computer's other work."""
_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Setup:
    """Which nodes run, and what is changed in them."""

    arguments: Mapping[str, str] = field(default_factory=dict)
    """Of the launch file."""
    nodes: tuple[str, ...] = ("sim", "gate", "fusion")
    wrapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Nodes that start through `fault_node.py`, and its arguments."""
    parameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """More ROS parameters, by node."""
    private_disk_mb: Mapping[str, tuple[Path, int]] = field(default_factory=dict)
    """Nodes that see a small disk of their own at a folder, by mount namespace."""


def stand_for_hardware(pid: int) -> None:
    """Schedule a simulator, with all its threads, before ordinary processes, where allowed."""
    schedule(pid, os.SCHED_FIFO, _HARDWARE_PRIORITY)


class FaultStack:
    """`with FaultStack(setup, folder) as stack: stack.send("fusion", signal.SIGSTOP)`."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        """Resolve the launch file; nothing runs yet. `folder` takes logs."""
        os.environ["ROS_DOMAIN_ID"] = str(free_domain())
        os.environ.update(middleware_environment(os.environ))
        self.domain = int(os.environ["ROS_DOMAIN_ID"])
        file = package_share(BRINGUP, os.environ) / "launch" / "sim.launch.yaml"
        arguments = {"arm_on_start": "false", "goal": "none", **setup.arguments}
        plan = interpret(file, arguments, dict(os.environ))
        found = {process.label: process for process in plan.processes}
        self._setup, self._folder = setup, folder
        self._processes = {label: self._changed(found[label]) for label in setup.nodes}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._load: list[subprocess.Popen[bytes]] = []
        self._stack = ExitStack()

    def _changed(self, process: Process) -> Process:
        label = process.label
        name = next(
            (p.node for p in process.parameters if isinstance(p, ParameterSet)), f"/{label}"
        )
        values = {"autostart": True}
        more = ParameterSet(name, {**values, **self._setup.parameters.get(label, {})})
        command = process.command
        if label in self._setup.wrapped:
            options = command[command.index("--ros-args") :]
            command = (sys.executable, str(WRAPPER), label, *self._setup.wrapped[label], *options)
        if label in self._setup.private_disk_mb:
            folder, megabytes = self._setup.private_disk_mb[label]
            mount = f'mount -t tmpfs -o size={megabytes}m tmpfs "{folder}" && exec "$@"'
            command = ("unshare", "-m", "sh", "-c", mount, "sh", *command)
        return replace(process, command=command, parameters=(*process.parameters, more))

    def __enter__(self) -> FaultStack:
        self._folder.mkdir(parents=True, exist_ok=True)
        remove_stale_segments()
        self._parameters = Path(
            self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sensorium-faults-"))
        )
        self._warden = open_warden()
        for label in self._processes:
            self.start(label)
        return self

    def __exit__(self, *_: object) -> None:
        self.unload()
        for label in reversed(list(self._running)):
            self.end(label)
        if self._warden.stdin is not None:
            self._warden.stdin.close()
        self._warden.wait()
        self._stack.close()
        remove_stale_segments()

    def start(self, label: str) -> None:
        """Start a node, as the launcher does."""
        process = self._processes[label]
        with (self._folder / f"{label}.log").open("ab") as log:
            self._running[label] = subprocess.Popen(
                process.arguments(self._parameters),
                env=process.environment | {"PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._tell_warden("+", self._running[label].pid)
        if label == "sim":
            stand_for_hardware(self.pid(label))

    def send(self, label: str, what: signal.Signals) -> int:
        """Send a signal; returns the monotonic time just before [ns]."""
        now_ns = time.monotonic_ns()
        os.kill(self._running[label].pid, what)
        return now_ns

    def kill(self, label: str) -> int:
        """SIGKILL; returns the monotonic time just before [ns]."""
        now_ns = self.send(label, signal.SIGKILL)
        self._forget(label)
        return now_ns

    def end(self, label: str) -> int:
        """SIGCONT and SIGINT, then SIGKILL; returns the exit code."""
        running = self._running[label]
        if running.poll() is None:
            for what in (signal.SIGCONT, signal.SIGINT):
                os.kill(running.pid, what)
        try:
            running.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
        return self._forget(label)

    def _forget(self, label: str) -> int:
        running = self._running.pop(label)
        code = running.wait()
        self._tell_warden("-", running.pid)
        return code

    def alive(self, label: str) -> bool:
        """Whether a node's process runs."""
        return label in self._running and self._running[label].poll() is None

    def watches(self, label: str) -> bool:
        """Whether a node was started and not ended by us."""
        return label in self._running

    def pid(self, label: str) -> int:
        """A node's process id."""
        return self._running[label].pid

    def cpu_s(self, label: str) -> float:
        """CPU time that a node has used."""
        return cpu_seconds(self.pid(label))

    def memory_mb(self, label: str) -> float:
        """Resident memory of a node now; 0 when it is gone."""
        with suppress(OSError, KeyError):
            text = Path(f"/proc/{self.pid(label)}/statm").read_text()
            return int(text.split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6
        return 0.0

    def load(self, count: int = 0, nice: int = 0, longest_s: float = _LONGEST_LOAD_S) -> None:
        """Keep `count` processes busy, one a core when 0, for so long at most."""
        for _ in range(count or os.cpu_count() or 1):
            command = ["nice", "-n", str(nice), sys.executable, "-c", _BUSY, str(longest_s)]
            busy = subprocess.Popen(command, start_new_session=True)
            self._load.append(busy)
            self._tell_warden("+", busy.pid)

    def unload(self) -> None:
        """End what keeps the cores busy."""
        while self._load:
            busy = self._load.pop()
            busy.kill()
            busy.wait()
            self._tell_warden("-", busy.pid)

    def _tell_warden(self, sign: str, group: int) -> None:
        assert self._warden.stdin is not None
        self._warden.stdin.write(f"{sign}{group}\n".encode())
        self._warden.stdin.flush()
