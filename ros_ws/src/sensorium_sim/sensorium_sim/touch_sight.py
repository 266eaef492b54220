"""What a scripted expert of the touch tasks is given: places as cameras give them, and feeling.

Places come from the ground truth, displaced by the episode's calibration error where the scene has
one. Feeling comes from the readings of the last 0.1 s, as a robot has them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.fast_correction import felt_force
from sensorium_sim.readings import Readings
from sensorium_sim.touch_scene import TouchState

Array = NDArray[np.float64]

_RECENT = 10
"""Readings that count as "now": 20 ms."""
_HELD_N = 1.0
_EMPTY_M = 0.005
"""Fingers closer than this have nothing between them."""


@dataclass(frozen=True)
class Sight:
    """One look at the cell; vectors of feeling in the yaw frame of the tool, z up."""

    state: TouchState
    """Read positions and yaws of objects only; the rest is not for an expert's eyes."""
    tool: Array
    """Commanded tool pose x y z yaw `(4,)`, base_link."""
    opening: float
    """Measured opening of one finger [m]."""
    force: Array
    """Force of the world on the tool now `(3,)` [N]."""
    squeeze_n: float
    """Force with which the pads press against each other now."""
    readings: Readings | None
    """Everything of the last 0.1 s; None before the first move."""

    @property
    def holding(self) -> bool:
        """Whether something is between the fingers."""
        return self.squeeze_n > _HELD_N and self.opening > _EMPTY_M

    @property
    def press_n(self) -> float:
        """Force with which the tool presses downwards."""
        return float(self.force[2])

    def place(self, index: int) -> Array:
        """Centre of an object `(3,)`, base_link."""
        return self.state.objects[index].position


def sight_of(state: TouchState, tool: Array, readings: Readings | None) -> Sight:
    """What an expert is given after a move; nothing has been felt before the first."""
    if readings is None:
        return Sight(state, tool, state.opening_m, np.zeros(3), 0.0, None)
    pads = readings.touch[-_RECENT:, :, 1].mean(axis=0)
    return Sight(
        state=state,
        tool=tool,
        opening=float(readings.joints[-_RECENT:, 6].mean()),
        force=felt_force(readings.wrench[-_RECENT:]),
        squeeze_n=float(0.5 * (pads[0] - pads[1])),
        readings=readings,
    )


def wrap(angle: float, period: float = 2 * np.pi) -> float:
    """The same angle within half a period of zero."""
    return float((angle + period / 2) % period - period / 2)
