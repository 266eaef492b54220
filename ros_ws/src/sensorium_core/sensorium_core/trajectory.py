"""Joint trajectories, ROS-free: what is proposed, gated, executed and recorded.

The same interpolation serves the simulator's controller, the gate and the policy's reference, so
that "the commanded position at t" means one thing everywhere.
"""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium_core.errors import TrajectoryError

Array = NDArray[np.float64]
_NS = 1_000_000_000


@dataclass(frozen=True)
class Trajectory:
    """Waypoints of named joints, timed from `stamp_ns`.

    `times_s` is `(n,)`, strictly increasing, seconds after the stamp; `positions` is
    `(n, n_joints)` in rad (gripper: m); `velocities` is the same shape in rad/s or `None`.
    """

    stamp_ns: int
    joint_names: tuple[str, ...]
    times_s: Array
    positions: Array
    velocities: Array | None = None

    def validate(self) -> "Trajectory":
        """Return self; raise `TrajectoryError` for empty, ragged, unordered or non-finite data."""
        n = len(self.times_s)
        shape = (n, len(self.joint_names))
        if n == 0:
            raise TrajectoryError("has no waypoints", "at least one")
        if self.positions.shape != shape:
            raise TrajectoryError(f"positions have shape {self.positions.shape}", f"{shape}")
        if self.velocities is not None and self.velocities.shape != shape:
            raise TrajectoryError(f"velocities have shape {self.velocities.shape}", f"{shape}")
        if len(set(self.joint_names)) != len(self.joint_names):
            raise TrajectoryError(f"repeats a joint in {self.joint_names}", "each joint once")
        arrays = [self.times_s, self.positions]
        arrays += [] if self.velocities is None else [self.velocities]
        if not all(bool(np.isfinite(a).all()) for a in arrays):
            raise TrajectoryError("holds NaN or infinity", "finite numbers")
        if self.times_s[0] < 0 or bool((np.diff(self.times_s) <= 0).any()):
            raise TrajectoryError("has times that do not increase from 0", "strictly increasing")
        return self

    @property
    def end_ns(self) -> int:
        """Time of the last waypoint."""
        return self.stamp_ns + round(float(self.times_s[-1]) * _NS)

    def fingerprint(self) -> str:
        """Eight hex digits over every bit that a message of it carries."""
        times_ns = np.rint(self.times_s * _NS).astype("<i8")
        crc = zlib.crc32(f"{self.stamp_ns} {' '.join(self.joint_names)}".encode())
        for array in (times_ns, self.positions, self.velocities):
            if array is not None:
                crc = zlib.crc32(np.ascontiguousarray(array).tobytes(), crc)
        return f"{crc:08x}"

    def sample(self, t_ns: int) -> Array:
        """Positions `(n_joints,)` at a time; clamped to the first and last waypoint outside."""
        t = (t_ns - self.stamp_ns) / _NS
        times = self.times_s
        if t <= times[0]:
            return self.positions[0].copy()
        if t >= times[-1]:
            return self.positions[-1].copy()
        i = int(np.searchsorted(times, t, side="right"))
        return self._between(i - 1, i, t)

    def _between(self, a: int, b: int, t: float) -> Array:
        span = float(self.times_s[b] - self.times_s[a])
        u = (t - float(self.times_s[a])) / span
        p, q = self.positions[a], self.positions[b]
        if self.velocities is None:
            return p + u * (q - p)
        return hermite(p, q, self.velocities[a] * span, self.velocities[b] * span, u)

    def select(self, names: tuple[str, ...]) -> "Trajectory":
        """The same waypoints for `names` only, in that order. Raises when one is absent."""
        missing = [n for n in names if n not in self.joint_names]
        if missing:
            raise TrajectoryError(f"lacks {missing}", f"all of {names}")
        columns = [self.joint_names.index(n) for n in names]
        velocities = None if self.velocities is None else self.velocities[:, columns]
        return Trajectory(
            self.stamp_ns, names, self.times_s, self.positions[:, columns], velocities
        )


def hermite(p: Array, q: Array, dp: Array, dq: Array, u: float | Array) -> Array:
    """Cubic Hermite values at `u` in [0, 1]; `dp`, `dq` are derivatives with respect to `u`."""
    u2, u3 = u * u, u * u * u
    return (
        (2 * u3 - 3 * u2 + 1) * p
        + (u3 - 2 * u2 + u) * dp
        + (-2 * u3 + 3 * u2) * q
        + (u3 - u2) * dq
    )


def finite_difference_velocities(times_s: Array, positions: Array) -> Array:
    """Velocities at waypoints: central inside, one-sided at the start, zero at the end.

    A zero at the end lets a controller that runs out of trajectory come to rest.
    """
    velocities = np.zeros_like(positions)
    if len(times_s) < 2:
        return velocities
    velocities[1:-1] = (positions[2:] - positions[:-2]) / (times_s[2:] - times_s[:-2])[:, None]
    velocities[0] = (positions[1] - positions[0]) / (times_s[1] - times_s[0])
    return velocities
