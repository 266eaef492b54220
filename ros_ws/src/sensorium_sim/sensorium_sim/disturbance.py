"""Noise on an expert's motion, so that recoveries are in the data. One object an episode."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DisturbanceConfig:
    """How much an expert is disturbed. The defaults are those of a study that worked."""

    share: float = 0.75
    """Part of the episodes that are disturbed at all."""
    step_m: float = 0.004
    """Standard deviation of each step's displacement along each axis."""
    step_rad: float = 0.03
    kick_odds: float = 0.12
    """Chance of a kick in a step."""
    kick_m: float = 0.02
    kick_rad: float = 0.2
    flip_odds: float = 0.015
    """Chance in a step that the gripper is told the opposite, for two steps."""
    quiet_after_s: tuple[float, float] = (1.5, 5.0)
    """When disturbances end, drawn for each episode, so that it can be finished."""
    still_share: float = 0.1
    """Part of the episodes in which nothing moves: short and cheap, for the eyes only."""

    def scaled(self, gain: float, share: float, still_share: float) -> DisturbanceConfig:
        """The same with every noise multiplied by `gain`, in other parts of the episodes."""
        return replace(
            self,
            share=share,
            still_share=still_share,
            step_m=gain * self.step_m,
            step_rad=gain * self.step_rad,
            kick_m=gain * self.kick_m,
            kick_rad=gain * self.kick_rad,
        )


_LOW_M = 0.06
_LOW_GAIN = 0.3
"""Low over the table, where fingers meet things, noise is smaller."""
_NO_KICK_DOWN_M = 0.09
"""Below this nothing kicks downwards: a stiff arm would crush what it meets."""
_FLIP_STEPS = 2


def drawn(
    config: DisturbanceConfig, rng: np.random.Generator
) -> tuple[Array, Array, np.bool_, np.bool_]:
    """Noise and kick of one step, x, y, z, yaw `(4,)` each, and whether it kicks, and flips.

    Always draws the same number of random values, so that a step's noise does not depend on
    what came of the one before.
    """
    noise = rng.normal(size=4) * np.array([config.step_m] * 3 + [config.step_rad])
    kick = rng.uniform(-1, 1, 4) * np.array([config.kick_m] * 3 + [config.kick_rad])
    kicks, flips = rng.random(2) < (config.kick_odds, config.flip_odds)
    return noise, kick, kicks, flips


class Disturbance:
    """Draws the noise of one episode, step by step."""

    def __init__(self, config: DisturbanceConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        on = rng.random() < config.share
        self._until_s = float(rng.uniform(*config.quiet_after_s)) if on else 0.0
        self._flipped = 0

    def __call__(self, t_s: float, height_m: float) -> tuple[Array, bool]:
        """Displacement x, y, z, yaw `(4,)` to add, and whether the gripper does the opposite."""
        noise, kick, kicks, flips = drawn(self._config, self._rng)
        if t_s >= self._until_s:
            return np.zeros(4), False
        if height_m < _LOW_M:
            noise[2] *= _LOW_GAIN
        if height_m < _NO_KICK_DOWN_M:
            kick[2] = abs(kick[2])
        self._flipped = _FLIP_STEPS if flips else max(self._flipped - 1, 0)
        return noise + (kick if kicks else 0.0), self._flipped > 0
