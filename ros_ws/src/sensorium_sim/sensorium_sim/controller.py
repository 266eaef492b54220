"""Executes joint trajectories the way ROS 2's joint_trajectory_controller does.

On receipt, each group of joints (arm, gripper) goes from its present setpoint to the first
waypoint still ahead, then along the rest, and holds the last one. The path is tabulated once, at
the simulation step, so that running it costs one table look-up a step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import TrajectoryError
from sensorium_core.trajectory import Trajectory

Array = NDArray[np.float64]
_EMPTY = np.zeros((0, 7))


class TrajectoryController:
    """Setpoints `(7,)` of the joints, one for each step of `step_ns`."""

    def __init__(self, joints: tuple[str, ...], step_ns: int, max_horizon_s: float = 60.0) -> None:
        self._joints = joints
        self._groups = (tuple(range(len(joints) - 1)), (len(joints) - 1,))
        self._step_ns = step_ns
        self._max_steps = round(max_horizon_s * 1e9 / step_ns)
        self.reset(np.zeros(len(joints)))

    def reset(self, setpoint: Array) -> None:
        """Holds `setpoint` and forgets every trajectory."""
        self._position = np.array(setpoint, dtype=float)
        self._velocity = np.zeros_like(self._position)
        self._tables: list[tuple[Array, Array]] = [(_EMPTY, _EMPTY)] * len(self._groups)
        self._cursor = [0] * len(self._groups)

    @property
    def position(self) -> Array:
        """Present setpoint `(7,)`, a copy."""
        return self._position.copy()

    @property
    def velocity(self) -> Array:
        """Rate of the setpoint `(7,)`, a copy."""
        return self._velocity.copy()

    def advance(self) -> tuple[Array, Array]:
        """Moves one step on; returns the setpoint and its rate `(7,)` as views."""
        for group, columns in enumerate(self._groups):
            positions, velocities = self._tables[group]
            cursor = self._cursor[group]
            if cursor < len(positions):
                lo, hi = columns[0], columns[-1] + 1
                self._position[lo:hi] = positions[cursor]
                self._velocity[lo:hi] = velocities[cursor]
                self._cursor[group] = cursor + 1
        return self._position, self._velocity

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
        groups = self._groups_of(trajectory)
        for group in groups:
            names = tuple(self._joints[i] for i in self._groups[group])
            part = trajectory.select(names)
            velocities = None if part.velocities is None else part.velocities[ahead]
            self._tables[group] = self._tabulate(
                group, times[ahead], part.positions[ahead], velocities
            )
            self._cursor[group] = 0
        return True

    def _groups_of(self, trajectory: Trajectory) -> list[int]:
        unknown = [n for n in trajectory.joint_names if n not in self._joints]
        if unknown:
            raise TrajectoryError(f"names the joints {unknown}", f"some of {self._joints}")
        named = {self._joints.index(n) for n in trajectory.joint_names}
        hit = [g for g, columns in enumerate(self._groups) if named & set(columns)]
        for group in hit:
            if not named >= set(self._groups[group]):
                raise TrajectoryError(
                    f"names only {trajectory.joint_names}", "all joints of the arm, or none"
                )
        return hit

    def _tabulate(
        self, group: int, times: Array, positions: Array, velocities: Array | None
    ) -> tuple[Array, Array]:
        """Setpoints and rates at every step from now to the last waypoint."""
        columns = list(self._groups[group])
        step = self._step_ns * 1e-9
        n_steps = min(int(np.ceil(times[-1] / step - 1e-6)), self._max_steps)
        t = np.minimum(step * np.arange(1, n_steps + 1), times[-1])
        knots = np.concatenate([[0.0], times])
        values = np.vstack([self._position[columns], positions])
        if velocities is None:
            table, rates = _linear(t, knots, values)
        else:
            slopes = np.vstack([self._velocity[columns], velocities])
            table, rates = _cubic(t, knots, values, slopes)
        rates[-1] = 0.0
        return table, rates


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
