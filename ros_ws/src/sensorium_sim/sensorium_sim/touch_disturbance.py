"""Noise on the moves of the touch tasks' experts, so that recoveries are in the data.

As much as the experts survive: in free space that of `disturbance`, less with something in the
fingers, and next to nothing where force matters. One object an episode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.disturbance import DisturbanceConfig, drawn
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_sight import Sight

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Care:
    """By how much the noise of a move is multiplied."""

    aside: float
    """Along x and y."""
    height: float
    turn: float
    kick: float
    flips: bool
    """Whether the fingers may do the opposite."""


_FREE = Care(1.0, 1.0, 1.0, 1.0, True)
_LOW = Care(0.6, 0.2, 1.0, 0.3, True)
_CARRYING = Care(0.4, 0.4, 0.5, 0.4, False)
_LANDING = Care(0.15, 0.05, 0.15, 0.0, False)
_FEELING = Care(0.08, 0.0, 0.05, 0.0, False)
_PRESSING = Care(0.03, 0.0, 0.02, 0.0, False)
_LOW_M = 0.08
"""Low over the table, where fingers meet things."""
_CAP_M = 0.07
"""Height of the tool below which a button may be touched."""
_LANDING_M = 0.10
"""Height of the tool below which something held may meet what it is put on or in."""
_NO_KICK_DOWN_M = 0.09
_QUIET_AFTER = (0.2, 0.6)
"""When disturbances end, in parts of the time that there is: they begin anew in every stage."""
_FLIP_STEPS = 2


def care_of(family: str, move: Move, sight: Sight) -> Care:
    """How careful the noise of this move has to be."""
    height = float(sight.tool[2])
    if move.intent is not None:
        return _PRESSING if family == "hold" else _FEELING
    if family == "hold":
        return _LANDING if height < _CAP_M else _FREE
    if sight.holding:
        return _LANDING if height < _LANDING_M else _CARRYING
    return _LOW if height < _LOW_M else _FREE


class TouchDisturbance:
    """Draws the noise of one episode, move by move."""

    def __init__(
        self, config: DisturbanceConfig, family: str, limit_s: float, rng: np.random.Generator
    ) -> None:
        self._config, self._family, self._rng = config, family, rng
        on = rng.random() < config.share
        until_s = limit_s * float(rng.uniform(*_QUIET_AFTER))
        self._until_s = until_s if on else 0.0
        self._flipped = 0

    def __call__(self, t_s: float, move: Move, sight: Sight) -> Move:
        """The move with this step's noise."""
        noise, kick, kicks, flips = drawn(self._config, self._rng)
        if t_s >= self._until_s:
            return move
        care = care_of(self._family, move, sight)
        if float(sight.tool[2]) < _NO_KICK_DOWN_M:
            kick[2] = abs(kick[2])
        added = noise * np.array([care.aside, care.aside, care.height, care.turn])
        added += care.kick * kick if kicks else 0.0
        self._flipped = _FLIP_STEPS if flips else max(self._flipped - 1, 0)
        grip = 1.0 - move.grip if self._flipped > 0 and care.flips else move.grip
        return replace(move, dxyz=move.dxyz + added[:3], dyaw=move.dyaw + added[3], grip=grip)
