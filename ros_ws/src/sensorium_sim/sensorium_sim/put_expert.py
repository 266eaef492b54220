"""Puts an object into a bowl or on top of another: take it, carry it over, let go, go up.

Without memory: whether the object is there already can be seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

from sensorium_sim.expert_moves import lower, straight_up
from sensorium_sim.give_expert import carry, held_index, take
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_scene import BOWL_HEIGHT_M
from sensorium_sim.touch_sight import Sight

Array = NDArray[np.float64]

_TRAVEL_Z = 0.105
_CARRY_Z = 0.095
"""Height of a carried object's centre: its underside clears objects and bowls."""
_OVER_BOWL_M = BOWL_HEIGHT_M + 0.014
"""Height of the tool above the table where the fingertips just clear the rim."""
_OVER_OBJECT_M = 0.0012
_RELEASE_M = 0.006
_THERE_M = 0.02


class PutExpert:
    """Scripted expert of `put` and `stack`, where force does not matter, nor `feels`."""

    def __init__(self, goal: Goal, feels: bool = True) -> None:
        self._goal = goal
        self.memory = None

    def decide(self, sight: Sight) -> Move:
        """The next move."""
        goal, objects = self._goal, sight.state.objects
        kinds = [(o.colour, o.shape) for o in objects]
        target = kinds.index((goal.colour or "", goal.shape or ""))
        place = self._place(sight, 0.5 * objects[target].size_m)
        offset = objects[target].position - place
        aside, height = float(np.hypot(offset[0], offset[1])), float(offset[2])
        held = held_index(sight)
        there = aside < _THERE_M and height < _RELEASE_M
        if there and (held is None or aside < _RELEASE_M):
            near = float(np.linalg.norm((objects[target].position - sight.tool[:3])[:2])) < 0.06
            opened = sight.opening > 0.5 * objects[target].size_m + 0.006
            if near and not opened:
                return Move(grip=1.0)
            return straight_up(sight, _TRAVEL_Z + 0.03, 1.0)
        if held is None:
            return take(sight, target, _TRAVEL_Z)
        if held != target:
            return lower(sight, held)
        return carry(sight, target, place, _CARRY_Z, 0.0)

    def _place(self, sight: Sight, half: float) -> Array:
        """Where the object's centre is to be when the fingers open `(3,)`."""
        goal, scene = self._goal, sight.state.scene
        if goal.family == "put":
            bowl = next(b for b in scene.bowls if b.colour == goal.onto_colour)
            return np.array([bowl.x, bowl.y, _OVER_BOWL_M])
        kind = (goal.onto_colour, goal.onto_shape)
        below = next(o for o in sight.state.objects if (o.colour, o.shape) == kind)
        lift = 0.5 * below.size_m + half + _OVER_OBJECT_M
        return below.position + np.array([0.0, 0.0, lift])
