"""The fast half of "slow and fast": a small displacement of the tool, a hundred times a second.

The slow half (an expert, or a policy) says ten times a second where the tool shall go and, as an
`Intent`, what it shall feel. The fast half sees the last milliseconds of the fast senses and adds
to the motion. `FastCorrection` is the seam that a learned force head fills; `Admittance` fills it
by the textbook. In free space the correction is exactly zero.

Vectors are in the yaw frame of the tool: x along its heading, z up. Use from one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.readings import Readings

Array = NDArray[np.float64]

TICK_S = 0.01
"""Time between two corrections."""
TICK_STEPS = 5
WINDOW = 32
"""Readings that a correction sees, at 500 Hz: 64 ms."""
LARGEST_M = 0.0004
"""Longest correction along one axis in one tick: 40 mm/s."""


@dataclass(frozen=True)
class Intent:
    """What the slow half wants to be felt until its next decision; two numbers for a policy."""

    press_n: float
    """Force with which the tool shall press downwards."""
    yield_: float = 0.0
    """How readily the tool gives way sideways, 0 (not at all) to 1."""


@dataclass(frozen=True)
class FastInput:
    """What a fast correction is given: the last `WINDOW` readings, the newest last.

    Also what `sensorium_core.fast_policy.FastSenses` asks for.
    """

    wrench: Array
    """`(WINDOW, 6)`, tool frame [N, Nm]."""
    touch: Array
    """`(WINDOW, 2, 3)`, pad frames [N]."""
    joints: Array
    """`(WINDOW, 14)`, positions and velocities [rad, gripper m]."""
    intent: Intent


class FastCorrection(Protocol):
    """One tick of the fast half. May keep a state of its own between ticks."""

    def reset(self) -> None:
        """Forgets everything: a new episode, or a motion in which nothing is to be felt."""

    def __call__(self, given: FastInput) -> Array:
        """Displacement `(3,)` [m] to add in the next `TICK_S`, yaw frame.

        The driver cuts it to `LARGEST_M` along each axis.
        """


class FastWindow:
    """The last readings of the fast senses."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """As before anything was felt."""
        self._wrench, self._touch = np.zeros((WINDOW, 6)), np.zeros((WINDOW, 2, 3))
        self._joints = np.zeros((WINDOW, 14))

    def push(self, readings: Readings) -> None:
        """Takes in new readings, at most `WINDOW` of which are kept."""
        self._wrench = np.concatenate([self._wrench, readings.wrench])[-WINDOW:]
        self._touch = np.concatenate([self._touch, readings.touch])[-WINDOW:]
        self._joints = np.concatenate([self._joints, readings.joints])[-WINDOW:]

    def given(self, intent: Intent) -> FastInput:
        """What a correction is given now."""
        return FastInput(self._wrench, self._touch, self._joints, intent)


def felt_force(wrench: Array) -> Array:
    """Force of the world on the tool `(3,)` in its yaw frame: mean of tool-frame rows `(n, 6)`."""
    return np.asarray(wrench[:, :3].mean(axis=0) * np.array([1.0, -1.0, -1.0]))


@dataclass(frozen=True)
class Admittance:
    """Moves as fast as force is missing or too much: damping control (Whitney 1977).

    Without contact it does nothing at all: moving to contact is the slow half's part.
    """

    contact_n: float = 0.8
    """Less than this is no contact: ten times the noise of the mean that it is compared with."""
    friction_n: float = 3.5
    """Sideways force that may be friction: only what is beyond it is given way to."""
    samples: int = 5
    down_m_per_ns: float = 0.0006
    """Speed along z for each newton of force error [m/(N s)]."""
    side_m_per_ns: float = 0.0015
    """Speed sideways for each newton, at full yielding [m/(N s)]."""

    def reset(self) -> None:
        """It has no state."""

    def __call__(self, given: FastInput) -> Array:
        """The correction of one tick; see `FastCorrection`."""
        force = felt_force(given.wrench[-self.samples :])
        if float(np.abs(force).max()) < self.contact_n:
            return np.zeros(3)
        aside = float(np.hypot(force[0], force[1]))
        beyond = max(aside - self.friction_n, 0.0) / max(aside, 1e-9)
        side = given.intent.yield_ * self.side_m_per_ns * beyond * force[:2]
        return TICK_S * np.array([*side, self.down_m_per_ns * (force[2] - given.intent.press_n)])
