"""Each condition of a judge of the touch tasks: without it alone, nothing has been reached."""

from dataclasses import replace

import numpy as np
import pytest
from sensorium_core.goal import Goal
from sensorium_sim.scene import ObjectState
from sensorium_sim.tasks import LIFT_M, WRONG_LIFT_M
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import (
    HANDOVER_HEIGHT_M,
    HANDOVER_RADIUS_M,
    HANDOVER_XY_M,
    PEG_HEIGHT_M,
    PressState,
    TouchState,
    hole_position,
)
from sensorium_sim.touch_tasks import ASIDE_M, DEPTH_M, judge, target_of

UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])
FAST = np.array([0.05, 0.0, 0.0])
"""Metres a second: not at rest."""


def begin(family: str, seed: int, **quality: str) -> tuple[Goal, TouchState, int]:
    """A goal, the state in which its scene begins, and which object is meant."""
    scene, goal = touch_scene(family, seed)
    goal = Goal(family, **quality) if quality else goal
    heights = [scene.trait(i).height_m or o.size_m for i, o in enumerate(scene.objects)]
    objects = tuple(
        ObjectState(
            o.colour, o.shape, o.size_m, np.array([o.x, o.y, 0.5 * h]), UPRIGHT, np.zeros(3)
        )
        for o, h in zip(scene.objects, heights, strict=True)
    )
    state = TouchState(
        0, objects, (), np.zeros(4), 0.04, None, scene=scene, presses=(PressState(), PressState())
    )
    return goal, state, target_of(goal, state)


def put(state: TouchState, index: int, place: np.ndarray, **changes: np.ndarray) -> TouchState:
    """The same with one object elsewhere."""
    items = list(state.objects)
    items[index] = replace(items[index], position=np.asarray(place, dtype=float), **changes)
    return replace(state, objects=tuple(items))


def lifted(state: TouchState, index: int, by_m: float) -> TouchState:
    """The same with one object higher."""
    return put(state, index, state.objects[index].position + np.array([0.0, 0.0, by_m]))


@pytest.mark.parametrize("kind", ["round", "square"])
def test_a_peg_is_in_by_the_true_well_and_not_beside_it(kind: str) -> None:
    goal, start, index = begin("insert", 4, quality=kind)
    block = start.scene.block
    assert block is not None
    block = replace(block, seen_error_m=(2 * ASIDE_M, 0.0, 0.0))
    start = replace(start, scene=replace(start.scene, block=block))
    deep = np.array([0.0, 0.0, 0.5 * PEG_HEIGHT_M - DEPTH_M - 1e-4])
    true, seen = (hole_position(block, kind, seen=one) + deep for one in (False, True))
    for way in np.linspace(0.0, 6.0, 7):
        aside = np.array([np.cos(way), np.sin(way), 0.0])
        near, far = (put(start, index, true + gap * ASIDE_M * aside) for gap in (0.99, 1.01))
        assert judge(goal, start, near).success is True
        assert judge(goal, start, far).success is None
    assert judge(goal, start, put(start, index, seen)).success is None


@pytest.mark.parametrize("quality", ["heavier", "lighter"])
def test_a_block_is_given_at_rest_over_the_zone_with_the_other_one_down(quality: str) -> None:
    goal, start, index = begin("give", 5, quality=quality)
    half = 0.5 * start.objects[index].size_m
    over = np.array([*HANDOVER_XY_M, HANDOVER_HEIGHT_M + half + 1e-4])

    def given(place: np.ndarray, **changes: np.ndarray) -> TouchState:
        return replace(put(start, index, place, **changes), holding=index)

    assert judge(goal, start, given(over)).success is True
    assert judge(goal, start, given(over, velocity=FAST)).success is None
    assert judge(goal, start, given(over - [0.0, 0.0, 2e-4])).success is None
    edge = np.array([0.0, HANDOVER_RADIUS_M, 0.0])
    assert judge(goal, start, given(over + 0.99 * edge)).success is True
    assert judge(goal, start, given(over + 1.01 * edge)).success is None
    assert judge(goal, start, lifted(given(over), 1 - index, 0.01)).success is None


@pytest.mark.parametrize("quality", ["soft", "hard"])
def test_feeling_is_decided_by_a_lift_in_the_fingers(quality: str) -> None:
    goal, start, index = begin("feel", 5, quality=quality)
    for one, right in ((index, True), (1 - index, False)):
        high, low = (lifted(start, one, by) for by in (LIFT_M + 1e-4, LIFT_M - 1e-4))
        assert judge(goal, start, replace(high, holding=one)).success is right
        assert judge(goal, start, replace(low, holding=one)).success is None
        assert judge(goal, start, high).success is None
        assert judge(goal, start, replace(high, holding=1 - one)).success is None


@pytest.mark.parametrize("family", ["put", "stack"])
def test_what_is_put_lies_at_rest_let_go_and_nothing_else_was_lifted(family: str) -> None:
    goal, start, index = begin(family, 6)
    there = _reached(goal, start, index)
    assert judge(goal, start, there).success is True
    assert judge(goal, start, replace(there, touched=(index,))).success is None
    moving = put(there, index, there.objects[index].position, velocity=FAST)
    assert judge(goal, start, moving).success is None
    for other in range(len(start.objects)):
        if other != index:
            assert judge(goal, start, lifted(there, other, WRONG_LIFT_M + 1e-3)).success is False


def _reached(goal: Goal, start: TouchState, index: int) -> TouchState:
    if goal.family == "put":
        bowl = next(b for b in start.scene.bowls if b.colour == goal.onto_colour)
        return put(start, index, np.array([bowl.x, bowl.y, 0.025]))
    kind = (goal.onto_colour, goal.onto_shape)
    below = next(o for o in start.objects if (o.colour, o.shape) == kind)
    rise = 0.5 * (below.size_m + start.objects[index].size_m)
    return put(start, index, below.position + np.array([0.0, 0.0, rise]))
