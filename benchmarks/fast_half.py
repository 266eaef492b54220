"""What the fast half costs the fusion node, without ROS: its ticks, and plans that take over.

    .venv/bin/python benchmarks/fast_half.py

In contact throughout: the head is stepped every 10 ms and proposes every 20 ms; every 0.3 s a plan
takes over, displaced. Wall clock and processor time of the thread, p50 / p99.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import click
import numpy as np
from numpy.typing import NDArray
from results_page import ROOT, table
from sensorium_core.contract import touch
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_constants, load_urdf
from sensorium_fusion.fast_half import FastHalf
from sensorium_fusion.planner import Planner

Array = NDArray[np.float64]
_MS = 1_000_000
_PLAN_MS = 300
_INTENT = np.array([8.0, 0.5], dtype=np.float32)


class Costs:
    """Seconds of what was done, by what it was."""

    def __init__(self) -> None:
        self._wall: dict[str, list[float]] = {}
        self._own: dict[str, list[float]] = {}

    def measure(self, call: Callable[[], object], name: Callable[[object], str]) -> object:
        """Do it and note what it took."""
        wall, own = time.perf_counter(), time.thread_time()
        answer = call()
        wall, own = time.perf_counter() - wall, time.thread_time() - own
        self._wall.setdefault(name(answer), []).append(wall)
        self._own.setdefault(name(answer), []).append(own)
        return answer

    def rows(self) -> list[list[str]]:
        """One line for each of them [ms]."""
        return [
            [name, str(len(wall)), *(_percentiles(s) for s in (wall, self._own[name]))]
            for name, wall in self._wall.items()
        ]


def _percentiles(seconds: list[float]) -> str:
    low, high = (1e3 * float(np.percentile(seconds, q)) for q in (50, 99))
    return f"{low:.2f} / {high:.2f}"


class Contact:
    """A tool that stands on something with 3 N, whatever it does."""

    def __init__(self, costs: Costs) -> None:
        contract = touch()
        self._arm, self._costs = Kinematics(load_urdf()), costs
        self._half = FastHalf(
            FastPolicy(ROOT / "models" / "fast"), contract, self._arm, frozenset()
        )
        self._planner = Planner(contract.action, self._arm)
        cell = load_constants()
        q = self._arm.ik(np.array(cell.home_seed_q), np.array([0.48, 0.0, 0.1, 0.0]))
        self._joints, self._reference = np.append(q, 0.02), np.array([0.48, 0.0, 0.1, 0.0, 0.5])
        self._chunk = np.zeros((contract.action.horizon, 5), dtype=np.float32)
        self._chunk[:, 4] = 0.5
        self._rng = np.random.default_rng(0)

    def run(self, seconds: float) -> None:
        """Through so much time of its own."""
        for ms in range(100, round(1e3 * seconds), 2):
            wrench = 0.05 * self._rng.normal(size=6)
            wrench[2] -= 3.0
            self._half.push("wrench", ms * _MS, wrench)
            if ms % _PLAN_MS == 0:
                self._plan((ms - 30) * _MS)
            if self._half.is_due(ms * _MS):
                self._tick(ms * _MS)

    def _plan(self, t_ns: int) -> None:
        ahead = self._half.ahead(t_ns)
        own = self._planner.plan(t_ns, self._chunk, self._joints, self._reference)
        self._costs.measure(
            lambda: self._planner.taking_over(own, ahead),
            lambda plan: "a plan as it is" if plan is own else "a plan takes over, displaced",
        )
        self._half.planned(own, ahead, _INTENT)
        self._half.commanded()

    def _tick(self, t_ns: int) -> None:
        proposal = self._costs.measure(
            lambda: self._half.tick(t_ns, True, 0),
            lambda answer: "a tick" if answer is None else "a tick that proposes",
        )
        if isinstance(proposal, Trajectory):
            self._planner.history.push(proposal)
            self._half.commanded()


@click.command()
@click.option("--seconds", default=30.0, show_default=True, help="Of contact.")
def main(seconds: float) -> None:
    """Print the table."""
    costs = Costs()
    Contact(costs).run(seconds)
    print(table(["what", "n", "wall, p50 / p99 [ms]", "processor [ms]"], costs.rows()))


if __name__ == "__main__":
    main()
