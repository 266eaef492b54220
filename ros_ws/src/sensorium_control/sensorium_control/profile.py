"""Commanded motion as it is sent: position, velocity and acceleration on one grid of time.

All profiles share the grid, whole multiples of 20 ms of the clock that stamps messages, so that
one may take over from another at a knot with no step in position, velocity or acceleration.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import ARM_JOINTS, JOINTS
from sensorium_core.trajectory import Trajectory, hermite

Array = NDArray[np.float64]

STEP_NS = 20_000_000
STEP_S = STEP_NS * 1e-9
N_ARM = len(ARM_JOINTS)
_REST_KNOTS = 10


@dataclass(frozen=True, eq=False)
class Profile:
    """Knots of all joints, `(n, 7)` each: rad, gripper m; per s; per s². The last one rests."""

    first: int
    """Knot of row 0; its time is `first * STEP_NS`."""
    positions: Array
    velocities: Array
    accelerations: Array
    at_once: bool = False
    """Whether the arm goes there from wherever it is when it hears of it."""

    @classmethod
    def at_rest(cls, first: int, positions: Array) -> "Profile":
        """Stand at `positions` `(7,)` from a knot on."""
        zero = np.zeros((1, len(positions)))
        return cls(first, np.array(positions, dtype=np.float64)[None], zero, zero, True)

    @property
    def start_ns(self) -> int:
        """Time of the first knot."""
        return self.first * STEP_NS

    @property
    def end_ns(self) -> int:
        """Time of the last knot, from which on it rests."""
        return (self.first + len(self.positions) - 1) * STEP_NS

    def knot(self, k: int) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration `(7,)` at a knot; at rest beyond the last."""
        i = min(max(k - self.first, 0), len(self.positions) - 1)
        return self.positions[i], self.velocities[i], self.accelerations[i]

    def sample(self, t_ns: int) -> Array:
        """Positions `(7,)` at a time, between knots as a cubic: what a controller makes of it."""
        return self.moment((t_ns - self.start_ns) / STEP_NS)[0]

    def moment(self, at: float) -> tuple[Array, Array, Array]:
        """Position, velocity and acceleration `(7,)` at a time in knots after the first."""
        p, v, a = self.moments(np.array([at]))
        return p[0], v[0], a[0]

    def moments(self, at: Array) -> tuple[Array, Array, Array]:
        """Positions, velocities, accelerations `(m, 7)` at times `(m,)` in knots after the first.

        Clamped to the ends, where it rests.
        """
        last = len(self.positions) - 1
        if last == 0:
            still = np.zeros((len(at), self.positions.shape[1]))
            return still + self.positions[0], still, still
        i = np.clip(np.floor(at).astype(int), 0, last - 1)
        u = np.clip(at - i, 0.0, 1.0)[:, None]
        p, q = self.positions[i], self.positions[i + 1]
        dp, dq = self.velocities[i] * STEP_S, self.velocities[i + 1] * STEP_S
        rate = (6 * u * u - 6 * u) * (p - q) + (3 * u * u - 4 * u + 1) * dp + (3 * u - 2) * u * dq
        bend = (1 - u) * self.accelerations[i] + u * self.accelerations[i + 1]
        moving = ((at >= 0.0) & (at < last))[:, None]
        return hermite(p, q, dp, dq, u), rate / STEP_S * moving, bend * moving

    def after(self, before: list[tuple[Array, Array, Array]]) -> "Profile":
        """The same with the knots `before` it, the last of them just before the first."""
        if not before:
            return self
        p, v, a = (np.array(rows) for rows in zip(*before, strict=True))
        return Profile(
            self.first - len(before),
            np.concatenate([p, self.positions]),
            np.concatenate([v, self.velocities]),
            np.concatenate([a, self.accelerations]),
        )

    def moved(self, knots: int) -> "Profile":
        """The same motion so many knots later."""
        return replace(self, first=self.first + knots)

    def trajectory(self) -> Trajectory:
        """The same as a joint trajectory, stamped with its first knot.

        A last waypoint repeats the end 0.2 s later: a controller ignores a trajectory that comes
        late and lies all in the past.
        """
        n = len(self.positions)
        times = np.append(np.arange(n), n - 1 + _REST_KNOTS) * STEP_S
        last = [*range(n), n - 1]
        return Trajectory(
            self.start_ns, JOINTS, times, self.positions[last], self.velocities[last]
        )
