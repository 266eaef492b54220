"""Executes joint trajectories the way ROS 2's joint_trajectory_controller does.

On receipt, each group of joints (arm, gripper) goes from its present setpoint to the first
waypoint still ahead, then along the rest, and holds the last one. The path is tabulated once, at
the simulation step, so that running it costs one table look-up a step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import TrajectoryError
from sensorium_core.trajectory import Trajectory

Array = NDArray[np.float64]


@dataclass
class _Plan:
    """Tabulated future of one group of joints; row `k` is due after `k` steps, row 0 is now."""

    positions: Array
    velocities: Array
    controls: Array
    cursor: int = 0


class TrajectoryController:
    """Setpoints of the joints, one for each step of `step_ns`.

    Args:
        joints: names, the gripper's last.
        step_ns: simulation step.
        lead_s: time `(n_joints,)` by which servos lag a moving setpoint; they are told the
            setpoint this far ahead, along its present rate.
    """

    def __init__(
        self, joints: tuple[str, ...], step_ns: int, lead_s: Array, max_horizon_s: float = 60.0
    ) -> None:
        self._joints = joints
        self._groups = (slice(0, len(joints) - 1), slice(len(joints) - 1, len(joints)))
        self._step_ns = step_ns
        self._lead_s = lead_s
        self._max_steps = round(max_horizon_s * 1e9 / step_ns)
        self.reset(np.zeros(len(joints)))

    def reset(self, setpoint: Array) -> None:
        """Holds `setpoint` and forgets every trajectory."""
        start = np.array(setpoint, dtype=float)
        self._plans = [
            _Plan(row := start[None, group], np.zeros_like(row), row) for group in self._groups
        ]

    @property
    def position(self) -> Array:
        """Present setpoint `(n_joints,)`, a copy."""
        return np.concatenate([plan.positions[plan.cursor] for plan in self._plans])

    @property
    def velocity(self) -> Array:
        """Rate of the setpoint `(n_joints,)`, a copy."""
        return np.concatenate([plan.velocities[plan.cursor] for plan in self._plans])

    def advance(self, controls: Array) -> None:
        """Moves one step on; writes what to tell the servos into `controls` `(n_joints,)`."""
        for plan, group in zip(self._plans, self._groups, strict=True):
            cursor = plan.cursor + 1
            if cursor < len(plan.controls):
                controls[group] = plan.controls[cursor]
                plan.cursor = cursor

    def command(self, trajectory: Trajectory, now_ns: int) -> bool:
        """Takes a trajectory; False when it holds nothing for the future, which changes nothing.

        Raises `TrajectoryError` when it is malformed, names a joint that is not ours, or names
        only some of the arm's joints.
        """
        trajectory.validate()
        start_ns = trajectory.stamp_ns or now_ns
        times = trajectory.times_s + (start_ns - now_ns) * 1e-9
        ahead = times > 1e-6
        if not ahead.any():
            return False
        plans = list(self._plans)
        for group in self._groups_of(trajectory):
            part = trajectory.select(self._joints[self._groups[group]])
            velocities = None if part.velocities is None else part.velocities[ahead]
            plans[group] = self._plan(group, times[ahead], part.positions[ahead], velocities)
        self._plans = plans
        return True

    def _groups_of(self, trajectory: Trajectory) -> list[int]:
        unknown = [n for n in trajectory.joint_names if n not in self._joints]
        if unknown:
            raise TrajectoryError(f"names the joints {unknown}", f"some of {self._joints}")
        named = set(trajectory.joint_names)
        members = [set(self._joints[group]) for group in self._groups]
        hit = [i for i, names in enumerate(members) if named & names]
        for i in hit:
            if not named >= members[i]:
                raise TrajectoryError(
                    f"names only {trajectory.joint_names}", "all joints of the arm, or none"
                )
        return hit

    def _plan(self, group: int, times: Array, positions: Array, velocities: Array | None) -> _Plan:
        """Tabulates every step from now to the last waypoint."""
        old = self._plans[group]
        step = self._step_ns * 1e-9
        n_steps = min(int(np.ceil(times[-1] / step - 1e-6)), self._max_steps)
        t = np.minimum(step * np.arange(n_steps + 1), times[-1])
        knots = np.concatenate([[0.0], times])
        values = np.vstack([old.positions[old.cursor], positions])
        if velocities is None:
            table, rates = _linear(t, knots, values)
        else:
            slopes = np.vstack([old.velocities[old.cursor], velocities])
            table, rates = _cubic(t, knots, values, slopes)
        rates[-1] = 0.0
        return _Plan(table, rates, table + self._lead_s[self._groups[group]] * rates)


def _segments(t: Array, knots: Array) -> tuple[NDArray[np.intp], Array, Array]:
    i = np.clip(np.searchsorted(knots, t, side="left") - 1, 0, len(knots) - 2)
    span = knots[i + 1] - knots[i]
    return i, span[:, None], ((t - knots[i]) / span)[:, None]


def _linear(t: Array, knots: Array, values: Array) -> tuple[Array, Array]:
    i, span, u = _segments(t, knots)
    delta = values[i + 1] - values[i]
    return values[i] + u * delta, delta / span


def _cubic(t: Array, knots: Array, values: Array, slopes: Array) -> tuple[Array, Array]:
    """Cubic Hermite spline and its derivative."""
    i, span, u = _segments(t, knots)
    p, q = values[i], values[i + 1]
    dp, dq = slopes[i] * span, slopes[i + 1] * span
    u2, u3 = u * u, u * u * u
    table = (2 * u3 - 3 * u2 + 1) * p + (u3 - 2 * u2 + u) * dp
    table += (3 * u2 - 2 * u3) * q + (u3 - u2) * dq
    rates = (6 * u2 - 6 * u) * (p - q) + (3 * u2 - 4 * u + 1) * dp + (3 * u2 - 2 * u) * dq
    return table, rates / span
