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
TOUCH_N = 0.8
"""Pads that both press so hard have something between them."""


@dataclass(frozen=True)
class Felt:
    """What was felt in the last 0.1 s, in numbers that JSON keeps; the yaw frame, z up."""

    opening_m: float
    """Measured opening of one finger now."""
    force_n: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Force of the world on the tool now."""
    squeeze_n: float = 0.0
    """Force with which the pads press against each other now."""
    squeeze_most_n: float = 0.0
    """The largest force in that time with which both pads pressed."""
    touch_opening_m: float | None = None
    """Opening of a finger when both pads first pressed with `TOUCH_N` in that time."""
    load_n: float = 0.0
    """Mean force that pulls the tool down."""
    speed_rad_s: float = 0.0
    """Mean speed of the fastest joint of the arm."""


@dataclass(frozen=True)
class Sight:
    """One look at the cell."""

    state: TouchState
    """Read positions and yaws of objects only; the rest is not for an expert's eyes."""
    tool: Array
    """Commanded tool pose x y z yaw `(4,)`, base_link."""
    felt: Felt

    @property
    def opening(self) -> float:
        """Measured opening of one finger [m]."""
        return self.felt.opening_m

    @property
    def force(self) -> Array:
        """Force of the world on the tool now `(3,)` [N]."""
        return np.array(self.felt.force_n)

    @property
    def squeeze_n(self) -> float:
        """Force with which the pads press against each other now."""
        return self.felt.squeeze_n

    @property
    def holding(self) -> bool:
        """Whether something is between the fingers."""
        return self.squeeze_n > _HELD_N and self.opening > _EMPTY_M

    @property
    def press_n(self) -> float:
        """Force with which the tool presses downwards."""
        return self.felt.force_n[2]

    def place(self, index: int) -> Array:
        """Centre of an object `(3,)`, base_link."""
        return self.state.objects[index].position


def sight_of(state: TouchState, tool: Array, readings: Readings | None) -> Sight:
    """What an expert is given after a move; nothing has been felt before the first."""
    felt = Felt(state.opening_m) if readings is None else felt_in(readings)
    return Sight(state, tool, felt)


def felt_in(readings: Readings) -> Felt:
    """What the readings of the last 0.1 s say."""
    pads = readings.touch[-_RECENT:, :, 1].mean(axis=0)
    squeeze = np.minimum(readings.touch[:, 0, 1], -readings.touch[:, 1, 1])
    touched = squeeze >= TOUCH_N
    first = float(readings.joints[int(np.argmax(touched)), 6])
    x, y, z = felt_force(readings.wrench[-_RECENT:]).tolist()
    return Felt(
        opening_m=float(readings.joints[-_RECENT:, 6].mean()),
        force_n=(x, y, z),
        squeeze_n=float(0.5 * (pads[0] - pads[1])),
        squeeze_most_n=float(squeeze.max()),
        touch_opening_m=first if touched.any() else None,
        load_n=float(readings.wrench[:, 2].mean()),
        speed_rad_s=float(np.abs(readings.joints[:, 7:13].mean(axis=0)).max()),
    )


def wrap(angle: float, period: float = 2 * np.pi) -> float:
    """The same angle within half a period of zero."""
    return float((angle + period / 2) % period - period / 2)
