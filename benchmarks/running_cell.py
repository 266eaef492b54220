"""A launched cell kept busy, and what its processes use; shared by the benchmarks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sensorium_cli.attempt import Attempt
from sensorium_cli.over_ros import Case, RosCell
from sensorium_core.contract import tabletop
from sensorium_core.goal import Goal
from sensorium_core.nodes.priority import threads_to_schedule

_WORDS = "pick up the red cube"
_GOAL = Goal("pick", "red", "cube")
EPISODE_S = 10.0
_READY_S = 60.0


def run_episode(
    cell: RosCell, seed: int, limit_s: float, until: Callable[[], bool] = lambda: False
) -> None:
    """One scene and instruction, to its end, a limit, or until something is so."""
    cell.prepare(Case(seed, _GOAL, _WORDS))
    cell.client.say(_WORDS)
    attempt = Attempt(_WORDS, time.monotonic(), limit_s)
    while attempt.update(cell.client.reports, time.monotonic()) is None and not until():
        cell.client.spin(0.02)


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
            limit_s = min(EPISODE_S, max(end_s - time.monotonic(), 0.1))
            run_episode(self.cell, self._seed, limit_s, until)
        return until()

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


def schedule(pid: int, policy: int, priority: int) -> None:
    """Schedule the threads of a process so that may be, where that is allowed."""
    with suppress(PermissionError):
        for thread in threads_to_schedule(pid):
            with suppress(ProcessLookupError):
                os.sched_setscheduler(thread, policy, os.sched_param(priority))


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
