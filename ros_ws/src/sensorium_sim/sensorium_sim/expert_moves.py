"""Moves that the experts of the touch tasks share: go over something, take it, put it down."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.scene import ObjectState
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_sight import Sight, wrap

Array = NDArray[np.float64]

GAIN = 0.45
"""Part of the remaining way that a move covers."""
TRAVEL_M = 0.025
TURN_RAD = 0.16
_INNER_M, _OUTER_M = 0.004, 0.03
_GRASP_M, _GRASP_KEEP_M = 0.004, 0.012
_GRASP_RAD = 0.10


def funnel(tool: Array, place: Array, travel_z: float, misturned: float = 0.0) -> Array:
    """Displacement `(3,)` towards `place`: along at `travel_z`, down only when above it."""
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


def grasp(sight: Sight, place: Array, misturned: float, half: float, travel_z: float) -> Move:
    """Goes over `place` and closes the fingers around what stands there."""
    gap = float(np.hypot(*(place[:2] - sight.tool[:2])))
    level = abs(float(place[2] - sight.tool[2]))
    closing = sight.opening < half + 0.012
    reach = _GRASP_KEEP_M if closing else _GRASP_M
    if gap < reach and level < reach and abs(misturned) < _GRASP_RAD:
        return Move(grip=0.0)
    narrow = sight.opening < half + 0.006
    aim = np.array([*sight.tool[:2], travel_z]) if narrow else place
    return Move(funnel(sight.tool, aim, travel_z, misturned), turn(misturned), 1.0)


def straight_up(sight: Sight, to_z: float, grip: float) -> Move:
    """Up, and nothing else."""
    rise = float(np.clip(GAIN * (to_z - sight.tool[2]), -TRAVEL_M, 0.8 * TRAVEL_M))
    return Move(np.array([0.0, 0.0, rise]), 0.0, grip)


def lower(sight: Sight, index: int) -> Move:
    """Puts the held object down where it is, and lets go."""
    item = sight.state.objects[index]
    bottom = float(item.position[2]) - 0.5 * item.size_m
    if bottom < 0.0025:
        return Move(grip=1.0)
    return Move(np.array([0.0, 0.0, -float(np.clip(GAIN * bottom, 0.002, 0.015))]), 0.0, 0.0)


def take_yaw(item: ObjectState) -> float:
    """Tool yaw at which to grasp: along the sides of a cube; 0 for what is round."""
    return wrap(item.yaw, np.pi / 2) if item.shape == "cube" else 0.0
