"""Whom the fast head imitates: damping control whose gain fits what is pressed.

`Admittance` has one gain, low enough for a hard block, and so it is slow on a soft spring. The
teacher knows the spring, which only the simulator does; the head has to feel it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal
from sensorium_sim.fast_correction import LARGEST_M, Admittance, FastInput, felt_force
from sensorium_sim.touch_scene import TouchState
from sensorium_sim.touch_tasks import target_of

Array = NDArray[np.float64]

RATE_HZ = 6.0
"""How fast an error of force shall decay on a spring [1/s]; six times slower than the servos."""


@dataclass(frozen=True)
class Spring:
    """What is pressed, as the simulator made it."""

    stiffness_n_per_m: float
    preload_n: float
    """Up to this force it does not give."""


@dataclass(frozen=True)
class Teacher:
    """`Admittance`, faster where a spring gives: the gain times the stiffness is `RATE_HZ`."""

    spring: Spring | None = None
    hard: Admittance = field(default_factory=Admittance)

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, given: FastInput) -> Array:
        """The correction of one tick, `LARGEST_M` at most; see `FastCorrection`."""
        fast = self.hard
        press_n = float(felt_force(given.wrench[-fast.samples :])[2])
        if self.spring is not None and press_n > self.spring.preload_n:
            gain = max(RATE_HZ / self.spring.stiffness_n_per_m, fast.down_m_per_ns)
            fast = Admittance(down_m_per_ns=gain)
        return np.clip(fast(given), -LARGEST_M, LARGEST_M)


def teacher_of(goal: Goal, state: TouchState) -> Teacher:
    """Who knows what is pressed in this scene: the spring of the button meant, if there is one."""
    if goal.family != "hold":
        return Teacher()
    traits = state.scene.button_trait(target_of(goal, state))
    stiffness = traits.stiffness_n_per_m
    return Teacher(Spring(stiffness, stiffness * traits.preload_m))
