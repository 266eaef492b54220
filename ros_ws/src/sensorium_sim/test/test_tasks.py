"""Scenes are fair, goals can be told apart, and only the right thing counts as success."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.goal import Goal
from sensorium_description import load_constants
from sensorium_sim.cell import Cell
from sensorium_sim.driving import attempt
from sensorium_sim.layout import (
    HELDOUT_SEEDS,
    SPACING_M,
    TRAIN_SEEDS,
    absent_goals,
    feasible,
    feasible_goals,
    heldout_seed,
    sample_scene,
)
from sensorium_sim.scene import SceneState
from sensorium_sim.tasks import TASKS

SEEDS = st.integers(0, 1_999_999)


@given(SEEDS)
def test_objects_stand_in_the_work_area_with_room_for_fingers(seed: int) -> None:
    scene, area = sample_scene(seed), load_constants().work_area
    spots = np.array([(o.x, o.y) for o in scene.objects])
    assert 2 <= len(spots) <= 5
    assert (spots >= [area["x"][0], area["y"][0]]).all()
    assert (spots <= [area["x"][1], area["y"][1]]).all()
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + np.eye(len(spots))
    assert gaps.min() >= SPACING_M


@given(SEEDS)
def test_every_object_and_button_can_be_named(seed: int) -> None:
    scene = sample_scene(seed)
    kinds = [(o.colour, o.shape) for o in scene.objects]
    assert len(set(kinds)) == len(kinds)
    assert scene.buttons[0].colour != scene.buttons[1].colour
    for family in ("pick", "press"):
        assert all(feasible(scene, goal) for goal in feasible_goals(scene, family))


@given(SEEDS)
def test_absent_goals_name_nothing_in_the_scene(seed: int) -> None:
    scene = sample_scene(seed)
    assert all(scene.index_of(goal) is None for goal in absent_goals(scene))


@given(SEEDS, st.sampled_from(sorted(TASKS)))
def test_a_task_sets_a_goal_that_can_be_reached_and_repeats_itself(seed: int, family: str) -> None:
    scene, goal = TASKS[family].reset(seed)
    assert goal.family == family
    assert feasible(scene, goal)
    assert TASKS[family].reset(seed) == (scene, goal)


def test_heldout_scenes_are_no_training_scenes() -> None:
    assert heldout_seed(0) == HELDOUT_SEEDS[0]
    assert not set(TRAIN_SEEDS) & set(HELDOUT_SEEDS)


def states(cell: Cell) -> tuple[Goal, SceneState, SceneState]:
    scene, goal = TASKS["push"].reset(0)
    cell.reset(scene)
    start = cell.ground_truth()
    return goal, start, start


def moved(state: SceneState, index: int, by: tuple[float, float, float]) -> SceneState:
    objects = list(state.objects)
    objects[index] = replace(objects[index], position=objects[index].position + np.array(by))
    return replace(state, objects=tuple(objects))


def target_of(goal: Goal, state: SceneState) -> int:
    return [(o.colour, o.shape) for o in state.objects].index((goal.colour, goal.shape))


@pytest.mark.parametrize(
    ("direction", "by"),
    [("left", (0, 0.09, 0)), ("right", (0, -0.09, 0)), ("away", (0.09, 0, 0)),
     ("closer", (-0.09, 0, 0))],
)  # fmt: skip
def test_a_push_counts_in_the_told_direction_only(
    cell: Cell, direction: str, by: tuple[float, float, float]
) -> None:
    goal, start, _ = states(cell)
    goal = replace(goal, direction=direction)
    index, task = target_of(goal, start), TASKS["push"]
    assert task.success(goal, start, moved(start, index, by)).success is True
    back = tuple(-value for value in by)
    assert task.success(goal, start, moved(start, index, back)).success is None
    aside = (by[0] + 0.1, by[1], 0.0) if by[0] == 0 else (by[0], by[1] + 0.1, 0.0)
    slanted = moved(start, index, aside)
    assert task.success(goal, start, slanted).success is None


def test_pushing_or_lifting_another_object_is_failure(cell: Cell) -> None:
    goal, start, _ = states(cell)
    other = (target_of(goal, start) + 1) % len(start.objects)
    task = TASKS["push"]
    assert task.success(goal, start, moved(start, other, (0.07, 0, 0))).success is False
    assert task.success(goal, start, moved(start, other, (0, 0, 0.05))).success is False


def test_a_pick_counts_only_when_held(cell: Cell) -> None:
    goal, start, _ = states(cell)
    index = target_of(goal, start)
    pick = Goal("pick", goal.colour, goal.shape)
    up = moved(start, index, (0, 0, 0.07))
    assert TASKS["pick"].success(pick, start, up).success is None
    assert TASKS["pick"].success(pick, start, replace(up, holding=index)).success is True


def test_the_wrong_button_or_too_much_force_is_failure(cell: Cell) -> None:
    scene, goal = TASKS["press"].reset(0)
    cell.reset(scene)
    start = cell.ground_truth()
    task = TASKS["press"]
    for index, button in enumerate(start.buttons):
        buttons = list(start.buttons)
        buttons[index] = replace(button, clicks=1, peak_force_n=9.0)
        now = replace(start, buttons=tuple(buttons))
        assert task.success(goal, start, now).success is (button.colour == goal.colour)
        buttons[index] = replace(button, clicks=1, peak_force_n=26.0)
        now = replace(start, buttons=tuple(buttons))
        assert task.success(goal, start, now).success is False


def test_doing_one_task_is_not_doing_another(cell: Cell) -> None:
    scene, goal = TASKS["pick"].reset(heldout_seed(3))
    outcome, now = attempt(cell, scene, goal)
    cell.reset(scene)
    start = cell.ground_truth()
    assert outcome.success
    for other in feasible_goals(scene, "pick"):
        if other != goal:
            assert TASKS["pick"].success(other, start, now).success is False
