"""Moves that the experts of the touch tasks share: go over something, take it, put it down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.fast_correction import Intent
from sensorium_sim.scene import ObjectState
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_sight import Sight, wrap

Array = NDArray[np.float64]

GAIN = 0.45
"""Part of the remaining way that a move covers."""
TRAVEL_M = 0.025
TURN_RAD = 0.16
_INNER_M, _OUTER_M = 0.007, 0.03
GRASP_M, _GRASP_KEEP_M = 0.008, 0.014
"""How near is near enough to close the fingers, and to go on closing: no finer than a policy sees.
Where its expert is finer it hovers, for it cannot tell which side of the border it is on.
"""
_GRASP_RAD = 0.16
_STANDS_M = 0.0025
"""An underside lower than this stands on the table."""
LANDING_M = 0.012
"""From this height on something is put down gently."""
LANDING_N, LANDED_N = 2.0, 1.0
"""What the fast half keeps while it is put down, and what says that it stands."""


def funnel(tool: Array, place: Array, travel_z: float, misturned: float = 0.0) -> Array:
    """Displacement `(3,)` towards `place`: along at height `travel_z`, down only when above it.

    All [m], base_link; `misturned` [rad] is what is left to turn, which keeps it up.
    """
    way = place[:3] - tool[:3]
    gap = float(np.hypot(way[0], way[1])) + 0.03 * max(abs(misturned) - 0.05, 0.0)
    wide = float(np.clip((gap - _INNER_M) / (_OUTER_M - _INNER_M), 0.0, 1.0))
    floor = place[2] + wide * max(travel_z - place[2], 0.0)
    rise = floor - tool[2]
    free = float(np.clip(1.0 - (rise - 0.004) / 0.02, 0.0, 1.0))
    step = GAIN * np.array([free * way[0], free * way[1], rise])
    return step * min(1.0, TRAVEL_M / max(float(np.linalg.norm(step)), 1e-9))


def turn(angle: float) -> float:
    """Part of a turn that one move makes [rad]."""
    return float(np.clip(GAIN * angle, -TURN_RAD, TURN_RAD))


def grasp(
    sight: Sight,
    place: Array,
    misturned: float,
    half: float,
    travel_z: float,
    near_m: float = GRASP_M,
) -> Move:
    """Goes over `place` and closes the fingers around what stands there, once `near_m` from it.

    `place` `(3,)` and `travel_z` [m], base_link; `misturned` [rad] is left to turn; the thing is
    twice `half` [m] wide.
    """
    gap = float(np.hypot(*(place[:2] - sight.tool[:2])))
    level = abs(float(place[2] - sight.tool[2]))
    closing = sight.opening < half + 0.012
    reach = _GRASP_KEEP_M if closing else near_m
    if gap < reach and level < reach and abs(misturned) < _GRASP_RAD:
        return Move(grip=0.0)
    narrow = sight.opening < half + 0.006
    aim = np.array([*sight.tool[:2], travel_z]) if narrow else place
    return Move(funnel(sight.tool, aim, travel_z, misturned), turn(misturned), 1.0)


def straight_up(sight: Sight, to_z: float, grip: float) -> Move:
    """Up to the height `to_z` [m, base_link], and nothing else."""
    rise = float(np.clip(GAIN * (to_z - sight.tool[2]), -TRAVEL_M, 0.8 * TRAVEL_M))
    return Move(np.array([0.0, 0.0, rise]), 0.0, grip)


def lower(sight: Sight, index: int) -> Move:
    """Puts the held object down where it is, gently, and lets go once it stands or presses."""
    item = sight.state.objects[index]
    bottom = float(item.position[2]) - 0.5 * item.size_m
    if bottom < _STANDS_M or (bottom < LANDING_M and sight.press_n > LANDED_N):
        return Move(grip=1.0)
    fall = float(np.clip(GAIN * bottom, 0.002, 0.015))
    gently = Intent(LANDING_N, 0.0) if bottom < LANDING_M else None
    return Move(np.array([0.0, 0.0, -fall]), 0.0, 0.0, gently)


def take_yaw(item: ObjectState) -> float:
    """Tool yaw at which to grasp: along the sides of a cube; 0 for what is round."""
    return wrap(item.yaw, np.pi / 2) if item.shape == "cube" else 0.0
