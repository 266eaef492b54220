"""Follows a wanted motion as closely as limits of speed, acceleration and jerk allow, by Ruckig.

From knot to knot Ruckig (Berscheid and Kröger, RSS 2021) computes the way from the present state
to the first wanted one that can be met in time. Where that is the next knot, the motion is what
was wanted; where it is later, the motion catches up on the way. Whatever is wanted, the outcome
keeps the limits. Joints are followed one by one.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from ruckig import InputParameter, Ruckig, RuckigError, Trajectory

from sensorium_control.limits import JointLimits
from sensorium_control.profile import N_ARM, STEP_S, Profile

Array = NDArray[np.float64]
State = tuple[Array, Array, Array]
"""Position, velocity and acceleration, `(7,)` each, or `(m, 7)` for a row of knots."""
Moment = tuple[float, float, float]
_INSIDE = 0.999
"""Wanted speeds and accelerations stay this far inside the limits: Ruckig refuses equality."""
_MOST_KNOTS = 100
"""Longest time to catch up or to stop."""


class Follower:
    """One for one thread. The gripper is passed on as it is: its own controller ramps it."""

    def __init__(self, limits: JointLimits) -> None:
        self._limits = limits
        self._speed = limits.speed[:N_ARM]
        self._acceleration = limits.acceleration[:N_ARM]
        self._jerk = limits.jerk[:N_ARM]
        self._solver, self._way = Ruckig(1), Trajectory(1)
        self._inputs = [InputParameter(1) for _ in range(N_ARM)]
        for j, given in enumerate(self._inputs):
            given.max_velocity = [self._speed[j]]
            given.max_acceleration = [self._acceleration[j]]
            given.max_jerk = [self._jerk[j]]

    def follow(self, first: int, start: State, wanted: State) -> Profile:
        """From `start` at knot `first` after the knots `wanted` `(m, 7)`, then to rest.

        Row `i` of `wanted` is for knot `first + 1 + i`; the motion comes to rest at its last
        position. Raises `ruckig.RuckigError` when the start is beyond what the limits can mend.
        """
        speeds, bends = self._reachable(wanted[1][:, :N_ARM], wanted[2][:, :N_ARM])
        arm = []
        for j in range(N_ARM):
            begin = (float(start[0][j]), float(start[1][j]), float(start[2][j]))
            goals = zip(
                wanted[0][:, j].tolist(), speeds[:, j].tolist(), bends[:, j].tolist(), strict=True
            )
            arm.append(self._follow_joint(self._inputs[j], begin, goals))
        return self._joined(first, arm, start, wanted)

    def _follow_joint(
        self, given: InputParameter, start: Moment, goals: Iterable[Moment]
    ) -> list[Moment]:
        """Moments of one joint at the knots from the start on, the last at rest."""
        ahead = list(goals)
        rest = (ahead[-1][0], 0.0, 0.0)
        moments = [start]
        while moments[-1] != rest or len(moments) <= len(ahead):
            state, done = moments[-1], len(moments) - 1
            given.current_position = [state[0]]
            given.current_velocity = [state[1]]
            given.current_acceleration = [state[2]]
            for knots in range(1, _MOST_KNOTS + 1):
                goal = ahead[done + knots - 1] if done + knots <= len(ahead) else rest
                if self._meets(given, goal, knots * STEP_S):
                    break
            else:
                raise RuckigError("cannot be caught up with in time")
            for k in range(1, knots):
                p, v, a = self._way.at_time(k * STEP_S)
                moments.append((p[0], v[0], a[0]))
            moments.append(goal)
        return moments

    def _meets(self, given: InputParameter, goal: Moment, within_s: float) -> bool:
        """Whether `goal` can be met in exactly this time; leaves the way there."""
        given.target_position = [goal[0]]
        given.target_velocity = [goal[1]]
        given.target_acceleration = [goal[2]]
        given.minimum_duration = within_s
        self._solver.calculate(given, self._way)
        return bool(self._way.duration <= within_s + 1e-9)

    def _reachable(self, speeds: Array, bends: Array) -> tuple[Array, Array]:
        """Wanted speeds and accelerations from which the speed limit can still be kept."""
        speeds = np.clip(speeds, -_INSIDE * self._speed, _INSIDE * self._speed)
        room = np.sqrt(2.0 * self._jerk * (self._speed - np.abs(speeds)))
        most = _INSIDE * np.minimum(self._acceleration, room)
        return speeds, np.clip(bends, -most, most)

    def _joined(self, first: int, arm: list[list[Moment]], start: State, wanted: State) -> Profile:
        """All joints: those that rest sooner wait for the others; the gripper as wanted."""
        n = max(map(len, arm))
        full = np.zeros((3, n, N_ARM + 1))
        for j, moments in enumerate(arm):
            full[:, : len(moments), j] = np.array(moments).T
            full[0, len(moments) :, j] = moments[-1][0]
        grip = np.append(start[0][N_ARM:], wanted[0][:, N_ARM])
        m = min(n, len(grip))
        full[0, :m, N_ARM], full[0, m:, N_ARM] = grip[:m], grip[-1]
        low, high = self._limits.lower[N_ARM], self._limits.upper[N_ARM]
        full[0, :, N_ARM] = np.clip(full[0, :, N_ARM], low, high)
        full[1, :, N_ARM] = monotone_rates(full[0, :, N_ARM])
        return Profile(first, *full)


def monotone_rates(values: Array) -> Array:
    """Rates `(n,)` with which a cubic through `(n,)` knots never overshoots.

    Harmonic means of the slopes beside each knot, zero at turns and ends (Fritsch and Butland,
    SIAM J. Sci. Stat. Comput. 1984).
    """
    slopes = np.diff(values) / STEP_S
    before, after = slopes[:-1], slopes[1:]
    product = before * after
    total = np.where(product > 0, before + after, 1.0)
    rates = np.zeros_like(values)
    rates[1:-1] = np.where(product > 0, 2.0 * product / total, 0.0)
    return rates
