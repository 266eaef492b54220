"""All checks of one proposal in their order: form, stamp, joints, seam, then the motion itself.

Form comes first, so that every later check works on finite arrays of known shape. The last checks
look at the motion that would be sent: the proposal, followed within the limits of jerk.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from ruckig import RuckigError
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory

from sensorium_control import checks, motion
from sensorium_control.collisions import Collisions
from sensorium_control.commanded import CommandedMotion, switch_knot
from sensorium_control.follower import State
from sensorium_control.limits import GateConfig, load_joint_limits
from sensorium_control.profile import N_ARM, STEP_NS, STEP_S, Profile
from sensorium_control.reasons import Reason, Refusal

Array = NDArray[np.float64]


class Situation(NamedTuple):
    """What a proposal meets."""

    now_ns: int
    measured: Array | None
    """Measured joints `(7,)`; None when never measured."""
    commanded: CommandedMotion
    """The motion under way, if any."""
    last_stamp_ns: int | None
    """Stamp of the last accepted proposal."""


class Judge:
    """Holds what the checks need; stateless otherwise."""

    def __init__(self, config: GateConfig, urdf_xml: str) -> None:
        self._config = config
        self._kinematics = Kinematics(urdf_xml)
        self._collisions = Collisions(urdf_xml, config.collision_margin_m)
        self.limits = load_joint_limits(urdf_xml, self._kinematics, config)

    def judge(self, proposal: Trajectory, situation: Situation) -> Profile | Refusal:
        """The motion to send for a proposal, or the first objection to it."""
        measured, commanded = situation.measured, situation.commanded
        if measured is None:
            return Refusal(Reason.NO_JOINT_STATE, "the joints were never measured")
        knot = switch_knot(situation.now_ns)
        refusal = checks.check_form(proposal, JOINTS, self._config) or checks.check_stamp(
            proposal, situation.now_ns, situation.last_stamp_ns, self._config, knot * STEP_NS
        )
        if refusal is not None:
            return refusal
        ordered = proposal.select(JOINTS)
        start = commanded.state(knot) if commanded.known else _at_rest(measured)
        path = motion.as_executed(ordered, knot * STEP_NS, start[0], start[1])
        refusal = (
            checks.check_positions(ordered, self.limits)
            or checks.check_speeds(ordered, self.limits)
            or checks.check_accelerations(ordered, self.limits)
            or checks.check_continuity(ordered, knot * STEP_NS, measured, start[0], self.limits)
            or checks.check_speeds(path, self.limits)
        )
        if refusal is not None:
            return refusal
        path.positions[0, N_ARM:] = ordered.sample(knot * STEP_NS)[N_ARM:]
        return self._follow(path, knot, start, situation)

    def _follow(
        self, path: Trajectory, knot: int, start: State, situation: Situation
    ) -> Profile | Refusal:
        """The motion along a path within the limits of jerk, if that may be executed."""
        try:
            profile, strayed = situation.commanded.following(path, knot, start)
        except RuckigError as error:
            return Refusal(Reason.JERK_LIMIT, f"cannot be followed ({error})")
        measured, sent = situation.measured, profile.trajectory()
        assert measured is not None
        return (
            checks.check_stray(strayed, self.limits)
            or checks.check_positions(sent, self.limits)
            or self._check_places(sent, measured, len(profile.positions))
            or profile
        )

    def _check_places(self, path: Trajectory, measured: Array, n_knots: int) -> Refusal | None:
        """Where the arm would go on a path that has its knots first: tool, fingertips, links."""
        config = self._config
        samples = motion.path_samples(path, config.path_step_rad)
        each = np.concatenate([measured[None], samples])
        tools, tips_m = checks.tools_and_tips(self._kinematics, each, config)
        per_knot = (len(samples) - 1) // (len(path.positions) - 1)
        return (
            checks.check_workspace(tools, tips_m, config)
            or checks.check_approach(tips_m[1::per_knot][:n_knots], STEP_S, config)
            or self._check_collisions(samples)
        )

    def _check_collisions(self, samples: Array) -> Refusal | None:
        thin = motion.thinned(samples, 0.5 * self._config.path_step_rad)
        pair = self._collisions.first_new(thin[:, :N_ARM])
        if pair is None:
            return None
        return Refusal(Reason.SELF_COLLISION, f"{pair} would touch")


def _at_rest(measured: Array) -> State:
    return measured, np.zeros_like(measured), np.zeros_like(measured)
