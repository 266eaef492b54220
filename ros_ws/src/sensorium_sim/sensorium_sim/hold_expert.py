"""Presses a button gently or firmly: down to contact, hold the force for a second, up.

The slow half goes to contact and counts the time; the fast half keeps the force.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import MANNERS, Goal

from sensorium_sim.expert_moves import GAIN, funnel, straight_up, turn
from sensorium_sim.experts import FINGERTIP_M
from sensorium_sim.fast_correction import Intent
from sensorium_sim.touch_driver import MOVE_S, Move
from sensorium_sim.touch_sight import Sight, wrap
from sensorium_sim.touch_truth import BANDS_N

Array = NDArray[np.float64]

TARGETS_N = {manner: 0.5 * sum(band) for manner, band in zip(MANNERS, BANDS_N, strict=True)}
BLIND_DEPTHS_M = {"gently": 0.0018, "firmly": 0.0042}
"""Depths at which a press is most often right that knows nothing but the seen height; found by
trying all depths on 40,000 random buttons."""
_HOLD_S = 1.5
_NEAR_M = 0.005
"""Above the seen cap by this the expert slows down: the cap is known to 2.5 mm."""
_DESCENT_M = 0.0006
_CONTACT_N = 0.8
_UP_Z = 0.10
_CLOSED_M = 0.008


@dataclass
class HoldMemory:
    """What must be remembered from move to move."""

    held_s: float = 0.0
    """How long the force has been in its band without a break."""
    done: bool = False
    """Whether it has been held long enough: go up, and stay there."""


class HoldExpert:
    """Scripted expert of `hold`. `feels=False` knows the seen height only."""

    def __init__(self, goal: Goal, feels: bool = True) -> None:
        assert goal.manner is not None
        self._colour, self._manner, self._feels = goal.colour, goal.manner, feels
        self.memory = HoldMemory()

    def decide(self, sight: Sight) -> Move:
        """The next move."""
        memory, scene = self.memory, sight.state.scene
        index = [b.colour for b in sight.state.buttons].index(self._colour or "")
        top = sight.state.buttons[index].position.copy()
        top[2] += scene.button_trait(index).seen_error_m + FINGERTIP_M
        if memory.done:
            return straight_up(sight, _UP_Z, 0.0)
        if sight.opening > _CLOSED_M:
            return Move(funnel(sight.tool, np.array([*sight.tool[:2], _UP_Z]), _UP_Z), 0.0, 0.0)
        misturned = wrap(-float(sight.tool[3]))
        gap, height = float(np.hypot(*(top[:2] - sight.tool[:2]))), float(sight.tool[2] - top[2])
        if gap > 0.006 or height > _NEAR_M + 0.002:
            above = top + np.array([0.0, 0.0, _NEAR_M])
            return Move(funnel(sight.tool, above, _UP_Z, misturned), turn(misturned), 0.0)
        centre = GAIN * (top[:2] - sight.tool[:2])
        if not self._feels:
            return self._press_blindly(height, centre)
        return self._press(sight, centre)

    def _press(self, sight: Sight, centre: Array) -> Move:
        target = TARGETS_N[self._manner]
        low, high = BANDS_N[MANNERS.index(self._manner)]
        press = sight.press_n
        self.memory.held_s = self.memory.held_s + MOVE_S if low < press < high else 0.0
        self.memory.done = self.memory.held_s >= _HOLD_S
        intent = Intent(target, 0.0)
        if press < _CONTACT_N:
            return Move(np.array([*centre, -_DESCENT_M]), 0.0, 0.0, intent)
        return Move(np.zeros(3), 0.0, 0.0, intent)

    def _press_blindly(self, height: float, centre: Array) -> Move:
        down = -BLIND_DEPTHS_M[self._manner] - height
        if abs(down) < 1e-4:
            self.memory.held_s += MOVE_S
            self.memory.done = self.memory.held_s >= _HOLD_S
        return Move(np.array([*centre, float(np.clip(down, -_DESCENT_M, _DESCENT_M))]), 0.0, 0.0)
