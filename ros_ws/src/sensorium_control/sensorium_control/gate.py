"""The gate: the one object between any proposer of motion and the arm. ROS-free, one thread.

It owns the state machine, what was measured last, and the last trajectory that passed. Time comes
in with every call, in integer nanoseconds of the clock that stamps the messages. A call that makes
the gate hold or stop leaves a hold trajectory behind: send what `pop_reaction` returns to the arm
after every call.
"""

import math

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory

from sensorium_control.force import ForceFilter
from sensorium_control.judge import Judge, Situation
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import Decision, GateState, GateStatus, Reason, Refusal
from sensorium_control.watches import SenseWatches, Watch

Array = NDArray[np.float64]
_NS = 1_000_000_000
_HOLD_REACHED_S = 0.05


class Gate:
    """Passes trajectories that are safe, refuses the others with a reason, holds or stops the arm.

    `disarmed -> armed -> holding (recoverable) -> stopped (latched until `arm`)`.
    """

    def __init__(self, config: GateConfig, urdf_xml: str) -> None:
        self.config = config
        self._judge = Judge(config, urdf_xml)
        self._joints = Watch("joints", config.joints_timeout_s, config.max_future_s)
        self._senses = SenseWatches(config.required_senses, config.max_future_s)
        self._measured: Array | None = None
        self._last_good: Trajectory | None = None
        self._last_stamp_ns: int | None = None
        self._grip_m: float | None = None
        self._accepted_ns = 0
        self._now_ns: int | None = None
        self._state = GateState.DISARMED
        self._cause = Refusal(Reason.NOT_ARMED, "not armed yet; call gate/arm")
        self._reaction: Trajectory | None = None
        self._force = ForceFilter(config.force_filter_s)
        self._force_n = 0.0
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

    @property
    def last_good(self) -> Trajectory | None:
        """The last trajectory sent to the arm, a hold included; None before the first."""
        return self._last_good

    def arm(self, now_ns: int) -> Decision:
        """Let motion pass from now on; also clears a stop. Refused without fresh joint states."""
        if not self._joints.fresh(now_ns):
            silence = self._joints_silent(now_ns)
            return Decision(False, silence.reason, silence.detail)
        if self._state is GateState.ARMED:
            return Decision(True, Reason.OK, "already armed")
        self._enter(GateState.ARMED, Refusal(Reason.OK, "armed"))
        self._last_good = self._reaction = None
        self._last_stamp_ns = None
        self._now_ns = now_ns
        return Decision(True, Reason.OK, "armed")

    def disarm(self, now_ns: int) -> None:
        """Hold the arm and let nothing pass until `arm`; a stop stays a stop."""
        if self._state in (GateState.ARMED, GateState.HOLDING):
            self._reaction = self._hold(now_ns, self._setpoint(now_ns))
            self._enter(GateState.DISARMED, Refusal(Reason.NOT_ARMED, "disarmed; call gate/arm"))

    def stop(self, now_ns: int, reason: Reason, detail: str) -> None:
        """Hold the arm where it is measured to be, and latch until `arm`."""
        if self._state is not GateState.STOPPED:
            self._reaction = self.hold_trajectory(now_ns)
            self._enter(GateState.STOPPED, Refusal(reason, detail))

    def propose(self, trajectory: Trajectory, now_ns: int) -> Decision:
        """Judge one trajectory; send `Decision.trajectory` to the arm when accepted.

        A refusal changes nothing: the last good trajectory goes on.
        """
        self.tick(now_ns)
        situation = Situation(now_ns, self._measured, self._last_good, self._last_stamp_ns)
        refusal = self._refusal_by_state() or self._judge.check(trajectory, situation)
        if refusal is not None:
            return self._refuse(refusal)
        ordered = trajectory.select(JOINTS)
        self._last_good, self._last_stamp_ns = ordered, ordered.stamp_ns
        self._accepted_ns = now_ns
        self._accepted += 1
        self._reaction = None
        if self._state is GateState.HOLDING:
            self._enter(GateState.ARMED, Refusal(Reason.OK, "armed"))
        return Decision(True, Reason.OK, "accepted", ordered)

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
        finite = shaped and _finite(positions.tolist() + velocities.tolist())
        if not (finite and self._joints.observe(stamp_ns, _or(now_ns, stamp_ns))):
            self._dropped += 1
            return
        self._measured = np.array(positions, dtype=np.float64)

    def observe_wrench(self, stamp_ns: int, wrench: Array, now_ns: int | None = None) -> None:
        """Force and torque on the tool `(6,)` [N, Nm]; too large a one stops an armed arm."""
        now = _or(now_ns, stamp_ns)
        values = wrench.tolist()
        if wrench.shape != (6,) or not _finite(values):
            self._dropped += 1
            return
        self.observe_sense("wrench", stamp_ns, now)
        self._force_n, torque_nm = self._force.push(stamp_ns, values)
        if self._state not in (GateState.ARMED, GateState.HOLDING):
            return
        if not self._force_n <= self.config.force_limit_n:
            limit = self.config.force_limit_n
            self.stop(now, Reason.FORCE_LIMIT, f"{self._force_n:.1f} N; at most {limit:g} N")
        elif not torque_nm <= self.config.torque_limit_nm:
            limit = self.config.torque_limit_nm
            self.stop(now, Reason.TORQUE_LIMIT, f"{torque_nm:.1f} Nm; at most {limit:g} Nm")

    def observe_sense(self, name: str, stamp_ns: int, now_ns: int | None = None) -> None:
        """Note that a sense delivered; names that are not required are ignored."""
        if not self._senses.observe(name, stamp_ns, _or(now_ns, stamp_ns)):
            self._dropped += 1

    def drop_measurement(self) -> None:
        """Count a message that could not be read."""
        self._dropped += 1

    def tick(self, now_ns: int) -> GateState:
        """Look at the clock and at what is silent; call it often, and at least every 20 ms."""
        if self._clock_ran_backward(now_ns):
            return self._state
        self._now_ns = now_ns
        if self._state in (GateState.ARMED, GateState.HOLDING):
            if not self._joints.fresh(now_ns):
                self.stop(now_ns, *self._joints_silent(now_ns))
            else:
                self._watch_senses(now_ns)
        return self._state

    def pop_reaction(self) -> Trajectory | None:
        """The hold that the last calls brought about, once; None when there is nothing to send."""
        reaction, self._reaction = self._reaction, None
        return reaction

    def hold_trajectory(self, now_ns: int) -> Trajectory | None:
        """Rest where the arm is measured to be, gripper as commanded; None if never measured."""
        return None if self._measured is None else self._hold(now_ns, self._measured)

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
            force_n=self._force_n,
            ages_s=(("joints", self._joints.age_s(now_ns)), *self._senses.ages_s(now_ns)),
        )

    def _refusal_by_state(self) -> Refusal | None:
        if self._state is GateState.ARMED or self._cause.reason is Reason.COMMAND_SILENT:
            return None
        reason = {
            GateState.DISARMED: Reason.NOT_ARMED,
            GateState.HOLDING: Reason.HOLDING,
            GateState.STOPPED: Reason.STOPPED,
        }[self._state]
        return Refusal(reason, f"{self._cause.reason.value}: {self._cause.detail}")

    def _refuse(self, refusal: Refusal) -> Decision:
        self._refused += 1
        self._last_refusal = refusal
        return Decision(False, refusal.reason, refusal.detail)

    def _watch_senses(self, now_ns: int) -> None:
        waiting = self._cause.reason is Reason.SENSE_SILENT
        silence = self._senses.silence(now_ns)
        if silence:
            if not waiting:
                self._begin_hold(now_ns, Reason.SENSE_SILENT, f"no {silence}")
        elif waiting:
            if self._senses.fresh_for_s(now_ns) >= self.config.resume_s:
                self._enter(GateState.ARMED, Refusal(Reason.OK, "armed; every sense is back"))
        elif self._command_is_silent(now_ns):
            timeout_s = self.config.command_timeout_s
            self._begin_hold(now_ns, Reason.COMMAND_SILENT, f"no command for {timeout_s} s")

    def _command_is_silent(self, now_ns: int) -> bool:
        """Whether an armed arm still moves along a trajectory that nobody renews."""
        moving = self._last_good is not None and self._last_good.end_ns > now_ns
        timeout_s = self.config.command_timeout_s
        silent = (now_ns - self._accepted_ns) / _NS > timeout_s > 0
        return self._state is GateState.ARMED and moving and silent

    def _clock_ran_backward(self, now_ns: int) -> bool:
        if self._now_ns is None:
            return False
        back_s = (self._now_ns - now_ns) / _NS
        if not back_s > self.config.max_future_s:
            return False
        self._now_ns = now_ns
        self._joints.forget()
        self._senses.forget()
        if self._state in (GateState.ARMED, GateState.HOLDING):
            self.stop(now_ns, Reason.CLOCK_BACKWARD, f"the clock went back by {back_s:.3f} s")
        return True

    def _begin_hold(self, now_ns: int, reason: Reason, detail: str) -> None:
        self._reaction = self._hold(now_ns, self._setpoint(now_ns))
        self._enter(GateState.HOLDING, Refusal(reason, detail))

    def _setpoint(self, now_ns: int) -> Array | None:
        """Where the arm is commanded to be: holding there adds no step to the command."""
        return self._measured if self._last_good is None else self._last_good.sample(now_ns)

    def _hold(self, now_ns: int, positions: Array | None) -> Trajectory | None:
        """One waypoint; the gripper keeps its last command, so that a held object stays held."""
        if positions is None:
            return None
        rest = np.clip(positions, self._judge.limits.lower, self._judge.limits.upper)
        if self._last_good is not None:
            self._grip_m = float(self._last_good.sample(now_ns)[-1])
        if self._grip_m is not None:
            rest[-1] = self._grip_m
        hold = Trajectory(
            now_ns, JOINTS, np.array([_HOLD_REACHED_S]), rest[None], np.zeros((1, len(JOINTS)))
        )
        self._last_good = hold
        return hold

    def _enter(self, state: GateState, cause: Refusal) -> None:
        self._state, self._cause = state, cause

    def _joints_silent(self, now_ns: int) -> Refusal:
        age_s, limit_s = self._joints.age_s(now_ns), self.config.joints_timeout_s
        detail = f"joint_states are {age_s:.2f} s old; at most {limit_s} s"
        return Refusal(Reason.JOINTS_SILENT, detail)


def _finite(values: list[float]) -> bool:
    """Whether all are finite: one NaN or infinity spoils the sum. On lists, faster than numpy."""
    return math.isfinite(sum(values))


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
