"""When a goal of the touch tasks is reached, judged by ground truth alone.

A judge holds no state: it compares the scene now with the scene when the instruction was given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import MANNERS, Goal

from sensorium_sim.scene import ObjectState
from sensorium_sim.tasks import LIFT_M, UNDECIDED, WRONG_LIFT_M, Outcome
from sensorium_sim.touch_scene import (
    BOWL_HEIGHT_M,
    BOWL_RIM_M,
    HANDOVER_HEIGHT_M,
    HANDOVER_RADIUS_M,
    HANDOVER_XY_M,
    PEG_SHAPES,
    PressState,
    TouchState,
    hole_position,
)

Array = NDArray[np.float64]

TIME_LIMITS_S = {
    "insert": 30.0, "hold": 16.0, "give": 30.0, "feel": 20.0, "put": 16.0, "stack": 16.0,
}  # fmt: skip
"""An episode that is undecided after this long has failed."""
DEPTH_M = 0.015
"""A peg is inserted when the middle of its lower face is this deep below the true rim..."""
ASIDE_M = 0.003
"""...and this near to the axis of its own well: nowhere else on the table is that so."""
HOLD_S = 1.0
TOO_HARD_N = {"gently": 9.0, "firmly": 22.0}
"""Filtered force on the cap that is more than was asked for beyond doubt."""
OTHER_BUTTON_N = 2.0
_ON_TABLE_M, _OFF_TABLE_M = 0.006, -0.02
_AT_REST_M_S = 0.03
_STACKED_M, _STACKED_ASIDE_M = 0.004, 0.018


def judge(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    """Whether `goal` has been reached since `start`, the state when it was told."""
    for item in now.objects:
        if item.position[2] < _OFF_TABLE_M:
            return Outcome(False, f"the {item.colour} {item.shape} fell off the table")
    return _JUDGES[goal.family](goal, start, now)


def target_of(goal: Goal, state: TouchState) -> int:
    """Index of the object (for `hold`: button) that a goal means, hidden traits included.

    Raises:
        UnknownNameError: nothing in the scene is meant.
    """
    scene = state.scene
    if goal.family == "hold":
        hits = [i for i, b in enumerate(scene.buttons) if b.colour == goal.colour]
    elif goal.family == "insert":
        shape = PEG_SHAPES[goal.quality or ""]
        hits = [i for i, o in enumerate(scene.objects) if o.shape == shape]
    elif goal.family in ("give", "feel"):
        amounts = [o.mass_kg for o in scene.objects]
        if goal.family == "feel":
            amounts = [scene.trait(i).give_m_per_n or 0.0 for i in range(len(scene.objects))]
        most = goal.quality in ("heavier", "soft")
        hits = [int(np.argmax(amounts) if most else np.argmin(amounts))]
    else:
        hits = _named(state, goal.colour, goal.shape)
    if len(hits) != 1:
        raise UnknownNameError("target", goal.text, [o.shape for o in scene.objects])
    return hits[0]


def _named(state: TouchState, colour: str | None, shape: str | None) -> list[int]:
    kinds = [(o.colour, o.shape) for o in state.scene.objects]
    return [i for i, kind in enumerate(kinds) if kind == (colour, shape)]


def _insert(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    target, block = target_of(goal, now), now.scene.block
    assert block is not None
    wrong = _wrongly_lifted(start, now, target)
    if wrong is not None:
        return wrong
    tip = peg_tip(now, target) - hole_position(block, goal.quality or "", seen=False)
    if tip[2] <= -DEPTH_M and np.hypot(tip[0], tip[1]) <= ASIDE_M:
        return Outcome(True, f"the {goal.quality} peg is {-1e3 * tip[2]:.0f} mm deep in its well")
    return UNDECIDED


def peg_tip(state: TouchState, index: int) -> Array:
    """Middle of a peg's lower face `(3,)`, base_link."""
    item, height = state.objects[index], state.scene.trait(index).height_m
    return item.position - 0.5 * (height or item.size_m) * up_axis(item.quat_xyzw)


def up_axis(quat_xyzw: Array) -> Array:
    """A body's z axis `(3,)` in base_link."""
    x, y, z, w = quat_xyzw
    return np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])


def _hold(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    """Judged when a press has ended: sweeping through the band is not enough.

    Every press that began after `start` counts, however seldom this is asked.
    """
    target, manner = target_of(goal, now), goal.manner or ""
    for index, (before, press) in enumerate(zip(start.presses, now.presses, strict=True)):
        hardest = max((peak for peak, *_ in _since(before, press)), default=0.0)
        if index != target and hardest > OTHER_BUTTON_N:
            return Outcome(False, "the other button was pressed")
        if index == target and hardest > TOO_HARD_N[manner]:
            return Outcome(False, f"pressed with {hardest:.1f} N, which is not {manner}")
    ended = _since(start.presses[target], replace(now.presses[target], pressing=False))
    held = max((held[MANNERS.index(manner)] for _, *held in ended), default=0.0)
    if held >= HOLD_S:
        return Outcome(True, f"the {goal.colour} button was held {manner} for {held:.1f} s")
    return UNDECIDED


def _since(before: PressState, now: PressState) -> list[tuple[float, ...]]:
    """Largest force and longest times of presses that began after `before`; the last may last."""
    first = before.finished + before.pressing
    found = list(now.ended[first:])
    if now.pressing and now.finished >= first:
        found.append((now.peak_n, *now.longest_s))
    return found


def _give(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    target = target_of(goal, now)
    over = [_over_zone(now, i) for i in range(len(now.objects))]
    if over[1 - target]:
        return Outcome(False, f"the block that is not the {goal.quality} one was given")
    if over[target] and _bottom(now.objects[1 - target]) < _ON_TABLE_M:
        return Outcome(True, f"the {goal.quality} block was given")
    return UNDECIDED


def _over_zone(state: TouchState, index: int) -> bool:
    item = state.objects[index]
    aside = float(np.hypot(*(item.position[:2] - np.array(HANDOVER_XY_M))))
    inside = aside <= HANDOVER_RADIUS_M and _bottom(item) >= HANDOVER_HEIGHT_M
    return inside and state.holding == index and _at_rest(item)


def _feel(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    target = target_of(goal, now)
    for index, (before, item) in enumerate(zip(start.objects, now.objects, strict=True)):
        if item.position[2] - before.position[2] < LIFT_M or now.holding != index:
            continue
        if index != target:
            return Outcome(False, f"the one that is not {goal.quality} was lifted")
        return Outcome(True, f"the {goal.quality} one was lifted")
    return UNDECIDED


def _put(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    target = target_of(goal, now)
    item = now.objects[target]
    wrong = _wrongly_lifted(start, now, target)
    if wrong is not None:
        return wrong
    if target in now.touched or not _at_rest(item):
        return UNDECIDED
    for bowl in now.scene.bowls:
        aside = float(np.hypot(item.position[0] - bowl.x, item.position[1] - bowl.y))
        if aside < BOWL_RIM_M - 0.01 and item.position[2] < BOWL_HEIGHT_M + 0.01:
            right = bowl.colour == goal.onto_colour
            return Outcome(right, f"the {item.shape} lies in the {bowl.colour} bowl")
    return UNDECIDED


def _stack(goal: Goal, start: TouchState, now: TouchState) -> Outcome:
    target = target_of(goal, now)
    wrong = _wrongly_lifted(start, now, target)
    if wrong is not None:
        return wrong
    item = now.objects[target]
    if target in now.touched or not _at_rest(item):
        return UNDECIDED
    for index, below in enumerate(now.objects):
        offset = item.position - below.position
        level = offset[2] - 0.5 * (item.size_m + below.size_m)
        stands = abs(level) < _STACKED_M and np.hypot(offset[0], offset[1]) < _STACKED_ASIDE_M
        if index != target and stands:
            right = [index] == _named(now, goal.onto_colour, goal.onto_shape)
            return Outcome(right, f"it stands on the {below.colour} {below.shape}")
    return UNDECIDED


def _wrongly_lifted(start: TouchState, now: TouchState, target: int) -> Outcome | None:
    for index, (before, item) in enumerate(zip(start.objects, now.objects, strict=True)):
        if index != target and item.position[2] - before.position[2] > WRONG_LIFT_M:
            return Outcome(False, f"the {item.colour} {item.shape} was lifted instead")
    return None


def _bottom(item: ObjectState) -> float:
    return float(item.position[2] - 0.5 * item.size_m)


def _at_rest(item: ObjectState) -> bool:
    return float(np.linalg.norm(item.velocity)) < _AT_REST_M_S


_JUDGES: dict[str, Callable[[Goal, TouchState, TouchState], Outcome]] = {
    "insert": _insert,
    "hold": _hold,
    "give": _give,
    "feel": _feel,
    "put": _put,
    "stack": _stack,
}
