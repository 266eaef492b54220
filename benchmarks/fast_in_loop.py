"""The fast half where it stands: behind a slow policy, in the loop of the nodes, before the gate.

    .venv/bin/python benchmarks/fast_in_loop.py --n 10

The slow policy is the scripted expert in the place of a network: asked ten times a second, it
answers a chunk and an intent. All else is as headless evaluation has it: streams, runner,
proposals that are 20 ms on their way, the whole gate.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from results_page import ROOT, commit, table
from sensorium_core.contract import touch
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.policy import PolicyOutput
from sensorium_fusion.runner import Runner
from sensorium_sim.layout import heldout_seed
from sensorium_sim.readings import Readings
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import join
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_sight import sight_of
from sensorium_training.closed_loop import ClosedLoop, Run
from sensorium_training.dagger import Told
from sensorium_training.evaluation import GRACE_S, wilson
from sensorium_training.fast.runs import FAMILIES
from sensorium_training.matrix.task_sets import Trial, task_set

_TOUCH = touch()
_CONTRACT = _TOUCH.model_copy(
    update={"action": _TOUCH.action.model_copy(update={"execute_steps": 1})}
)
"""Ten answers a second, as experts decide."""
_BEYOND = 1.3
"""How far a chunk goes, in moves: at the end of a move the tool is not at rest."""
_MOVE_TICKS = 10


class FeelingCell(TouchCell):
    """Keeps the readings of the last 0.1 s, for the expert."""

    def sense(self, n: int) -> Readings:
        """As `Cell.sense`."""
        readings = super().sense(n)
        self.recent: deque[Readings] = getattr(self, "recent", deque(maxlen=_MOVE_TICKS))
        self.recent.append(readings)
        return readings


class ExpertAnswers:
    """The expert of a goal as a policy of contract version 2."""

    contract, families = _CONTRACT, ALL_FAMILIES
    unheard: frozenset[str] = frozenset()

    def __init__(self, cell: FeelingCell, goal: Goal) -> None:
        self._cell, self._expert = cell, make_expert(goal, feels=True)

    def run(self, tensors: dict[str, NDArray[np.generic]]) -> PolicyOutput:
        """The next move as a chunk, and what shall be felt."""
        tool = tensors["reference"][0, :4].astype(np.float64)
        felt = join(list(self._cell.recent))
        move = self._expert.decide(sight_of(self._cell.ground_truth(), tool, felt))
        c, s = np.cos(tool[3]), np.sin(tool[3])
        x, y, z = move.dxyz
        far = np.array([1.0, *[_BEYOND] * (_CONTRACT.action.horizon - 1)])[:, None]
        step = np.array([c * x + s * y, c * y - s * x, z, move.dyaw])
        chunk = np.hstack([far * step, np.full_like(far, move.grip)]).astype(np.float32)
        wish = move.intent
        intent = (0.0, 0.0) if wish is None else (wish.press_n, wish.yield_)
        target, weights = np.zeros(3, np.float32), np.full(6, 1 / 6, np.float32)
        return PolicyOutput(chunk, target, 1.0, 0.0, weights, np.array(intent, np.float32))


def episode(cell: FeelingCell, family: str, seed: int, fast: FastPolicy | None) -> Run:
    """One held-out scene, through runner and gate."""
    _, goal = touch_scene(family, seed)
    staged = task_set("touch").stage(Trial(family, seed, goal.text))
    policy = ExpertAnswers(cell, goal)
    runner = Runner(policy, Told(goal), cell.kinematics, fast=fast)
    loop = ClosedLoop.of(runner, _CONTRACT, cell)
    return loop.run(staged.scene, goal.text, staged.judge, staged.limit_s + GRACE_S)


def line(name: str, fast: bool, runs: list[Run]) -> list[str]:
    """Of the table."""
    won, n = sum(run.success for run in runs), len(runs)
    low, high = (round(100 * share) for share in wilson(won, n))
    peaks = [run.peak_force_n for run in runs]
    refused = Counter(words.partition(":")[0] for run in runs for words in run.refusals)
    trips = Counter(words.partition(":")[0] for run in runs for words in run.trips)
    return [
        name, "learned" if fast else "none", f"{won}/{n} ({low} to {high} %)",
        f"{np.median(peaks):.0f} / {max(peaks):.0f}", f"{dict(refused)}", f"{dict(trips)}",
        f"{np.median([run.seconds for run in runs]):.1f} s",
    ]  # fmt: skip


@click.command()
@click.option("--n", default=10, show_default=True, type=click.IntRange(1), help="Scenes a row.")
@click.option("--family", multiple=True, type=click.Choice(FAMILIES), default=FAMILIES)
@click.option("--without/--no-without", default=True, help="Also without a fast half.")
@click.option("--file", default=ROOT / "models" / "fast", type=click.Path(path_type=Path))
@click.option("--out", default=ROOT / "out" / "fast_in_loop.json", type=click.Path(path_type=Path))
def main(n: int, family: tuple[str, ...], without: bool, file: Path, out: Path) -> None:
    """Run the rows and print the table."""
    cell, lines, records = FeelingCell(), [], []
    for name in family:
        for half in (FastPolicy(file), *([None] if without else [])):
            runs = [episode(cell, name, heldout_seed(i), half) for i in range(n)]
            lines.append(line(name, half is not None, runs))
            records.append([name, half is not None, [asdict(run) for run in runs]])
            print(" | ".join(lines[-1]), flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"commit": commit(), "rows": records}, indent=1), encoding="utf-8")
    header = ["task", "fast half", "success", "peak force [N]", "refused", "held", "median time"]
    print(table(header, lines))


if __name__ == "__main__":
    main()
