"""Scripted experts do the touch tasks, gently; those that feel nothing do not."""

from dataclasses import replace

import numpy as np
import pytest
from sensorium_core.goal import TOUCH_FAMILIES
from sensorium_sim.fast_correction import Admittance
from sensorium_sim.give_expert import GiveExpert
from sensorium_sim.layout import heldout_seed
from sensorium_sim.readings import Readings
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import TouchDriver
from sensorium_sim.touch_episode import Attempt, attempt_touch
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_sight import sight_of
from sensorium_sim.touch_tasks import target_of


class Peak:
    """Largest force of an episode, which ends where the gate would stop the arm."""

    def __init__(self) -> None:
        self.force_n = 0.0

    def __call__(self, readings: Readings) -> bool:
        force = np.linalg.norm(readings.wrench[:, :3], axis=1)
        self.force_n = max(self.force_n, float(force.max()))
        return self.force_n > 150.0


def attempt(cell: TouchCell, family: str, index: int, feels: bool) -> tuple[Attempt, float]:
    scene, goal = touch_scene(family, heldout_seed(index))
    peak = Peak()
    fast = Admittance() if feels else None
    return attempt_touch(cell, scene, goal, feels, fast, peak), peak.force_n


@pytest.mark.parametrize("family", TOUCH_FAMILIES)
def test_experts_that_feel_reach_their_goals_gently(touch_cell: TouchCell, family: str) -> None:
    for index in (0, 1):
        end, force_n = attempt(touch_cell, family, index, feels=True)
        assert end.outcome.success, end.outcome.reason
        assert force_n < 50.0


def test_a_peg_that_lands_far_beside_its_well_is_inserted_in_time(touch_cell: TouchCell) -> None:
    """As policies land theirs: they do not know to a millimetre how a peg hangs in the hand."""
    for index in (0, 1):
        scene, goal = touch_scene("insert", heldout_seed(index))
        assert scene.block is not None
        block = replace(scene.block, seen_error_m=(0.008, -0.006, 0.0))
        end = attempt_touch(touch_cell, replace(scene, block=block), goal, True, Admittance())
        assert end.outcome.success, end.outcome.reason


def test_without_force_a_displaced_well_is_missed(touch_cell: TouchCell) -> None:
    far = [i for i in range(30) if well_error(i) > 3e-3][:2]
    for index in far:
        end, force_n = attempt(touch_cell, "insert", index, feels=False)
        assert not end.outcome.success
        assert force_n > 150.0


def well_error(index: int) -> float:
    block = touch_scene("insert", heldout_seed(index))[0].block
    assert block is not None
    return float(np.hypot(*block.seen_error_m[:2]))


@pytest.mark.parametrize("family", ["give", "feel"])
def test_without_feeling_twins_are_a_guess(touch_cell: TouchCell, family: str) -> None:
    ends = [attempt(touch_cell, family, i, feels=False)[0].outcome for i in range(12)]
    assert 3 <= sum(end.success for end in ends) <= 9


def test_a_repeated_episode_is_the_same(touch_cell: TouchCell) -> None:
    first, second = (attempt(touch_cell, "feel", 2, feels=True) for _ in range(2))
    assert first[1] == second[1]
    assert first[0].duration_s == second[0].duration_s
    np.testing.assert_array_equal(first[0].end.tool_pose, second[0].end.tool_pose)


def test_the_hold_that_counts_is_the_one_that_was_asked_for(touch_cell: TouchCell) -> None:
    """The same press is right for one word and wrong for the other."""
    end, _ = attempt(touch_cell, "hold", 2, feels=True)
    goal = touch_scene("hold", heldout_seed(2))[1]
    gentle, firm = end.end.presses[target_of(goal, end.end)].longest_s
    assert (gentle >= 1.0) == (goal.manner == "gently")
    assert (firm >= 1.0) == (goal.manner == "firmly")


def test_weights_are_remembered_and_right(touch_cell: TouchCell) -> None:
    scene, goal = touch_scene("give", heldout_seed(0))
    touch_cell.reset(scene)
    driver, expert = TouchDriver(touch_cell, None), GiveExpert(goal)
    readings = None
    for _ in range(120):
        sight = sight_of(touch_cell.ground_truth(), driver.pose, readings)
        move = expert.decide(sight)
        if None not in expert.memory.weights_n:
            break
        readings = driver.move(move)
    for item, weight in zip(scene.objects, expert.memory.weights_n, strict=True):
        assert weight == pytest.approx(9.81 * item.mass_kg, abs=0.1)
