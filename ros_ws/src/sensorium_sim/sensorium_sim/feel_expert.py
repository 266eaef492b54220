"""Picks up the soft or the hard one of two alike: squeeze one; if it is wrong, take the other.

How far the fingers still close after the first touch tells soft from hard. It has a memory of
that touch and of the one that was wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensorium_core.goal import Goal

from sensorium_sim.expert_moves import lower, straight_up
from sensorium_sim.give_expert import held_index, take
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_sight import TOUCH_N, Sight

_TRAVEL_Z = 0.095
_LIFT_Z = 0.12
_SQUEEZED_N = 11.0
SOFT_M = 0.0017
"""Fingers that close this much further after the first touch hold something soft."""


@dataclass
class FeelMemory:
    """What must be remembered from move to move."""

    touch_opening_m: float | None = None
    """Opening of a finger when the pads first felt something in the present grasp."""
    verdict: bool | None = None
    """Whether what is in the fingers is the one that was asked for; None before it is squeezed."""
    rejected: int | None = None
    """Index of the one that was wrong; a policy has its place instead."""


class FeelExpert:
    """Scripted expert of `feel`. `feels=False` takes the first that it comes to."""

    def __init__(self, goal: Goal, feels: bool = True) -> None:
        self._soft, self._feels = goal.quality == "soft", feels
        self.memory = FeelMemory()

    def decide(self, sight: Sight) -> Move:
        """The next move."""
        memory = self.memory
        self._feel(sight)
        held = held_index(sight)
        if memory.verdict is False and held is not None:
            memory.rejected = held
        if held is not None and held == memory.rejected:
            return lower(sight, held)
        if held is None:
            return take(sight, self.wanted(sight), _TRAVEL_Z)
        if memory.verdict is None and self._feels and memory.rejected is None:
            return Move(grip=0.0)
        return straight_up(sight, _LIFT_Z, 0.0)

    def wanted(self, sight: Sight) -> int:
        """Index of the one to go for next: at first the nearer, then the one not rejected."""
        if self.memory.rejected is not None:
            return 1 - self.memory.rejected
        gaps = [float(np.hypot(*(sight.place(i) - sight.tool[:3])[:2])) for i in (0, 1)]
        return int(np.argmin(gaps))

    def _feel(self, sight: Sight) -> None:
        """Notes the first touch, and after the squeeze what it means."""
        memory, felt = self.memory, sight.felt
        if not self._feels:
            return
        if felt.squeeze_most_n < TOUCH_N:
            memory.touch_opening_m, memory.verdict = None, None
            return
        if memory.touch_opening_m is None:
            memory.touch_opening_m = felt.touch_opening_m
        elif memory.verdict is None and sight.squeeze_n > _SQUEEZED_N:
            closed = memory.touch_opening_m - sight.opening
            memory.verdict = (closed > SOFT_M) == self._soft
