"""Gives the heavier (or lighter) of two blocks alike: weigh one, then the other, then choose.

It has a memory: no look tells which it is, and one lift does in 72 of 100 scenes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal
from sensorium_core.memory import STILL_RAD_S

from sensorium_sim.expert_moves import TRAVEL_M, funnel, grasp, lower, straight_up, take_yaw, turn
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_scene import HANDOVER_HEIGHT_M, HANDOVER_XY_M
from sensorium_sim.touch_sight import Sight

Array = NDArray[np.float64]

_TRAVEL_Z = 0.095
_WEIGH_Z = 0.075
"""Tool height at which a block hangs free and is weighed."""
_WEIGH_NEAR_M = 0.006
"""It is weighed this near to that height."""
_GIVE_Z = HANDOVER_HEIGHT_M + 0.055
_NEAR_M = 0.03


@dataclass
class WeighMemory:
    """What must be remembered from move to move."""

    weights_n: list[float | None] = field(default_factory=lambda: [None, None])
    """Weight felt of each block, by its index; a policy has its place instead."""


class GiveExpert:
    """Scripted expert of `give`. `feels=False` cannot weigh and gives the block at hand."""

    def __init__(self, goal: Goal, feels: bool = True) -> None:
        self._heavier, self._feels = goal.quality == "heavier", feels
        self.memory = WeighMemory()

    def decide(self, sight: Sight) -> Move:
        """The next move."""
        wanted = self.wanted(sight)
        held = held_index(sight)
        weights = self.memory.weights_n
        if held is not None and self._feels and weights[held] is None:
            return self._weigh(sight, held)
        if held is not None and held != wanted:
            return lower(sight, held)
        if held is None:
            return take(sight, wanted, _TRAVEL_Z)
        step = np.array([*HANDOVER_XY_M, _GIVE_Z]) - sight.tool[:3]
        step *= min(0.45, TRAVEL_M / max(float(np.linalg.norm(step)), 1e-9))
        if sight.tool[2] < _WEIGH_Z:
            step[:2] = 0.0
        return Move(step, 0.0, 0.0)

    def wanted(self, sight: Sight) -> int:
        """The block to go for next: one not weighed yet, at last the right one."""
        known = self.memory.weights_n
        if known[0] is not None and known[1] is not None:
            return int((known[0] < known[1]) == self._heavier)
        fresh = [i for i, weight in enumerate(known) if weight is None]
        gaps = [float(np.hypot(*(sight.place(i) - sight.tool[:3])[:2])) for i in fresh]
        return fresh[int(np.argmin(gaps))]

    def _weigh(self, sight: Sight, held: int) -> Move:
        """Lifts it clear, waits until all is still and notes the weight."""
        high = abs(float(sight.tool[2]) - _WEIGH_Z) < _WEIGH_NEAR_M
        if high and sight.felt.speed_rad_s < STILL_RAD_S:
            self.memory.weights_n[held] = sight.felt.load_n
            return Move(grip=0.0)
        return straight_up(sight, _WEIGH_Z, 0.0)


def held_index(sight: Sight) -> int | None:
    """The object between the fingers: the pads tell that there is one, its place which."""
    if not sight.holding:
        return None
    gaps = [float(np.linalg.norm(o.position - sight.tool[:3])) for o in sight.state.objects]
    nearest = int(np.argmin(gaps))
    return nearest if gaps[nearest] < _NEAR_M else None


def take(sight: Sight, index: int, travel_z: float) -> Move:
    """Towards the object, and around it."""
    item = sight.state.objects[index]
    place = np.array([*item.position[:2], max(float(item.position[2]), 0.018)])
    aim = take_yaw(item) - float(sight.tool[3])
    return grasp(sight, place, aim, 0.5 * item.size_m, travel_z)


def carry(sight: Sight, index: int, to: Array, travel_z: float, aim: float) -> Move:
    """What is held goes over `to` `(3,)` at height `travel_z` [m, base_link], then down to it.

    On the way it turns by `aim` [rad].
    """
    return Move(funnel(sight.state.objects[index].position, to, travel_z, aim), turn(aim), 0.0)
