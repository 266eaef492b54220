"""Do joints and fingers give away what only touch may tell? Linear probes on tracking errors.

    .venv/bin/python benchmarks/touch_leaks.py --n 200 --write

`give`: from how far the resting joints are off while each block hangs, the opening of the fingers
among them, tell which is heavier; then the same all the way from the grasp, the lift among it.
`hold`: from how far they are off, tell the force of a press that is being held. A probe is fitted
on nine tenths of the scenes and judged on the rest, ten times, with the arm's integral action and
without it. Right ones of a probe that knows nothing: a half.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
from numpy.typing import NDArray
from results_page import commit, table, write_section
from sensorium_sim.fast_correction import Admittance
from sensorium_sim.give_expert import GiveExpert
from sensorium_sim.hold_expert import HoldExpert
from sensorium_sim.readings import Readings
from sensorium_sim.sensors import JOINT_POSITION_NOISE_RAD
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import TouchDriver
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_sight import sight_of
from sensorium_training.evaluation import wilson

Array = NDArray[np.float64]
Step = tuple[GiveExpert | HoldExpert, Readings, Array]
_FOLDS = 10
_LIFT = 8
"""Moves before a weighing, the weighing's own the last: 0.8 s, with the end of the grasp."""
_PENALTIES = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
"""Of the ridge, the best by leaving one scene of the fitting out at a time."""


class Frozen:
    """Stands in for the integral action: a torque that never grows."""

    def __init__(self) -> None:
        self.torque = np.zeros(6)

    def clear(self) -> None:
        """Nothing to forget."""

    def update(self, error: Array, setpoint_rate: Array) -> None:
        """Nothing grows."""


def moves(cell: TouchCell, family: str, seed: int) -> Iterator[Step]:
    """Each move of an episode: the expert, what was felt, and the joints' errors `(n, 7)`."""
    scene, goal = touch_scene(family, seed)
    cell.reset(scene)
    driver, expert = TouchDriver(cell, Admittance()), make_expert(goal, True)
    assert isinstance(expert, GiveExpert | HoldExpert)
    readings = None
    for _ in range(120):
        move = expert.decide(sight_of(cell.ground_truth(), driver.pose, readings))
        if readings is not None:
            yield expert, readings, readings.joints[:, :7] - cell.setpoint()[:7]
        readings = driver.move(move)


def weighings(cell: TouchCell, n: int) -> tuple[dict[str, Array], Array]:
    """What joints tell of second block less first, by name `(n, features)`; the masses [kg]."""
    told: dict[str, list[Array]] = {"one reading": [], "mean of 0.1 s": [], "0.8 s, the lift": []}
    more = []
    for seed in range(n):
        masses = [o.mass_kg for o in touch_scene("give", seed)[0].objects]
        path, seen = [], {}
        for expert, _, errors in moves(cell, "give", seed):
            assert isinstance(expert, GiveExpert)
            path.append(errors)
            for block, weight in enumerate(expert.memory.weights_n):
                if weight is not None and block not in seen:
                    seen[block] = np.array(path[-_LIFT:])
            if len(seen) == 2:
                break
        if len(seen) < 2:
            click.echo(f"scene {seed} is left out: a block was not weighed", err=True)
            continue
        apart = seen[1] - seen[0]
        told["one reading"].append(apart[-1, -1])
        told["mean of 0.1 s"].append(apart[-1].mean(axis=0))
        told["0.8 s, the lift"].append(apart.reshape(2 * _LIFT, -1, 7).mean(axis=1).ravel())
        more.append(masses[1] - masses[0])
    return {name: np.array(rows) for name, rows in told.items()}, np.array(more)


def presses(cell: TouchCell, n: int) -> tuple[Array, Array]:
    """Errors of one reading `(n, 7)` late in a hold, and the force held [N]."""
    errors, forces = [], []
    for seed in range(n):
        for expert, readings, error in moves(cell, "hold", seed):
            assert isinstance(expert, HoldExpert)
            if expert.memory.held_s > 1.0:
                errors.append(error[-1])
                forces.append(-float(readings.wrench[:, 2].mean()))
                break
    return np.array(errors), np.array(forces)


def predicted(features: Array, target: Array) -> Array:
    """What ridge regressions say of each scene, fitted without that scene's tenth `(n,)`."""
    scaled = features / JOINT_POSITION_NOISE_RAD
    fold = np.arange(len(target)) % _FOLDS
    said = np.empty(len(target))
    for aside in range(_FOLDS):
        fit = fold != aside
        middle, level = scaled[fit].mean(axis=0), target[fit].mean()
        weights = ridge(scaled[fit] - middle, target[fit] - level)
        said[~fit] = (scaled[~fit] - middle) @ weights + level
    return said


def ridge(features: Array, target: Array) -> Array:
    """Weights by the penalty whose residuals are least on scenes left out one at a time."""
    left, sizes, right = np.linalg.svd(features, full_matrices=False)
    best, least = np.zeros(features.shape[1]), np.inf
    for penalty in _PENALTIES:
        kept = sizes**2 / (sizes**2 + penalty)
        residual = target - left @ (kept * (left.T @ target))
        alone = residual / (1.0 - (left**2) @ kept)
        if (error := float((alone**2).sum())) < least:
            best, least = right.T @ (kept / sizes * (left.T @ target)), error
    return best


def tables(cell: TouchCell, n: int) -> list[list[str]]:
    """A row for each probe, of the arm as it is and of one without integral action."""
    rows = []
    for name, action in (("as it is", cell._integral), ("no integral action", Frozen())):
        cell._integral = action  # type: ignore[assignment]
        told, more = weighings(cell, n)
        for what, features in told.items():
            right = int(((predicted(features, more) > 0) == (more > 0)).sum())
            low, high = wilson(right, len(more))
            score = f"{right}/{len(more)} right ({100 * low:.0f} to {100 * high:.0f} %)"
            rows.append([name, f"heavier block, {what}", score])
        features, truth = presses(cell, n)
        guess = predicted(features, truth)
        share = 1.0 - float(((guess - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
        rows.append([name, "force of a press, one reading", f"R² = {share:.2f}"])
    return rows


@click.command()
@click.option("--n", default=200, show_default=True, help="Scenes of each probe.")
@click.option("--write", is_flag=True, help="Also write the section into docs/results.md.")
def main(n: int, write: bool) -> None:
    """Run the probes and print the table."""
    told = (
        "## Do the joints tell what only touch may?\n\n"
        f"`benchmarks/touch_leaks.py --n {n} --write`, commit {commit()}. From how far joints and "
        "fingers are off their setpoints; cross-validated ridge regressions, 95 % Wilson "
        "intervals; a guess is right half the time. The arm without integral action shows that "
        "the probes find a leak where there is one.\n\n"
    ) + table(["arm", "probe", "result"], tables(TouchCell(cameras=()), n))
    print(told)
    if write:
        write_section("leaks", told)


if __name__ == "__main__":
    main()
