"""The motion that the arm was told: what is under way, what was, and how it may go on.

Makes candidates; only `take` changes what is commanded. One thread.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.trajectory import Trajectory

from sensorium_control.follower import Follower, State
from sensorium_control.limits import JointLimits
from sensorium_control.motion import wanted_at
from sensorium_control.profile import N_ARM, STEP_NS, STEP_S, Profile

Array = NDArray[np.float64]
LEAD_NS = 5_000_000
"""A new motion takes over no sooner than this: so long may it travel to the arm."""
_KEEP_NS = 3_000_000_000
_APART_NS = 1_000_000
"""Waypoints of two grids are at least so far apart."""
_SHORTEST_BRAKE_S = 0.06


class CommandedMotion:
    """Profiles sent to the arm, the newest last, each in force from its first knot on."""

    def __init__(self, limits: JointLimits) -> None:
        self._limits = limits
        self._follower = Follower(limits)
        self._sent: list[Profile] = []
        self.grip_m: float | None = None
        """Last commanded opening of the gripper; stays when the motion is forgotten."""

    @property
    def known(self) -> bool:
        """Whether anything was ever commanded."""
        return bool(self._sent)

    @property
    def newest(self) -> Profile:
        """What was sent last. Only when `known`."""
        return self._sent[-1]

    def forget(self) -> None:
        """Nothing is commanded."""
        self._sent.clear()

    def take(self, profile: Profile) -> None:
        """This was sent to the arm."""
        cut = profile.start_ns - _KEEP_NS
        kept = [p for p in self._sent if p.first < profile.first and p.end_ns > cut]
        self._sent = [*kept, profile]
        self.grip_m = float(profile.positions[-1, N_ARM])

    def sent(self, now_ns: int) -> Trajectory:
        """What to send for the newest motion, with what is still to come of the one before.

        A controller goes straight to the first waypoint ahead: were that further than the next
        knot of the motion before, it would cut the corner. Only when `known`.
        """
        profile = self.newest
        soonest = max(now_ns // STEP_NS + 1, self._sent[0].first)
        between = [] if profile.at_once else range(soonest, profile.first)
        return profile.after([self.state(k) for k in between]).trajectory()

    def renewed(self, profile: Profile, now_ns: int, step_ns: int) -> Trajectory:
        """What to send when the clock stepped, with what is still to come of the motion before.

        Of the motion before only that is kept, at the times that its knots have now: they are
        off the grid of `profile`, which is all that is commanded from now on.
        """
        switch = _before(switch_knot(now_ns), step_ns)
        self._sent = [p for p in self._sent if p.first <= switch] or self._sent[:1]
        coming = []
        if self.known and not profile.at_once:
            soonest = (now_ns - step_ns) // STEP_NS + 1
            last_ns = profile.start_ns - step_ns - _APART_NS
            knots = range(soonest, last_ns // STEP_NS + 1)
            coming = [(k * STEP_NS + step_ns, self._coming(k, switch, profile)) for k in knots]
        self._sent.clear()
        self.take(profile)
        return _led_in(coming, profile.trajectory())

    def moving(self, t_ns: int) -> bool:
        """Whether the motion sent last is not at its end."""
        return self.known and len(self.newest.positions) > 1 and self.newest.end_ns > t_ns

    def setpoint(self, t_ns: int) -> Array:
        """Commanded positions `(7,)` at a time. Only when `known`."""
        return self._in_force(t_ns / STEP_NS).sample(t_ns)

    def state(self, k: int) -> State:
        """Position, velocity and acceleration at a knot. Only when `known`."""
        return self._in_force(k).knot(k)

    def following(self, proposal: Trajectory, k: int, start: State) -> tuple[Profile, Array]:
        """From `start` at knot `k` along a proposal, and how far it strays from it `(7,)`.

        The proposal is the path that a controller would execute: it begins at knot `k`.
        """
        n = max(1, math.ceil(float(proposal.times_s[-1]) / STEP_S - 1e-6))
        wanted = wanted_at(proposal, np.arange(1, n + 1, dtype=np.float64) * STEP_S)
        profile = self._follower.follow(k, start, wanted)
        strayed = np.abs(profile.positions[1 : n + 1] - wanted[0]).max(axis=0)
        return profile, strayed

    def braking(self, now_ns: int, step_ns: int = 0) -> Profile:
        """Slow down along the commanded path and rest on it. Only when `known`.

        Time along the path is stretched by a smooth step from 1 to 0. `step_ns` is how far the
        clock stepped since the path was commanded: by so much its knots are off the grid. A path
        that rests sooner than that is left to end: the cubics of a slower one, and from between
        two of its knots any to the grid, might swing past its end, and a joint's stop.
        """
        k = switch_knot(now_ns)
        at = _before(k, step_ns)
        path = self._in_force(at)
        since = at - path.first
        start = path.knot(k) if step_ns == 0 else path.moment(since)
        speed = np.abs(path.velocities[max(0, int(since)) :, :N_ARM]).max(initial=0.0)
        if speed == 0.0:
            return replace(Profile.at_rest(k, start[0]), at_once=False)
        acceleration, jerk = self._limits.acceleration[0], self._limits.jerk[0]
        brake_s = max(1.5 * speed / acceleration, math.sqrt(6.0 * speed / jerk), _SHORTEST_BRAKE_S)
        n = math.ceil(brake_s / STEP_S)
        last = len(path.positions) - 1
        if step_ns % STEP_NS == 0 and since + n / 2 >= last:
            return _left_to_end(path, max(0, round(since)), k, start)
        if step_ns % STEP_NS and since + n / 2 + 1 >= last:
            ended = -(-(path.end_ns + step_ns + _APART_NS) // STEP_NS)
            rest = _gripper_still(path.positions[-1:], start)[0]
            return replace(Profile.at_rest(ended, rest), at_once=False)
        u = np.arange(1, n + 1) / n
        elapsed = n * (u - u**3 + 0.5 * u**4)
        rate, slope = 1.0 - 3.0 * u**2 + 2.0 * u**3, (6.0 * u**2 - 6.0 * u) / (n * STEP_S)
        p, v, a = path.moments(since + elapsed)
        slowed = a * rate[:, None] ** 2 + v * slope[:, None]
        wanted = (_gripper_still(p, start), v * rate[:, None], slowed)
        return self._follower.follow(k, start, wanted)

    def going_to(self, now_ns: int, rest: Array) -> Profile:
        """From the motion under way to rest at `rest` `(7,)`, within every limit.

        As fast as the limits allow; the gripper stays. Only when `known`.
        """
        k = switch_knot(now_ns)
        start = self.state(k)
        still = np.zeros((1, len(rest)))
        wanted = (_gripper_still(rest[None], start), still, still)
        return self._follower.follow(k, start, wanted)

    def retreating(self, now_ns: int, measured: Array, seconds: float) -> Profile:
        """From the measured joints back along the path travelled in the last `seconds`.

        Starts at rest where the arm is measured to be, goes at half the speed, ends at rest.
        """
        k = switch_knot(now_ns)
        n = math.ceil(2.0 * seconds / STEP_S)
        back_ns = [now_ns - (i + 1) * STEP_NS // 2 for i in range(n)]
        path = np.array([self.setpoint(max(t, self._sent[0].start_ns)) for t in back_ns])
        path[:, N_ARM] = measured[N_ARM]
        speed = np.gradient(path, STEP_S, axis=0) if n > 1 else np.zeros_like(path)
        speed[-1] = 0.0
        start = (measured, np.zeros_like(measured), np.zeros_like(measured))
        return self._follower.follow(k, start, (path, speed, np.zeros_like(path)))

    def _coming(self, k: int, switch: float, then: Profile) -> State:
        """The state at a knot; beyond the `switch` the fingers stay as they will rest."""
        position, velocity, acceleration = self.state(k)
        if k > switch:
            position, velocity = position.copy(), velocity.copy()
            position[N_ARM], velocity[N_ARM] = then.positions[0, N_ARM], 0.0
        return position, velocity, acceleration

    def _in_force(self, k: float) -> Profile:
        """The profile that rules at a knot: the newest that has begun, else the oldest."""
        for profile in reversed(self._sent):
            if profile.first <= k:
                return profile
        return self._sent[0]


def switch_knot(now_ns: int) -> int:
    """The first knot at which something sent now can take over."""
    return -((-now_ns - LEAD_NS) // STEP_NS)


def _before(k: int, step_ns: int) -> float:
    """Where on the grid from before the clock stepped a knot of now lies, in knots."""
    return (k * STEP_NS - step_ns) / STEP_NS


def _led_in(before: list[tuple[int, State]], then: Trajectory) -> Trajectory:
    """A trajectory with earlier waypoints, at times of their own [ns]."""
    if not before:
        return then
    first_ns = before[0][0]
    times = [(t - first_ns) * 1e-9 for t, _ in before]
    later = then.times_s + (then.stamp_ns - first_ns) * 1e-9
    positions = np.vstack([*(state[0] for _, state in before), then.positions])
    assert then.velocities is not None
    velocities = np.vstack([*(state[1] for _, state in before), then.velocities])
    return Trajectory(
        first_ns, then.joint_names, np.concatenate([times, later]), positions, velocities
    )


def _left_to_end(path: Profile, since: int, k: int, start: State) -> Profile:
    """What is left of a path from one of its rows on, at knot `k`, with the fingers still."""
    velocities, accelerations = path.velocities[since:].copy(), path.accelerations[since:].copy()
    velocities[:, N_ARM] = accelerations[:, N_ARM] = 0.0
    return Profile(k, _gripper_still(path.positions[since:], start), velocities, accelerations)


def _gripper_still(positions: Array, start: State) -> Array:
    """The same path with the fingers where they are: a held object stays held."""
    still = positions.copy()
    still[:, N_ARM] = start[0][N_ARM]
    return still
