"""Integral action of the arm's joint controllers: what hangs on the tool leaves no lasting error.

Without it a payload shows in the joints (0.1 kg: 6e-5 rad, three times the encoders' noise), and
so would a press: force could be read from positions, which no industrial controller allows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.model import SERVO_KP

Array = NDArray[np.float64]

TIME_CONSTANT_S = 0.06
"""Time in which an error shrinks to a third."""
_STILL_RAD_S = 0.05
"""A setpoint that moves faster than this is followed as before: nothing winds up."""
_LIMIT_NM = np.array([40.0, 40.0, 30.0, 10.0, 10.0, 10.0])


class IntegralAction:
    """Torques that grow for as long as a resting joint is not where it is told to be."""

    def __init__(self, step_s: float) -> None:
        self._gain = np.array(SERVO_KP) * step_s / TIME_CONSTANT_S
        self.torque = np.zeros(6)

    def clear(self) -> None:
        """No torque, for a new episode."""
        self.torque[:] = 0.0

    def update(self, error: Array, setpoint_rate: Array) -> None:
        """One step.

        Args:
            error: setpoint less position of the arm's joints `(6,)` [rad].
            setpoint_rate: how fast the setpoint moves `(6,)` [rad/s].
        """
        if float(np.abs(setpoint_rate).max()) < _STILL_RAD_S:
            self.torque += self._gain * error
            np.clip(self.torque, -_LIMIT_NM, _LIMIT_NM, out=self.torque)
