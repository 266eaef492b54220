"""Only the right thing counts as success in the touch tasks, and the reason is in the force."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.goal import Goal
from sensorium_sim.scene import ObjectState
from sensorium_sim.tasks import LIFT_M, WRONG_LIFT_M
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import (
    HANDOVER_HEIGHT_M,
    HANDOVER_RADIUS_M,
    HANDOVER_XY_M,
    PEG_HEIGHT_M,
    PEG_SHAPES,
    PressState,
    TouchScene,
    TouchState,
    hole_position,
)
from sensorium_sim.touch_tasks import ASIDE_M, DEPTH_M, TOO_HARD_N, judge, target_of
from sensorium_sim.touch_truth import PressWatch

UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])
FAST = np.array([0.05, 0.0, 0.0])
"""Metres a second: not at rest."""


def state_of(scene: TouchScene) -> TouchState:
    """The state in which a scene begins, without a simulator."""
    objects = []
    for index, item in enumerate(scene.objects):
        height = scene.trait(index).height_m or item.size_m
        place = np.array([item.x, item.y, 0.5 * height])
        objects.append(
            ObjectState(item.colour, item.shape, item.size_m, place, UPRIGHT, np.zeros(3))
        )
    return TouchState(
        0, tuple(objects), (), np.zeros(4), 0.04, None, scene=scene,
        presses=(PressState(), PressState()),
    )  # fmt: skip


def moved(state: TouchState, index: int, place: np.ndarray, **changes: np.ndarray) -> TouchState:
    objects = list(state.objects)
    place = np.array(place, dtype=float)
    objects[index] = replace(objects[index], position=place, **changes)
    return replace(state, objects=tuple(objects))


def lifted(state: TouchState, index: int, by_m: float) -> TouchState:
    return moved(state, index, state.objects[index].position + np.array([0.0, 0.0, by_m]))


def begin(family: str, seed: int, **quality: str) -> tuple[Goal, TouchState, int]:
    """A goal, the state in which its scene begins, and which object is meant."""
    scene, goal = touch_scene(family, seed)
    goal, start = Goal(family, **quality) if quality else goal, state_of(scene)
    return goal, start, target_of(goal, start)


def press_of(forces: list[float], seconds: float = 2.0) -> PressState:
    """What is noted of forces that last `seconds` each."""
    watch = PressWatch()
    for force in forces:
        for _ in range(round(seconds / 0.002)):
            watch.feel(force)
    return watch.read()


@pytest.mark.parametrize("kind", ["round", "square"])
def test_a_peg_counts_in_its_own_well_and_deep_enough(kind: str) -> None:
    scene, _ = touch_scene("insert", 4)
    goal, start = Goal("insert", quality=kind), state_of(scene)
    assert scene.block is not None
    index = target_of(goal, start)
    assert start.objects[index].shape == PEG_SHAPES[kind]
    assert judge(goal, start, start).success is None
    for well in PEG_SHAPES:
        rim = hole_position(scene.block, well, seen=False)
        for deep, enough in ((DEPTH_M + 1e-3, True), (DEPTH_M - 1e-3, False)):
            place = rim + np.array([0.0, 0.0, 0.5 * PEG_HEIGHT_M - deep])
            now = moved(start, index, place)
            expected = True if enough and well == kind else None
            assert judge(goal, start, now).success is expected


def test_the_wrong_peg_must_not_be_lifted() -> None:
    scene, goal = touch_scene("insert", 4)
    start = state_of(scene)
    other = 1 - target_of(goal, start)
    up = start.objects[other].position + np.array([0.0, 0.0, 0.05])
    assert judge(goal, start, moved(start, other, up)).success is False


@given(st.floats(0.0, 30.0))
def test_a_steady_press_is_noted_by_its_force(force: float) -> None:
    press = press_of([force])
    assert press.longest_s[0] > 1.5 or not 3.01 < force < 6.99
    assert press.longest_s[1] > 1.5 or not 12.01 < force < 17.99
    assert press.longest_s[0] == 0 or force >= 3.0
    assert press.peak_n <= force
    assert press.finished == 0


def test_a_press_ends_when_it_is_let_go_and_a_new_one_starts_anew() -> None:
    once = press_of([5.0, 0.0])
    assert (once.finished, once.pressing) == (1, False)
    assert once.longest_s[0] == pytest.approx(2.0, abs=0.1)
    again = press_of([5.0, 0.0, 1.0, 0.0])
    assert again.finished == 2
    assert again.longest_s == (0.0, 0.0)
    assert again.peak_n < 1.01


def test_two_short_holds_are_not_one_long_one() -> None:
    press = press_of([5.0, 9.0, 5.0, 9.0, 0.0], seconds=0.6)
    assert press.longest_s[0] < 0.8


def hold(manner: str, press: PressState, other: PressState | None = None) -> bool | None:
    scene, goal = touch_scene("hold", 1)
    start = state_of(scene)
    goal = replace(goal, manner=manner)
    index = target_of(goal, start)
    presses = [other or PressState()] * 2
    presses[index] = press
    return judge(goal, start, replace(start, presses=tuple(presses))).success


def test_a_hold_is_judged_when_it_ends_and_by_its_word() -> None:
    assert hold("gently", press_of([5.0])) is None
    assert hold("gently", press_of([5.0, 0.0])) is True
    assert hold("firmly", press_of([5.0, 0.0])) is None
    assert hold("firmly", press_of([15.0, 0.0])) is True
    assert hold("gently", press_of([15.0])) is False
    assert hold("gently", press_of([5.0, 0.0], seconds=0.8)) is None


def test_no_press_is_forgotten_however_seldom_one_looks() -> None:
    held_then_touched = [5.0] * 2 + [0.0, 1.5, 1.5]
    assert hold("gently", press_of(held_then_touched, seconds=0.7)) is True
    too_hard_before = [14.0] * 2 + [0.0] * 4 + [5.0] * 56 + [0.0] * 4
    assert hold("gently", press_of(too_hard_before, seconds=0.025)) is False
    assert hold("gently", press_of(too_hard_before[2:], seconds=0.025)) is True
    tapped = press_of([4.0, 0.0, 0.0, 0.6, 0.0, 0.0], seconds=0.05)
    assert hold("gently", press_of([5.0, 0.0]), tapped) is False


def test_a_press_from_before_the_words_does_not_count() -> None:
    scene, goal = touch_scene("hold", 1)
    goal, start = replace(goal, manner="gently"), state_of(scene)
    index = target_of(goal, start)

    def presses(press: PressState) -> tuple[PressState, ...]:
        return tuple(press if i == index else PressState() for i in range(2))

    begun = replace(start, presses=presses(press_of([5.0])))
    ended = replace(start, presses=presses(press_of([5.0, 0.0])))
    again = replace(start, presses=presses(press_of([5.0, 0.0, 5.0, 0.0])))
    assert judge(goal, start, ended).success is True
    assert judge(goal, begun, ended).success is None
    assert judge(goal, ended, ended).success is None
    assert judge(goal, begun, again).success is True


def test_sweeping_through_the_band_is_no_gentle_press() -> None:
    sweep = [0.1 * i for i in range(1, 130)]
    assert hold("gently", press_of([*sweep, 0.0], seconds=0.05)) is False
    assert max(sweep) > TOO_HARD_N["gently"]


def test_the_other_button_must_not_be_pressed() -> None:
    assert hold("gently", press_of([5.0, 0.0]), press_of([4.0])) is False
    assert hold("gently", press_of([5.0, 0.0]), press_of([1.0])) is True


@pytest.mark.parametrize("quality", ["heavier", "lighter"])
def test_the_block_that_was_asked_for_is_given(quality: str) -> None:
    scene, _ = touch_scene("give", 5)
    goal, start = Goal("give", quality=quality), state_of(scene)
    over = np.array([*HANDOVER_XY_M, 0.15])
    masses = [o.mass_kg for o in scene.objects]
    for index in (0, 1):
        held = replace(moved(start, index, over), holding=index)
        right = (masses[index] == max(masses)) == (quality == "heavier")
        assert judge(goal, start, held).success is right
        assert judge(goal, start, replace(held, holding=None)).success is None
        low = replace(moved(start, index, over - [0, 0, 0.1]), holding=index)
        assert judge(goal, start, low).success is None


@pytest.mark.parametrize("quality", ["soft", "hard"])
def test_lifting_decides_which_one_feels_right(quality: str) -> None:
    scene, _ = touch_scene("feel", 5)
    goal, start = Goal("feel", quality=quality), state_of(scene)
    gives = [t.give_m_per_n or 0.0 for t in scene.traits]
    for index in (0, 1):
        up = start.objects[index].position + np.array([0.0, 0.0, 0.07])
        now = replace(moved(start, index, up), holding=index)
        right = (gives[index] == max(gives)) == (quality == "soft")
        assert judge(goal, start, now).success is right


def test_an_object_must_lie_in_the_bowl_that_was_named() -> None:
    scene, goal = touch_scene("put", 6)
    start = state_of(scene)
    index = target_of(goal, start)
    for bowl in scene.bowls:
        there = moved(start, index, np.array([bowl.x + 0.01, bowl.y, 0.025]))
        assert judge(goal, start, there).success is (bowl.colour == goal.onto_colour)
        held = replace(there, touched=(index,))
        assert judge(goal, start, held).success is None
        above = moved(start, index, np.array([bowl.x, bowl.y, 0.09]))
        assert judge(goal, start, above).success is None


def test_an_object_must_stand_on_the_one_that_was_named() -> None:
    scene, goal = touch_scene("stack", 6)
    start = state_of(scene)
    index = target_of(goal, start)
    for below, item in enumerate(start.objects):
        if below == index:
            continue
        rise = 0.5 * (item.size_m + start.objects[index].size_m)
        there = moved(start, index, item.position + np.array([0.004, 0.0, rise]))
        right = (item.colour, item.shape) == (goal.onto_colour, goal.onto_shape)
        assert judge(goal, start, there).success is right
        beside = moved(start, index, item.position + np.array([0.05, 0.0, rise]))
        assert judge(goal, start, beside).success is None


def test_what_falls_off_the_table_is_lost() -> None:
    for family in ("insert", "give", "feel", "put", "stack"):
        scene, goal = touch_scene(family, 1)
        start = state_of(scene)
        now = moved(start, 0, np.array([1.2, 0.0, -0.5]))
        assert judge(goal, start, now).success is False


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
        near, far = (moved(start, index, true + gap * ASIDE_M * aside) for gap in (0.99, 1.01))
        assert judge(goal, start, near).success is True
        assert judge(goal, start, far).success is None
    assert judge(goal, start, moved(start, index, seen)).success is None


@pytest.mark.parametrize("quality", ["heavier", "lighter"])
def test_a_block_is_given_at_rest_over_the_zone_with_the_other_one_down(quality: str) -> None:
    goal, start, index = begin("give", 5, quality=quality)
    half = 0.5 * start.objects[index].size_m
    over = np.array([*HANDOVER_XY_M, HANDOVER_HEIGHT_M + half + 1e-4])

    def given(place: np.ndarray, **changes: np.ndarray) -> TouchState:
        return replace(moved(start, index, place, **changes), holding=index)

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
    moving = moved(there, index, there.objects[index].position, velocity=FAST)
    assert judge(goal, start, moving).success is None
    for other in range(len(start.objects)):
        if other != index:
            assert judge(goal, start, lifted(there, other, WRONG_LIFT_M + 1e-3)).success is False


def _reached(goal: Goal, start: TouchState, index: int) -> TouchState:
    if goal.family == "put":
        bowl = next(b for b in start.scene.bowls if b.colour == goal.onto_colour)
        return moved(start, index, np.array([bowl.x, bowl.y, 0.025]))
    kind = (goal.onto_colour, goal.onto_shape)
    below = next(o for o in start.objects if (o.colour, o.shape) == kind)
    rise = 0.5 * (below.size_m + start.objects[index].size_m)
    return moved(start, index, below.position + np.array([0.0, 0.0, rise]))
