"""How the arm comes to rest: slowing down along its path, at once, or back along the path."""

import math

import numpy as np
from numpy.typing import NDArray
from ruckig import RuckigError

from sensorium_control.commanded import LEAD_NS, CommandedMotion, switch_knot
from sensorium_control.following import LAG_NS, away_rad
from sensorium_control.limits import GateConfig, JointLimits
from sensorium_control.profile import N_ARM, STEP_NS, STEP_S, Profile
from sensorium_control.reasons import Reason, Refusal

Array = NDArray[np.float64]
_FORCE = (Reason.FORCE_LIMIT, Reason.TORQUE_LIMIT, Reason.FORCE_SPIKE)
_AT_ONCE = (*_FORCE, Reason.SENSE_SATURATED)
"""Reasons for which stopping fast matters more than stopping smoothly."""
_ELSEWHERE = (Reason.TRACKING_ERROR, Reason.SECOND_COMMANDER)
"""Reasons that say that the arm is not on its path: it stops where it is."""

_AT_REST_RAD = 0.01
"""An arm that rests further from its command than this was moved by somebody."""
_YOUNG_S = 0.05
"""Where the arm was longer ago is no place to stop at once."""
_SHARE_OF_SPEED = 0.4
"""Less than half the limit between knots: a cubic that turns round within a knot is up to twice as
fast, and the arm hears of it up to 5 ms late."""
_TO_TURN_NS = 5_000_000
"""So long at least has the arm to turn round, when it hears of it as late as it may."""
ARM = np.arange(N_ARM + 1) < N_ARM


class Reactions:
    """Makes profiles that end at rest. `measured`: joints `(7,)`, None when never measured."""

    def __init__(
        self, config: GateConfig, limits: JointLimits, commanded: CommandedMotion
    ) -> None:
        self._retract_s, self._tracking_rad = config.retract_s, config.tracking_rad
        self._limits, self._commanded = limits, commanded

    def stopping(
        self, now_ns: int, measured: Array | None, reason: Reason, age_s: float
    ) -> Profile | None:
        """How to stop for a reason; None when nothing was ever measured nor commanded.

        `age_s` is how long ago the arm was measured.
        """
        if measured is None or age_s > _YOUNG_S:
            return self.slowing(now_ns, measured)
        if reason in _ELSEWHERE and self._commanded.known:
            try:
                return self._commanded.going_to(now_ns, self._within(measured))
            except RuckigError:
                pass
        if reason not in _AT_ONCE:
            return self.slowing(now_ns, measured)
        if reason in _FORCE and self._retract_s > 0 and self._commanded.known:
            try:
                back = self._within(measured)
                return self._commanded.retreating(now_ns, back, self._retract_s)
            except RuckigError:
                pass
        return self._resting(now_ns, measured)

    def slowing(self, now_ns: int, measured: Array | None, step_ns: int = 0) -> Profile | None:
        """To rest along the path; where the arm is measured when nothing was commanded.

        `step_ns` is how far the clock stepped since the path was commanded.
        """
        if self._commanded.known:
            try:
                return self._commanded.braking(now_ns, step_ns)
            except RuckigError:
                pass
        return None if measured is None else self._resting(now_ns, measured)

    def taking_over(self, now_ns: int, measured: Array) -> Profile | None:
        """Where to begin: None to go on from what was commanded, if the arm rests there.

        So too while it still comes to rest. Else at rest where it is measured: somebody moved it,
        or it was never commanded.
        """
        commanded = self._commanded
        if commanded.known:
            away = np.abs(commanded.setpoint(now_ns) - measured)[ARM].max()
            if commanded.moving(now_ns) or away <= _AT_REST_RAD:
                return None
        commanded.forget()
        return self._resting(now_ns, measured)

    def astray(self, now_ns: int, measured: Array | None) -> Refusal | None:
        """Why not to begin yet: the command still comes to rest, and the arm is elsewhere."""
        commanded = self._commanded
        if measured is None or not commanded.moving(now_ns):
            return None
        way = np.array([commanded.setpoint(t)[ARM] for t in (now_ns - LAG_NS, now_ns)])
        away = away_rad(way, measured[ARM]).max()
        if away <= self._tracking_rad:
            return None
        words = (
            f"the arm is {away:.3f} rad from where it is to come to rest; try again in a second"
        )
        return Refusal(Reason.TRACKING_ERROR, words)

    def _resting(self, now_ns: int, measured: Array) -> Profile:
        """At rest where the arm is measured to be, there as fast as the limits of speed allow.

        The gripper keeps its last command.
        """
        knot = switch_knot(now_ns + _TO_TURN_NS)
        rest = self._within(measured)
        if self._commanded.grip_m is not None:
            rest[-1] = self._commanded.grip_m
        if not self._commanded.known:
            return Profile.at_rest(knot, rest)
        heard_ns = now_ns + LEAD_NS
        begin = self._commanded.setpoint(heard_ns)
        lead_s = (knot * STEP_NS - heard_ns) * 1e-9
        speed = np.where(ARM, _SHARE_OF_SPEED * self._limits.speed, np.inf)
        needed_s = float((np.abs(rest - begin) / speed).max())
        n = max(0, math.ceil((needed_s - lead_s) / STEP_S))
        reach = speed * (lead_s + STEP_S * np.arange(n + 1))[:, None]
        positions = begin + np.clip(rest - begin, -reach, reach)
        rates = np.zeros_like(positions)
        rates[:-1] = np.where(positions[:-1] == rest, 0.0, np.diff(positions, axis=0) / STEP_S)
        rates[:, ~ARM] = 0.0
        return Profile(knot, positions, rates, np.zeros_like(positions), at_once=True)

    def _within(self, measured: Array) -> Array:
        return np.clip(measured, self._limits.lower, self._limits.upper)
