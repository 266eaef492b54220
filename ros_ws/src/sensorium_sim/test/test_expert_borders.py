"""Where experts change their mind: no finer than a policy sees, and never balanced in the air."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.goal import Goal
from sensorium_sim.expert_moves import GRASP_M, LANDING_M, LANDING_N, grasp, lower
from sensorium_sim.insert_expert import InsertExpert
from sensorium_sim.layout import heldout_seed
from sensorium_sim.put_expert import PutExpert
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import PEG_HEIGHT_M, PEG_SHAPES, TouchState, hole_position
from sensorium_sim.touch_sight import Felt, Sight

SEEN_M = 0.006
"""What a policy misses the middle of a thing by, now and then."""
MIDDLE = 0.5 * PEG_HEIGHT_M
HELD = Felt(opening_m=0.0199, squeeze_n=15.0)


def state_of(cell: TouchCell, family: str, index: int = 0) -> tuple[TouchState, Goal]:
    scene, goal = touch_scene(family, heldout_seed(index))
    cell.reset(scene)
    return cell.ground_truth(), goal


def moved(state: TouchState, index: int, place: np.ndarray, yaw: float = 0.0) -> TouchState:
    """The same with one object elsewhere, upright."""
    items = list(state.objects)
    quat = np.array([0.0, 0.0, np.sin(yaw / 2), np.cos(yaw / 2)])
    items[index] = replace(items[index], position=place, quat_xyzw=quat)
    return replace(state, objects=tuple(items))


def over_its_well(
    state: TouchState, kind: str, offset: np.ndarray, height: float, yaw: float, press_n: float
) -> Sight:
    """A peg in the hand, its tip beside and above the middle of the well as it is known."""
    index = [o.shape for o in state.objects].index(PEG_SHAPES[kind])
    assert state.scene.block is not None
    hole = hole_position(state.scene.block, kind, seen=True)
    tool = hole + np.array([*offset, height + MIDDLE])
    felt = replace(HELD, force_n=(0.0, 0.0, press_n))
    return Sight(moved(state, index, tool, yaw), np.array([*tool, yaw]), felt)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(PEG_SHAPES)),
    gap=st.floats(0.0, 0.0115),
    way=st.floats(-np.pi, np.pi),
    height=st.floats(-0.001, 0.0115),
    yaw=st.floats(-0.3, 0.3),
)
def test_a_peg_over_its_well_never_rises_and_never_goes_away(
    touch_cell: TouchCell, kind: str, gap: float, way: float, height: float, yaw: float
) -> None:
    state, _ = state_of(touch_cell, "insert")
    offset = gap * np.array([np.cos(way), np.sin(way)])
    sight = over_its_well(state, kind, offset, height, yaw, press_n=0.0)
    move = InsertExpert(Goal("insert", quality=kind)).decide(sight)
    assert move.dxyz[2] <= 0.0
    assert float(move.dxyz[:2] @ offset) <= 0.0
    assert move.intent is not None
    if gap < SEEN_M and (kind == "round" or abs(yaw) < 0.05):
        assert move.dxyz[2] < -0.0005


@pytest.mark.parametrize("press_n", [0.0, 8.0])
def test_a_square_peg_is_turned_to_its_well_in_the_air_and_in_the_search(
    touch_cell: TouchCell, press_n: float
) -> None:
    state, _ = state_of(touch_cell, "insert")
    for yaw in (0.15, -0.15):
        sight = over_its_well(state, "square", np.full(2, 0.001), 0.0, yaw, press_n)
        assert InsertExpert(Goal("insert", quality="square")).decide(sight).dyaw * yaw < 0.0
        sight = over_its_well(state, "round", np.full(2, 0.001), 0.0, yaw, press_n)
        assert InsertExpert(Goal("insert", quality="round")).decide(sight).dyaw == 0.0


def test_a_search_that_leaves_its_circle_ends_with_the_peg_lifted(touch_cell: TouchCell) -> None:
    state, _ = state_of(touch_cell, "insert")
    expert = InsertExpert(Goal("insert", quality="round"))
    expert.decide(over_its_well(state, "round", np.zeros(2), 0.0, 0.0, press_n=8.0))
    within = over_its_well(state, "round", np.array([0.012, 0.0]), 0.0, 0.0, press_n=8.0)
    assert expert.decide(within).dxyz[2] == 0.0
    beyond = over_its_well(state, "round", np.array([0.013, 0.0]), 0.0, 0.0, press_n=8.0)
    assert expert.decide(beyond).dxyz[2] > 0.0


def test_fingers_close_as_far_beside_a_thing_as_a_policy_may_be(touch_cell: TouchCell) -> None:
    assert GRASP_M > SEEN_M
    state, _ = state_of(touch_cell, "feel")
    item = state.objects[0].position
    for aside, grip in ((SEEN_M, 0.0), (GRASP_M + 0.001, 1.0)):
        tool = np.array([item[0] + aside, item[1], item[2], 0.0])
        sight = Sight(state, tool, Felt(opening_m=0.0425))
        assert grasp(sight, item, 0.0, 0.02, 0.095).grip == grip


def test_what_is_put_down_is_let_go_once_it_presses(touch_cell: TouchCell) -> None:
    state, _ = state_of(touch_cell, "give")
    item = state.objects[0]
    for bottom, press_n, grip in ((0.008, 0.0, 0.0), (0.008, 2.0, 1.0), (0.001, 0.0, 1.0)):
        place = np.array([*item.position[:2], 0.5 * item.size_m + bottom])
        felt = replace(HELD, force_n=(0.0, 0.0, press_n))
        sight = Sight(moved(state, 0, place), np.array([*place, 0.0]), felt)
        move = lower(sight, 0)
        assert move.grip == grip
        if grip == 0.0:
            assert bottom < LANDING_M
            assert move.intent is not None
            assert move.intent.press_n == LANDING_N


def test_a_stack_is_let_go_once_it_stands(touch_cell: TouchCell) -> None:
    state, goal = state_of(touch_cell, "stack")
    kinds = [(o.colour, o.shape) for o in state.objects]
    top = kinds.index((goal.colour, goal.shape))
    below = state.objects[kinds.index((goal.onto_colour, goal.onto_shape))]
    half = 0.5 * state.objects[top].size_m
    for press_n, grip in ((0.0, 0.0), (3.0, 1.0)):
        place = below.position + np.array([0.011, 0.0, 0.5 * below.size_m + half + 0.002])
        felt = Felt(opening_m=half, squeeze_n=15.0, force_n=(0.0, 0.0, press_n))
        sight = Sight(moved(state, top, place), np.array([*place, 0.0]), felt)
        assert PutExpert(goal).decide(sight).grip == grip


@pytest.mark.parametrize("kind", sorted(PEG_SHAPES))
def test_who_is_learnt_from_goes_straight_to_the_well_while_it_presses(
    touch_cell: TouchCell, kind: str
) -> None:
    state, _ = state_of(touch_cell, "insert")
    block = state.scene.block
    assert block is not None
    seen = np.array([0.0025, -0.0015])
    block = replace(block, seen_error_m=(*seen.tolist(), 0.0))
    state = replace(state, scene=replace(state.scene, block=block))
    goal = Goal("insert", quality=kind)
    searched = set()
    for way in np.linspace(-3.0, 3.0, 7):
        aside = 0.005 * np.array([np.cos(way), np.sin(way)])
        steps = {}
        for knows in (False, True):
            expert = InsertExpert(goal, knows=knows)
            for press_n in (0.0, 8.0):
                sight = over_its_well(state, kind, aside - seen, 0.0005, block.yaw, press_n)
                steps[knows, press_n] = expert.decide(sight).dxyz
        np.testing.assert_array_equal(steps[False, 0.0], steps[True, 0.0])
        np.testing.assert_allclose(steps[True, 8.0], [*(-0.24 * aside), 0.0], atol=1e-9)
        searched.add(tuple(steps[False, 8.0].tolist()))
    assert len(searched) == 1, "who is not told begins the same search everywhere"
