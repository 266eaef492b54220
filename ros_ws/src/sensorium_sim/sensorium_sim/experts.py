"""Scripted experts: what a good arm would do in the next tenth of a second.

Pure functions of the present state, without phases or memory, so that any state of any episode,
disturbed or not, can be labelled for any goal. All are vectorised over the view's rows.

The common move is a funnel: while the tool is not yet above the place where it has to go down, it
keeps to a safe height; the nearer it is, the lower it may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal, require_name

from sensorium_sim.expert_view import NOTHING, OTHER, TARGET, ExpertView

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_S = 0.1
TRAVEL_M = 0.25 * STEP_S
"""Longest displacement of a step in free space."""
TURN_RAD = 1.6 * STEP_S
GAIN = 0.45
"""Part of the remaining way that a step covers."""

FINGERTIP_M = 0.0125
LOWEST_TOOL_M = 0.018
TRAVEL_HEIGHT_M = 0.085
"""Height at which the fingertips clear every object."""
_FUNNEL = (0.006, 0.030)

GRASP_M, GRASP_KEEP_M = 0.007, 0.013
GRASP_YAW_RAD = 0.16
LIFT_M = 0.10
_LIFT_STEP_M = 0.024

PUSH_GOAL_M = 0.105
PUSH_HEIGHT_M = 0.022
PUSH_STEP_M = 0.013
_PUSH_GAP_M = 0.018
_TOOL_HALF = np.array([0.011, 0.018])
"""Half the width of the closed fingers along x and y."""

PRESS_DEPTH_M = 0.0065
_PRESS_STEP_M = 0.0014
_PRESS_NEAR_M = 0.006
_CLOSED_M = 0.008
"""Opening below which fingers press as one; wider ones could close around the cap."""


@dataclass
class Motion:
    """Tool displacements for the next 0.1 s, one row for each cell."""

    dxyz: Array
    """`(n, 3)` [m], in base_link."""
    dyaw: Array
    """`(n,)` [rad]."""
    grip: Array
    """Commanded opening `(n,)`, 0 closed .. 1 open."""
    done: Mask
    """Whether the instruction has been carried out `(n,)`."""


def expert(view: ExpertView, goal: Goal) -> Motion:
    """What to do next, for rows that all have goals of `goal.family`."""
    require_name("family", goal.family, tuple(_EXPERTS))
    return _EXPERTS[goal.family](view)


def _pick(view: ExpertView) -> Motion:
    """Over it, down, close, lift."""
    place = view.target.copy()
    place[:, 2] = np.maximum(place[:, 2], LOWEST_TOOL_M)
    turn = _wrap(grasp_yaw(view) - view.tool[:, 3])
    gap = np.linalg.norm(view.target[:, :2] - view.tool[:, :2], axis=1)
    level = np.abs(place[:, 2] - view.tool[:, 2])
    closing = view.opening < view.half + 0.012
    reach = np.where(closing, GRASP_KEEP_M, GRASP_M)
    around = (gap < reach) & (level < reach) & (np.abs(turn) < GRASP_YAW_RAD)
    too_narrow = (view.opening < view.half + 0.006) & ~around
    dxyz = _funnel(view, place, np.abs(turn), blocked=too_narrow)
    dyaw = _turn(turn)
    grip = np.where(around, 0.0, 1.0)
    lifting = view.held == TARGET
    dxyz[around | lifting] = 0.0
    dyaw[around | lifting] = 0.0
    risen = view.target[:, 2] - view.anchor[:, 2]
    dxyz[lifting, 2] = np.clip(GAIN * (LIFT_M + 0.015 - risen), 0.0, _LIFT_STEP_M)[lifting]
    grip[lifting] = 0.0
    _let_go(view, view.held == OTHER, dxyz, dyaw, grip)
    return Motion(dxyz, dyaw, grip, done=lifting & (risen >= LIFT_M - 0.01))


def grasp_yaw(view: ExpertView) -> Array:
    """Tool yaw `(n,)` at which to grasp: along a cube's sides, the way that turns least from 0.

    Within 5 degrees of the diagonal, where two ways are equally good, the yaw passes through 0 in
    a steep line, so that it stays a continuous function of the cube's yaw.
    """
    quarter = np.pi / 2
    yaw = view.target_yaw - quarter * np.rint(view.target_yaw / quarter)
    knee = np.radians(40.0)
    beyond = np.sign(yaw) * (quarter / 2 - np.abs(yaw)) * knee / (quarter / 2 - knee)
    return np.where(view.square, np.where(np.abs(yaw) > knee, beyond, yaw), 0.0)


def _push(view: ExpertView) -> Motion:
    """Behind it, down, forward until it has moved far enough, up."""
    u = view.direction
    across = np.stack([-u[:, 1], u[:, 0]], axis=1)
    offset = view.tool[:, :2] - view.target[:, :2]
    along, aside = _dot(offset, u), _dot(offset, across)
    contact = -push_contact(view)
    moved = view.target[:, :2] - view.anchor[:, :2]
    ahead, drift = _dot(moved, u), _dot(moved, across)
    place = np.empty_like(view.target)
    place[:, :2] = view.target[:, :2] + (contact - _PUSH_GAP_M)[:, None] * u
    place[:, 2] = PUSH_HEIGHT_M
    turn = _wrap(-view.tool[:, 3])
    behind = (along < contact + 0.012) & (along > contact - _PUSH_GAP_M - 0.013)
    low = view.tool[:, 2] < PUSH_HEIGHT_M + 0.010
    pushing = behind & low & (np.abs(aside) < 0.013) & (np.abs(turn) < 0.25)
    dxyz = _funnel(view, place, np.abs(turn), blocked=np.zeros(len(view), dtype=bool))
    dyaw = _turn(turn)
    left = np.maximum(PUSH_GOAL_M + 0.008 - ahead, 0.0) + np.maximum(contact - along, 0.0)
    speed = np.clip(GAIN * left, 0.004, PUSH_STEP_M)
    lead = np.clip(0.5 * drift, -0.006, 0.006)
    steer = np.clip(GAIN * (lead - aside), -0.004, 0.004)
    dxyz[pushing, :2] = (speed[:, None] * u + steer[:, None] * across)[pushing]
    touching = along > contact - 0.004
    level = GAIN * (PUSH_HEIGHT_M - view.tool[:, 2])
    dxyz[pushing, 2] = np.where(touching, np.maximum(level, 0.0), level)[pushing]
    done = ahead >= PUSH_GOAL_M
    _rise(view, done, dxyz, dyaw)
    grip = np.zeros(len(view))
    _let_go(view, view.held != NOTHING, dxyz, dyaw, grip)
    _leave_open(view, dxyz, dyaw, grip)
    return Motion(dxyz, dyaw, grip, done)


def push_contact(view: ExpertView) -> Array:
    """Distance `(n,)` of tool and target at which the closed fingers touch it."""
    relative = view.target_yaw - np.arctan2(view.direction[:, 1], view.direction[:, 0])
    corner = np.abs(np.cos(relative)) + np.abs(np.sin(relative))
    reach = view.half * np.where(view.square, corner, 1.0)
    return reach + np.abs(view.direction) @ _TOOL_HALF


def _press(view: ExpertView) -> Motion:
    """Above it, down slowly until it clicks, up."""
    place = view.target.copy()
    touch = view.target[:, 2] + FINGERTIP_M
    place[:, 2] = touch - PRESS_DEPTH_M
    gap = np.linalg.norm(view.target[:, :2] - view.tool[:, :2], axis=1)
    height = view.tool[:, 2] - touch
    turn = _wrap(-view.tool[:, 3])
    apart = view.opening > _CLOSED_M
    dxyz = _funnel(view, place, 0.2 * np.abs(turn), blocked=apart)
    dyaw = _turn(turn)
    descent = np.maximum(GAIN * (height - _PRESS_NEAR_M + 0.002), _PRESS_STEP_M)
    dxyz[:, 2] = np.maximum(dxyz[:, 2], -descent)
    near = (height < _PRESS_NEAR_M) & (gap < 0.010) & ~apart
    dxyz[near, :2] = GAIN * (view.target[:, :2] - view.tool[:, :2])[near]
    steady = place[:, 2] - view.tool[:, 2]
    dxyz[near, 2] = np.clip(steady, -_PRESS_STEP_M, 0.004)[near]
    _rise(view, view.pressed, dxyz, dyaw)
    astride = apart & (gap < 0.05) & (height < 0.012)
    dxyz[astride, :2] = 0.0
    grip = np.where(astride, 1.0, 0.0)
    _let_go(view, view.held != NOTHING, dxyz, dyaw, grip)
    _leave_open(view, dxyz, dyaw, grip)
    return Motion(dxyz, dyaw, grip, done=view.pressed.copy())


_EXPERTS: dict[str, Callable[[ExpertView], Motion]] = {
    "pick": _pick,
    "push": _push,
    "press": _press,
}


def _funnel(view: ExpertView, place: Array, misturned: Array, blocked: Mask) -> Array:
    """Displacement `(n, 3)` towards `place`, descending only when above it.

    Args:
        misturned: yaw still to turn `(n,)`; counts as 3 cm a radian of misplacement.
        blocked: rows that must stay at the travel height for now.
    """
    way = place - view.tool[:, :3]
    gap = np.linalg.norm(way[:, :2], axis=1) + 0.03 * np.maximum(misturned - 0.08, 0.0)
    inner, outer = _FUNNEL
    wide = np.where(blocked, 1.0, np.clip((gap - inner) / (outer - inner), 0.0, 1.0))
    floor = place[:, 2] + wide * np.maximum(TRAVEL_HEIGHT_M - place[:, 2], 0.0)
    rise = floor - view.tool[:, 2]
    free = np.clip(1.0 - (rise - 0.004) / 0.02, 0.0, 1.0)
    dxyz = GAIN * way
    dxyz[:, :2] *= free[:, None]
    dxyz[:, 2] = GAIN * rise
    length = np.linalg.norm(dxyz, axis=1)
    scale = np.minimum(1.0, TRAVEL_M / np.maximum(length, 1e-9))
    return np.asarray(dxyz * scale[:, None])


def _turn(turn: Array) -> Array:
    return np.asarray(np.clip(GAIN * turn, -TURN_RAD, TURN_RAD))


def _rise(view: ExpertView, rows: Mask, dxyz: Array, dyaw: Array) -> None:
    """Straight up to the travel height, then stay."""
    up = np.clip(GAIN * (TRAVEL_HEIGHT_M + 0.01 - view.tool[:, 2]), 0.0, 0.012)
    dxyz[rows] = 0.0
    dxyz[rows, 2] = up[rows]
    dyaw[rows] = 0.0


def _let_go(view: ExpertView, rows: Mask, dxyz: Array, dyaw: Array, grip: Array) -> None:
    """Puts down what is held: lowers it to the table, then opens."""
    lowering = np.clip(GAIN * view.held_bottom, 0.004, 0.6 * TRAVEL_M)
    high = view.held_bottom > 0.004
    dxyz[rows] = 0.0
    dyaw[rows] = 0.0
    dxyz[rows & high, 2] = -lowering[rows & high]
    grip[rows] = np.where(high, 0.0, 1.0)[rows]


def _leave_open(view: ExpertView, dxyz: Array, dyaw: Array, grip: Array) -> None:
    """Keeps open fingers open, and rises, while an object stands between them."""
    around = (view.held == NOTHING) & (view.nearest < 0.028) & (view.opening > 0.012)
    rows = around & (view.tool[:, 2] < TRAVEL_HEIGHT_M - 0.02)
    dxyz[rows] = (0.0, 0.0, 0.5 * TRAVEL_M)
    dyaw[rows] = 0.0
    grip[rows] = 1.0


def _wrap(angle: Array) -> Array:
    return np.asarray((angle + np.pi) % (2 * np.pi) - np.pi)


def _dot(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=1))
