"""The gate: the one object between any proposer of motion and the arm. ROS-free, one thread.

It owns the state machine, what was measured last, and the motion under way. Time comes in with
every call, in integer nanoseconds of the clock that stamps the messages. A call that makes the
gate hold or stop leaves a motion behind: send what `pop_reaction` returns to the arm after every
call.
"""

import math

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory

from sensorium_control.commanded import CommandedMotion
from sensorium_control.judge import Judge, Situation
from sensorium_control.limits import GateConfig
from sensorium_control.profile import Profile
from sensorium_control.reactions import Reactions
from sensorium_control.reasons import Decision, GateState, GateStatus, Reason, Refusal
from sensorium_control.vigil import Graph, Vigil

Array = NDArray[np.float64]
_NS = 1_000_000_000
_LIVE = (GateState.ARMED, GateState.HOLDING)
_UNTIL_PROPOSED = (Reason.COMMAND_SILENT, Reason.PROPOSER_SILENT)
"""Holds that the next good proposal ends."""


class Gate:
    """Passes trajectories that are safe, refuses the others with a reason, holds or stops the arm.

    `disarmed -> armed -> holding (recoverable) -> stopped (latched until `arm`)`. What passes is
    sent as a dense motion that keeps the limits of speed, acceleration and jerk and takes over
    from the motion under way without a step.
    """

    def __init__(self, config: GateConfig, urdf_xml: str) -> None:
        self.config = config
        self._judge = Judge(config, urdf_xml)
        self._vigil = Vigil(config)
        self._commanded = CommandedMotion(self._judge.limits)
        self._reactions = Reactions(config, self._judge.limits, self._commanded)
        self._measured: Array | None = None
        self._last_stamp_ns: int | None = None
        self._accepted_ns = 0
        self._now_ns: int | None = None
        self._well_since_ns: int | None = None
        self._state = GateState.DISARMED
        self._cause = Refusal(Reason.NOT_ARMED, "not armed yet; call gate/arm")
        self._reaction: Trajectory | None = None
        self._accepted = self._refused = self._dropped = 0
        self._last_refusal: Refusal | None = None

    @property
    def state(self) -> GateState:
        """The present state, as of the last call."""
        return self._state

    @property
    def cause(self) -> Refusal:
        """Why the gate is in this state."""
        return self._cause

    def setpoint(self, t_ns: int) -> Array | None:
        """Commanded joints `(7,)` at a time; None before the first motion."""
        return self._commanded.setpoint(t_ns) if self._commanded.known else None

    def arm(self, now_ns: int) -> Decision:
        """Let motion pass from now on; also clears a stop.

        Refused while there is a cause to stop, such as no fresh joint states, or to hold.
        """
        cause = self._vigil.cause_to_stop(now_ns) or self._vigil.cause_to_hold(now_ns)
        cause = cause or self._reactions.astray(now_ns, self._measured)
        if cause is not None or self._measured is None:
            never = Refusal(Reason.JOINTS_SILENT, "the joints were never measured")
            return Decision(False, *(cause or never))
        if self._state is GateState.ARMED:
            return Decision(True, Reason.OK, "already armed")
        self._enter(GateState.ARMED, Refusal(Reason.OK, "armed"))
        self._vigil.begin(now_ns)
        self._last_stamp_ns = self._reaction = None
        self._send(self._reactions.taking_over(now_ns, self._measured), now_ns)
        self._now_ns = self._accepted_ns = now_ns
        return Decision(True, Reason.OK, "armed")

    def disarm(self, now_ns: int) -> None:
        """Slow down and hold the arm, let nothing pass until `arm`; a stop stays a stop."""
        if self._state in _LIVE:
            self._send(self._reactions.slowing(now_ns, self._measured), now_ns)
            self._enter(GateState.DISARMED, Refusal(Reason.NOT_ARMED, "disarmed; call gate/arm"))

    def stop(self, now_ns: int, reason: Reason, detail: str) -> None:
        """Bring the arm to rest and latch until `arm`.

        For force at once where it was just measured to be, or back along the path if configured;
        where it is not on its path, to where it is; otherwise slowing down along the path.
        """
        if self._state is not GateState.STOPPED:
            age_s = self._vigil.joints.age_s(now_ns)
            self._send(self._reactions.stopping(now_ns, self._measured, reason, age_s), now_ns)
            self._enter(GateState.STOPPED, Refusal(reason, detail))

    def propose(self, trajectory: Trajectory, now_ns: int) -> Decision:
        """Judge one trajectory; send `Decision.trajectory` to the arm when accepted.

        A refusal changes nothing: the motion under way goes on.
        """
        refusal = self._refusal_by_state(now_ns)
        if refusal is None:
            situation = Situation(now_ns, self._measured, self._commanded, self._last_stamp_ns)
            verdict = self._judge.judge(trajectory, situation)
            if isinstance(verdict, Profile):
                return self._accept(verdict, trajectory.stamp_ns, now_ns)
            refusal = verdict
        return self._refuse(refusal)

    def refuse_malformed(self, detail: str) -> Decision:
        """Count a message that could not even become a trajectory."""
        return self._refuse(Refusal(Reason.MALFORMED, detail))

    def observe_joints(
        self, stamp_ns: int, positions: Array, velocities: Array, now_ns: int | None = None
    ) -> None:
        """Measured joints `(7,)` in `JOINTS` order [rad, m; per second].

        `now_ns` is the time of reception; the stamp when left out. Values that are not finite are
        dropped, so that the silence watch trips.
        """
        shaped = positions.shape == velocities.shape == (len(JOINTS),)
        values = positions.tolist() + velocities.tolist() if shaped else [math.nan]
        now = stamp_ns if now_ns is None else now_ns
        if not (_finite(values) and self._vigil.joints.observe(stamp_ns, now, values)):
            self._dropped += 1
            return
        self._measured = np.array(positions, dtype=np.float64)

    def observe_wrench(self, stamp_ns: int, wrench: Array, now_ns: int | None = None) -> None:
        """Force and torque on the tool `(6,)` [N, Nm]; too large a one stops an armed arm."""
        now = stamp_ns if now_ns is None else now_ns
        values = wrench.tolist()
        if wrench.shape != (6,) or not _finite(values):
            self._dropped += 1
            return
        self.observe_sense("wrench", stamp_ns, now, values)
        cause = self._vigil.force.feel(stamp_ns, values)
        if cause is not None and self._state in _LIVE:
            self.stop(now, *cause)

    def observe_sense(
        self,
        name: str,
        stamp_ns: int,
        now_ns: int | None = None,
        values: list[float] | None = None,
    ) -> None:
        """Note that a sense delivered; names that are not required are ignored.

        `values` are compared with those before, to tell a sense that repeats itself.
        """
        watch = self._vigil.senses.get(name)
        now = stamp_ns if now_ns is None else now_ns
        if watch is not None and not watch.observe(stamp_ns, now, values):
            self._dropped += 1

    def observe_graph(self, proposers: int, commanders: int, controllers: int) -> None:
        """Tell how many publish proposals and commands, and how many controllers listen."""
        self._vigil.observe_graph(Graph(proposers, commanders, controllers))

    def observe_heartbeat(self, now_ns: int) -> None:
        """Note that the proposer lives."""
        self._vigil.beat(now_ns)

    def drop_measurement(self) -> None:
        """Count a message that could not be read."""
        self._dropped += 1

    def tick(self, now_ns: int, steady_ns: int | None = None) -> GateState:
        """Look at the clocks, at what is silent and at the arm; call it at least every 10 ms.

        `steady_ns` is the monotonic clock of this host; None where `now_ns` is the only clock.
        """
        clock = self._vigil.tick(now_ns, steady_ns)
        if clock is not None:
            self._stop_at_new_time(now_ns, clock)
            return self._state
        self._now_ns = now_ns
        if self._state in _LIVE:
            cause = self._vigil.cause_to_stop(now_ns) or self._not_following(now_ns)
            if cause is not None:
                self.stop(now_ns, *cause)
            else:
                self._hold_or_resume(now_ns)
        return self._state

    def pop_reaction(self) -> Trajectory | None:
        """The motion that the last calls brought about, once; None when there is none to send."""
        reaction, self._reaction = self._reaction, None
        return reaction

    def status(self, now_ns: int) -> GateStatus:
        """A snapshot for people."""
        return GateStatus(
            state=self._state,
            reason=self._cause.reason,
            detail=self._cause.detail,
            accepted=self._accepted,
            refused=self._refused,
            dropped=self._dropped,
            last_refusal=self._last_refusal,
            force_n=self._vigil.force.force_n,
            ages_s=self._vigil.ages_s(now_ns),
        )

    def _refusal_by_state(self, now_ns: int) -> Refusal | None:
        if self._state is GateState.ARMED or self._cause.reason in _UNTIL_PROPOSED:
            return self._vigil.cause_to_stop(now_ns) or self._vigil.cause_to_hold(now_ns)
        reason = {
            GateState.DISARMED: Reason.NOT_ARMED,
            GateState.HOLDING: Reason.HOLDING,
            GateState.STOPPED: Reason.STOPPED,
        }[self._state]
        return Refusal(reason, f"{self._cause.reason.value}: {self._cause.detail}")

    def _accept(self, profile: Profile, stamp_ns: int, now_ns: int) -> Decision:
        self._commanded.take(profile)
        self._last_stamp_ns, self._accepted_ns = stamp_ns, now_ns
        self._accepted += 1
        self._reaction = None
        if self._state is GateState.HOLDING:
            self._enter(GateState.ARMED, Refusal(Reason.OK, "armed"))
        return Decision(True, Reason.OK, "accepted", self._commanded.sent(now_ns))

    def _refuse(self, refusal: Refusal) -> Decision:
        self._refused += 1
        self._last_refusal = refusal
        return Decision(False, refusal.reason, refusal.detail)

    def _hold_or_resume(self, now_ns: int) -> None:
        cause = self._vigil.cause_to_hold(now_ns)
        if cause is not None:
            self._well_since_ns = None
            if self._state is GateState.ARMED:
                self._begin_hold(now_ns, cause)
            elif self._cause.reason in _UNTIL_PROPOSED:
                self._enter(GateState.HOLDING, cause)
        elif self._state is GateState.ARMED:
            moving = self._commanded.moving(now_ns)
            gone = self._vigil.proposer_gone(now_ns, self._accepted_ns) if moving else None
            if gone is not None:
                self._begin_hold(now_ns, gone)
        elif self._cause.reason not in _UNTIL_PROPOSED:
            self._resume_when_well(now_ns)

    def _resume_when_well(self, now_ns: int) -> None:
        if self._well_since_ns is None:
            self._well_since_ns = now_ns
        if (now_ns - self._well_since_ns) / _NS >= self.config.resume_s:
            words = f"armed; {self._cause.reason.value} is over"
            self._enter(GateState.ARMED, Refusal(Reason.OK, words))

    def _begin_hold(self, now_ns: int, cause: Refusal) -> None:
        self._well_since_ns = None
        self._send(self._reactions.slowing(now_ns, self._measured), now_ns)
        self._enter(GateState.HOLDING, cause)

    def _not_following(self, now_ns: int) -> Refusal | None:
        if self._measured is None or not self._commanded.known:
            return None
        setpoint = self._commanded.setpoint
        return self._vigil.cause_of_not_following(self._measured, setpoint, now_ns)

    def _stop_at_new_time(self, now_ns: int, cause: Refusal) -> None:
        """The motion under way moves with the clock and slows down, in every state: what is on its
        way with a stamp of the old time may be far ahead now.
        """
        self._now_ns = now_ns
        commanded, step_ns = self._commanded, self._vigil.clock_step_ns
        slowing = self._reactions.slowing(now_ns, self._measured, step_ns)
        if slowing is None or not (commanded.known or self._state in _LIVE):
            commanded.forget()
        else:
            self._reaction = commanded.renewed(slowing, now_ns, step_ns)
        if self._state in _LIVE:
            self._enter(GateState.STOPPED, cause)

    def _send(self, profile: Profile | None, now_ns: int) -> None:
        if profile is not None:
            self._commanded.take(profile)
            self._reaction = self._commanded.sent(now_ns)

    def _enter(self, state: GateState, cause: Refusal) -> None:
        self._state, self._cause = state, cause


def _finite(values: list[float]) -> bool:
    """Whether all are finite: one NaN or infinity spoils the sum. On lists, faster than numpy."""
    return math.isfinite(sum(values))
