"""All checks of one proposal in their order: form, stamp, joints, seam, tool.

Form comes first, so that every later check works on finite arrays of known shape.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory

from sensorium_control import checks, motion
from sensorium_control.limits import GateConfig, load_joint_limits
from sensorium_control.reasons import Reason, Refusal

Array = NDArray[np.float64]
_DIFFERENCE_NS = 1_000_000


class Situation(NamedTuple):
    """What a proposal meets."""

    now_ns: int
    measured: Array | None
    """Measured joints `(7,)`; None when never measured."""
    last_good: Trajectory | None
    """The motion under way."""
    last_stamp_ns: int | None
    """Stamp of the last accepted proposal."""


class Judge:
    """Holds what the checks need; stateless otherwise."""

    def __init__(self, config: GateConfig, urdf_xml: str) -> None:
        self._config = config
        self._kinematics = Kinematics(urdf_xml)
        self.limits = load_joint_limits(urdf_xml, self._kinematics, config)

    def check(self, trajectory: Trajectory, situation: Situation) -> Refusal | None:
        """The first objection to a proposal; None when there is none."""
        measured, now_ns = situation.measured, situation.now_ns
        if measured is None:
            return Refusal(Reason.NO_JOINT_STATE, "the joints were never measured")
        refusal = checks.check_form(trajectory, JOINTS, self._config) or checks.check_stamp(
            trajectory, now_ns, situation.last_stamp_ns, self._config
        )
        if refusal is not None:
            return refusal
        ordered = trajectory.select(JOINTS)
        setpoint, velocity = measured, np.zeros_like(measured)
        if situation.last_good is not None:
            setpoint, velocity = _setpoint(situation.last_good, now_ns)
        path = motion.as_executed(ordered, now_ns, setpoint, velocity)
        return (
            checks.check_positions(ordered, self.limits)
            or checks.check_speeds(ordered, self.limits)
            or checks.check_accelerations(ordered, self.limits)
            or checks.check_continuity(ordered, now_ns, measured, setpoint, self.limits)
            or checks.check_speeds(path, self.limits)
            or checks.check_workspace(path, measured, self._kinematics, self._config)
        )


def _setpoint(trajectory: Trajectory, now_ns: int) -> tuple[Array, Array]:
    """Commanded positions and velocities `(7,)` at a time."""
    position = trajectory.sample(now_ns)
    ahead = trajectory.sample(now_ns + _DIFFERENCE_NS)
    return position, (ahead - position) * (1e9 / _DIFFERENCE_NS)
