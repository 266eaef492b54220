"""The running stack with a recorder beside it, for benchmarks/recording.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from sensorium_cli.attempt import Attempt
from sensorium_cli.over_ros import Case, RosCell
from sensorium_core.contract import tabletop
from sensorium_core.goal import Goal

_WORDS = "pick up the red cube"
_GOAL = Goal("pick", "red", "cube")
_EPISODE_S = 10.0
_READY_S = 60.0


class Recording:
    """A recorder process of its own. `with Recording(folder, name) as recording: ...`"""

    def __init__(self, folder: Path, name: str, module: str = "", **parameters: object) -> None:
        self.folder, self.name = folder, name
        command = [sys.executable, "-m", module or "sensorium_recording.nodes.recorder_node"]
        if module.endswith(".py"):
            command = [sys.executable, module]
        command += ["--ros-args", "-p", f"output:={folder}", "-p", f"name:={name}"]
        for key, value in {"min_free_gb": 1.0, **parameters}.items():
            command += ["-p", f"{key}:={value}"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    @property
    def bag(self) -> Path:
        """The bag, once it is closed."""
        return self.folder / self.name

    def end(self, how: signal.Signals = signal.SIGINT) -> str:
        """Send a signal and wait; returns what was printed."""
        self.process.send_signal(how)
        return self.process.communicate(timeout=60)[0]

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Acting:
    """Keeps the policy acting in a launched cell; counts the trajectories that reach the arm."""

    def __init__(self, cell: RosCell) -> None:
        from trajectory_msgs.msg import JointTrajectory

        self.cell = cell
        self.plans_s: list[float] = []
        self._seed = 0
        cell.client.listen(JointTrajectory, "arm_controller/joint_trajectory", self._on_plan)

    def _on_plan(self, _: object) -> None:
        self.plans_s.append(time.monotonic())

    def act(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Act for a while, or until something is so; returns whether it became so."""
        end_s = time.monotonic() + seconds
        while time.monotonic() < end_s and not until():
            self._seed += 1
            self._episode(min(_EPISODE_S, max(end_s - time.monotonic(), 0.1)), until)
        return until()

    def _episode(self, limit_s: float, until: Callable[[], bool]) -> None:
        self.cell.prepare(Case(self._seed, _GOAL, _WORDS))
        self.cell.client.say(_WORDS)
        begun_s = time.monotonic()
        attempt = Attempt(_WORDS, begun_s, limit_s)
        while attempt.update(self.cell.client.reports, time.monotonic()) is None and not until():
            self.cell.client.spin(0.02)

    def rate_hz(self, from_s: float, to_s: float) -> float:
        """Trajectories per second that reached the arm in a span of the monotonic clock."""
        count = sum(from_s <= t <= to_s for t in self.plans_s)
        return count / max(to_s - from_s, 1e-9)

    def health(self) -> tuple[str, dict[str, str]]:
        """The recorder's last words and values in diagnostics."""
        report = self.cell.client.reports.get("recorder health")
        return (report.message, dict(report.values)) if report is not None else ("", {})

    def forget_health(self) -> None:
        """So that only a new report counts."""
        self.cell.client.reports.pop("recorder health", None)

    def await_recording(self) -> None:
        """Until every sense of the contract is being written."""
        topics = ["/" + m.topic for m in tabletop().modalities]

        def ready() -> bool:
            values = self.health()[1]
            return all(int(values.get(f"written/{t}", "0")) > 0 for t in topics)

        self._await(ready)

    def _await(self, ready: Callable[[], bool]) -> None:
        end_s = time.monotonic() + _READY_S
        while not ready():
            self.cell.client.spin(0.05)
            if time.monotonic() > end_s:
                raise TimeoutError(f"the recorder is not ready: {self.health()}")


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_rss_mb(pid: int) -> float:
    """Largest resident memory of a process so far."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
