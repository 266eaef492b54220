"""Do joints and fingers give away what only touch may tell? Linear probes on tracking errors.

    .venv/bin/python benchmarks/touch_leaks.py --n 100

`give`: from how far the resting joints are off while each block hangs, the opening of the fingers
among them, tell which is heavier.
`hold`: from the same, tell the force of a press that is being held. A probe is fitted on one half
of the scenes and judged on the other, with the arm's integral action and without it.
"""

from __future__ import annotations

from collections.abc import Iterator

import click
import numpy as np
from numpy.typing import NDArray
from results_page import table
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


def weighings(cell: TouchCell, n: int) -> tuple[Array, Array, Array]:
    """Errors of one reading and of 0.1 s, second block less first `(n, 7)`, and masses [kg]."""
    single, mean, more = [], [], []
    for seed in range(n):
        masses = [o.mass_kg for o in touch_scene("give", seed)[0].objects]
        seen: dict[int, Array] = {}
        for expert, _, errors in moves(cell, "give", seed):
            assert isinstance(expert, GiveExpert)
            for block, weight in enumerate(expert.memory.weights_n):
                if weight is not None and block not in seen:
                    seen[block] = errors
            if len(seen) == 2:
                break
        if len(seen) < 2:
            click.echo(f"scene {seed} is left out: a block was not weighed", err=True)
            continue
        single.append(seen[1][-1] - seen[0][-1])
        mean.append((seen[1] - seen[0]).mean(axis=0))
        more.append(masses[1] - masses[0])
    return np.array(single), np.array(mean), np.array(more)


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


def predicted(features: Array, target: Array) -> tuple[Array, Array]:
    """What a linear fit on the first half says of the second, and the truth there."""
    half = len(target) // 2
    columns = np.column_stack([features / JOINT_POSITION_NOISE_RAD, np.ones(len(target))])
    weights = np.linalg.lstsq(columns[:half], target[:half], rcond=None)[0]
    return columns[half:] @ weights, target[half:]


@click.command()
@click.option("--n", default=100, show_default=True, help="Scenes of each probe.")
def main(n: int) -> None:
    """Run the probes and print the table."""
    cell, rows = TouchCell(cameras=()), []
    integral = cell._integral
    for name, action in (("integral action", integral), ("none", Frozen())):
        cell._integral = action  # type: ignore[assignment]
        single, mean, more = weighings(cell, n)
        for what, features in (("one reading", single), ("mean of 0.1 s", mean)):
            guess, truth = predicted(features, more)
            right = int(((guess > 0) == (truth > 0)).sum())
            low, high = wilson(right, len(truth))
            score = f"{right}/{len(truth)} right ({100 * low:.0f} to {100 * high:.0f} %)"
            rows.append([name, f"heavier block, {what}", score])
        guess, truth = predicted(*presses(cell, n))
        share = 1.0 - float(((guess - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
        rows.append([name, "force of a press, one reading", f"R² = {share:.2f}"])
    print(table(["arm", "probe", "result"], rows))


if __name__ == "__main__":
    main()
