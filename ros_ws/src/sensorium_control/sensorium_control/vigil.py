"""All that the gate keeps an eye on besides what is proposed, and what each trouble asks for.

Senses, joints, clocks, the proposer's heartbeat, the force on the tool, the arm's following, and
who else is on the gate's topics. Decides nothing: the gate asks for causes to stop and to hold.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sensorium_control.clock import ClockWatch
from sensorium_control.following import FollowingWatch, frozen_joints
from sensorium_control.force import ForceWatch
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import Reason, Refusal
from sensorium_control.watches import Watch

Array = NDArray[np.float64]
_NS = 1_000_000_000


class Graph(NamedTuple):
    """Who is on the gate's topics."""

    proposers: int
    """Publishers on `command/joint_trajectory`."""
    commanders: int
    """Publishers on the busier of the commanded topics, the gate itself included."""
    controllers: int
    """Subscribers on `arm_controller/joint_trajectory` that count as the arm."""


class Vigil:
    """Watches; one thread. Times in nanoseconds as in `Gate`."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        rates, share = config.sense_rates_hz, config.min_rate_share

        def watch(name: str, max_age_s: float) -> Watch:
            least_hz = share * rates.get(name, 0.0)
            return Watch(name, max_age_s, config.max_future_s, least_hz, config.frozen_s)

        self.joints = watch("joints", config.joints_timeout_s)
        self.senses = {n: watch(n, age) for n, age in config.required_senses.items()}
        self.force = ForceWatch(config)
        self._heartbeat = Watch("heartbeat", config.heartbeat_timeout_s, config.max_future_s)
        self._following = FollowingWatch(config)
        self._clock = ClockWatch(config.clock_step_s, config.max_future_s)
        self._graph: Graph | None = None

    def tick(self, now_ns: int, steady_ns: int | None) -> Refusal | None:
        """Look at the clocks; why they cannot be trusted, or None."""
        trouble = self._clock.tick(now_ns, steady_ns)
        watches = (self.joints, self._heartbeat, *self.senses.values())
        for watch in watches:
            if trouble is not None:
                watch.forget()
            elif steady_ns is not None:
                if self._clock.slept:
                    watch.restart_count()
                watch.tick(steady_ns)
        return trouble

    @property
    def clock_step_ns(self) -> int:
        """How far ROS time stepped before the last tick."""
        return self._clock.step_ns

    def observe_graph(self, graph: Graph) -> None:
        """Note who is on the gate's topics."""
        self._graph = graph

    def beat(self, now_ns: int) -> None:
        """Note a heartbeat of the proposer."""
        self._heartbeat.observe(now_ns, now_ns)

    def begin(self, now_ns: int) -> None:
        """The gate is being armed: the arm is expected to follow, old forces are forgotten."""
        self._clock.start(now_ns)
        self._following.forget()
        self.force.forget()

    def cause_to_stop(self, now_ns: int) -> Refusal | None:
        """Why an armed arm must stop, and an unarmed one must not be armed."""
        graph = self._graph
        if graph is not None and graph.controllers == 0:
            detail = "no controller listens to arm_controller/joint_trajectory"
            return Refusal(Reason.CONTROLLER_GONE, detail)
        if graph is not None and graph.commanders > 1:
            detail = f"{graph.commanders} publishers command the arm; the gate alone may"
            return Refusal(Reason.SECOND_COMMANDER, detail)
        if not self._clock.late and not self.joints.fresh(now_ns):
            return Refusal(Reason.JOINTS_SILENT, f"no {self.joints.silence(now_ns)}")
        return None

    def cause_of_not_following(
        self, measured: Array, setpoint: Callable[[int], Array], now_ns: int
    ) -> Refusal | None:
        """Why to stop an arm that does not do what it was told; None while it does."""
        refusal = self._following.look(measured, setpoint, now_ns)
        if refusal is None and self.joints.frozen:
            return frozen_joints(self.joints.changed_ns, setpoint, now_ns)
        return refusal

    def cause_to_hold(self, now_ns: int) -> Refusal | None:
        """Why the arm must hold until this is over; None when nothing is amiss."""
        if self._clock.late:
            return None
        senses = self.senses.values()
        silent = [w.silence(now_ns) for w in senses if not w.fresh(now_ns)]
        if silent:
            return Refusal(Reason.SENSE_SILENT, f"no {', '.join(silent)}")
        frozen = [w.name for w in senses if w.frozen]
        if frozen:
            since = f"for {self._config.frozen_s:g} s with new stamps"
            return Refusal(Reason.SENSE_FROZEN, f"{', '.join(frozen)}: the same values {since}")
        slow = [w for w in (self.joints, *senses) if w.slow]
        if slow:
            words = [f"{w.name} at {w.rate_hz:.0f} Hz; at least {w.least_hz:.0f}" for w in slow]
            return Refusal(Reason.SENSE_SLOW, ", ".join(words))
        if self._graph is not None and self._graph.proposers > 1:
            count = self._graph.proposers
            detail = f"{count} publishers on command/joint_trajectory; one may propose"
            return Refusal(Reason.SECOND_PROPOSER, detail)
        return None

    def proposer_gone(self, now_ns: int, accepted_ns: int) -> Refusal | None:
        """Why nobody steers an arm that moves: no heart beats, or nothing new was accepted.

        A proposer that never beat is not asked to; after it is gone, neither is the next.
        """
        beat, limit_s = self._heartbeat, self._config.heartbeat_timeout_s
        age_s = beat.age_s(now_ns)
        if limit_s > 0 and np.isfinite(age_s) and not self._clock.late and not beat.fresh(now_ns):
            beat.forget()
            detail = f"no command/heartbeat for {age_s:.3f} s; at most {limit_s:g} s"
            return Refusal(Reason.PROPOSER_SILENT, detail)
        timeout_s = self._config.command_timeout_s
        if (now_ns - accepted_ns) / _NS > timeout_s > 0:
            return Refusal(Reason.COMMAND_SILENT, f"no command for {timeout_s:g} s")
        return None

    def ages_s(self, now_ns: int) -> tuple[tuple[str, float], ...]:
        """Name and age of the joints and each required sense."""
        return tuple((w.name, w.age_s(now_ns)) for w in (self.joints, *self.senses.values()))
