"""What the expert would do for the next steps, by a kinematic model of what its motion causes.

The model is coarse (an object between closing fingers is held, a held object follows the tool, a
pushed one stays ahead of it, a button clicks at a depth), which is enough for chunks of 0.8 s.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import FAMILIES, Goal

from sensorium_sim.expert_view import NOTHING, TARGET, ExpertView, stack, take
from sensorium_sim.experts import (
    FINGERTIP_M,
    PUSH_HEIGHT_M,
    Motion,
    expert,
    push_contact,
)
from sensorium_sim.model import BUTTON_PRELOAD_M, BUTTON_STIFFNESS_N_PER_M, PRESSED_N

Array = NDArray[np.float64]

_STROKE_M = 0.0425
_PRESSED_DEPTH_M = PRESSED_N / BUTTON_STIFFNESS_N_PER_M - BUTTON_PRELOAD_M + 0.0003
"""Depth at which a press is hard enough; the arm gives way by the last part."""
_FINGER_STEP_M = 0.015
"""Travel of a finger in 0.1 s."""


def rollout(view: ExpertView, goal: Goal, n: int = 8) -> Array:
    """The next `n` steps of the expert from the first row of `view`, as `(n, 5)`.

    Columns: cumulative dx dy dz [m] in the yaw frame of the present commanded tool pose, dyaw
    [rad], commanded opening 0..1.
    """
    return np.asarray(rollout_batch([view], [goal], n)[0])


def rollout_batch(views: Sequence[ExpertView], goals: Sequence[Goal], n: int = 8) -> Array:
    """`rollout` of many single views, each with its own goal: `(n_views, n, 5)`."""
    chunks = np.zeros((len(views), n, 5))
    for family in FAMILIES:
        rows = np.array([i for i, g in enumerate(goals) if g.family == family], dtype=np.intp)
        if len(rows):
            state = stack([views[i] for i in rows])
            chunks[rows] = _run(state, Goal(family), n)
    return chunks


def _run(view: ExpertView, goal: Goal, n: int) -> Array:
    state = take(view, np.arange(len(view)))
    chunk = np.empty((len(view), n, 5))
    for k in range(n):
        motion = expert(state, goal)
        advance(state, motion, goal.family)
        chunk[:, k, :3] = state.tool[:, :3] - view.tool[:, :3]
        chunk[:, k, 3] = state.tool[:, 3] - view.tool[:, 3]
        chunk[:, k, 4] = motion.grip
    cos, sin = np.cos(view.tool[:, 3])[:, None], np.sin(view.tool[:, 3])[:, None]
    x, y = chunk[:, :, 0].copy(), chunk[:, :, 1].copy()
    chunk[:, :, 0] = cos * x + sin * y
    chunk[:, :, 1] = cos * y - sin * x
    return chunk


def advance(state: ExpertView, motion: Motion, family: str) -> None:
    """Applies a motion to the model, in place."""
    state.tool[:, :3] += motion.dxyz
    state.tool[:, 3] += motion.dyaw
    _carry(state, motion)
    _move_fingers(state, motion)
    if family == "push":
        _push_along(state)
    elif family == "press":
        depth = state.target[:, 2] + FINGERTIP_M - state.tool[:, 2]
        gap = np.linalg.norm(state.target[:, :2] - state.tool[:, :2], axis=1)
        state.pressed |= (depth > _PRESSED_DEPTH_M) & (gap < 0.02)


def _carry(state: ExpertView, motion: Motion) -> None:
    """What is held follows the tool."""
    held = state.held != NOTHING
    mine = state.held == TARGET
    state.target[mine] += motion.dxyz[mine]
    state.held_bottom[held] += motion.dxyz[held, 2]
    gone = ~held
    state.nearest[gone] += np.linalg.norm(motion.dxyz[gone, :2], axis=1)


def _move_fingers(state: ExpertView, motion: Motion) -> None:
    """Fingers travel towards the command until they meet the target, and then hold it."""
    gap = np.linalg.norm(state.target[:, :2] - state.tool[:, :2], axis=1)
    level = np.abs(state.target[:, 2] - state.tool[:, 2])
    between = (gap < 0.015) & (level < 0.02) & (state.half > 0)
    opening = np.clip(
        motion.grip * _STROKE_M,
        state.opening - _FINGER_STEP_M,
        state.opening + _FINGER_STEP_M,
    )
    stop = between & (opening <= state.half) & (state.opening > state.half - 0.004)
    stop |= (state.held != NOTHING) & (motion.grip < 0.5)
    state.opening = np.where(stop, np.maximum(state.opening, opening), opening)
    state.opening = np.where(stop & between, np.minimum(state.opening, state.half), state.opening)
    released = (motion.grip > 0.5) & (state.held != NOTHING)
    caught = stop & between & (state.held == NOTHING)
    state.held = np.where(released, NOTHING, np.where(caught, TARGET, state.held))
    state.held_bottom = np.where(
        caught, state.target[:, 2] - state.half, np.where(released, 0.0, state.held_bottom)
    )


def _push_along(state: ExpertView) -> None:
    """The target stays ahead of low fingers that run into it."""
    u = state.direction
    across = np.stack([-u[:, 1], u[:, 0]], axis=1)
    offset = state.tool[:, :2] - state.target[:, :2]
    along, aside = (offset * u).sum(1), np.abs((offset * across).sum(1))
    contact = -push_contact(state)
    low = state.tool[:, 2] < PUSH_HEIGHT_M + 0.015
    hit = low & (aside < state.half) & (along > contact) & (along < 0.0)
    hit &= state.held == NOTHING
    state.target[hit, :2] += ((along - contact)[:, None] * u)[hit]
