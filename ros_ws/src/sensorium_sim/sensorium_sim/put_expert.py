"""Puts an object into a bowl or on top of another: take it, carry it over, let go, go up.

Without memory: whether the object is there already can be seen.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

from sensorium_sim.expert_moves import LANDED_N, LANDING_M, LANDING_N, lower, straight_up
from sensorium_sim.fast_correction import Intent
from sensorium_sim.give_expert import carry, held_index, take
from sensorium_sim.scene import ObjectState
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
"""It is let go this near to the place, above it,"""
_ASIDE_M = {"put": 0.012, "stack": 0.009}
"""and this near beside it: no finer than a policy sees."""
_STANDS_ASIDE_M = 0.013
"""What presses on something this near beside its middle can stand there."""
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
        stands = self._stands(sight, aside, height)
        if stands or (there and (held is None or aside < _ASIDE_M[goal.family])):
            return _leave(sight, objects[target])
        if held is None:
            return take(sight, target, _TRAVEL_Z)
        if held != target:
            return lower(sight, held)
        move = carry(sight, target, place, _CARRY_Z, 0.0)
        lands = goal.family == "stack" and height < LANDING_M and aside < _THERE_M
        return replace(move, intent=Intent(LANDING_N, 0.0)) if lands else move

    def _stands(self, sight: Sight, aside: float, height: float) -> bool:
        """Whether what is held presses on what it is to stand on."""
        near = aside < _STANDS_ASIDE_M and height < LANDING_M
        return self._goal.family == "stack" and near and sight.press_n > LANDED_N

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


def _leave(sight: Sight, item: ObjectState) -> Move:
    """Lets go of what is where it shall be, and goes up."""
    near = float(np.linalg.norm((item.position - sight.tool[:3])[:2])) < 0.06
    if near and sight.opening <= 0.5 * item.size_m + 0.006:
        return Move(grip=1.0)
    return straight_up(sight, _TRAVEL_Z + 0.03, 1.0)
