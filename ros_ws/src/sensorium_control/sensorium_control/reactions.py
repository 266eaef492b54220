"""How the arm comes to rest: slowing down along its path, at once, or back along the path."""

import numpy as np
from numpy.typing import NDArray
from ruckig import RuckigError

from sensorium_control.commanded import CommandedMotion, switch_knot
from sensorium_control.limits import GateConfig, JointLimits
from sensorium_control.profile import Profile
from sensorium_control.reasons import Reason

Array = NDArray[np.float64]
_FORCE = (Reason.FORCE_LIMIT, Reason.TORQUE_LIMIT, Reason.FORCE_SPIKE)
_AT_ONCE = (*_FORCE, Reason.SENSE_SATURATED, Reason.TRACKING_ERROR, Reason.SECOND_COMMANDER)
"""Reasons for which stopping fast matters more than stopping smoothly."""


class Reactions:
    """Makes profiles that end at rest. `measured`: joints `(7,)`, None when never measured."""

    def __init__(
        self, config: GateConfig, limits: JointLimits, commanded: CommandedMotion
    ) -> None:
        self._retract_s = config.retract_s
        self._limits, self._commanded = limits, commanded

    def stopping(self, now_ns: int, measured: Array | None, reason: Reason) -> Profile | None:
        """How to stop for a reason; None when nothing was ever measured nor commanded."""
        if reason not in _AT_ONCE or measured is None:
            return self.slowing(now_ns, measured)
        if reason in _FORCE and self._retract_s > 0 and self._commanded.known:
            try:
                back = np.clip(measured, self._limits.lower, self._limits.upper)
                return self._commanded.retreating(now_ns, back, self._retract_s)
            except RuckigError:
                pass
        return self._resting(now_ns, measured)

    def slowing(self, now_ns: int, measured: Array | None) -> Profile | None:
        """To rest along the path; where the arm is measured when nothing was commanded."""
        if self._commanded.known:
            try:
                return self._commanded.braking(now_ns)
            except RuckigError:
                pass
        return None if measured is None else self._resting(now_ns, measured)

    def forget_motion_elsewhere(self, now_ns: int, measured: Array | None) -> None:
        """Start from the measured joints if somebody moved the arm since the last command."""
        commanded = self._commanded
        if commanded.known and measured is not None:
            away = np.abs(commanded.setpoint(now_ns) - measured)
            if commanded.moving(now_ns) or not (away <= self._limits.seam).all():
                commanded.forget()

    def _resting(self, now_ns: int, measured: Array) -> Profile:
        """At rest where the arm is measured to be; the gripper keeps its last command."""
        rest = np.clip(measured, self._limits.lower, self._limits.upper)
        if self._commanded.known:
            rest[-1] = self._commanded.setpoint(now_ns)[-1]
        return Profile.at_rest(switch_knot(now_ns), rest)
