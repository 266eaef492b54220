"""What is left of a plan, displaced by what the fast half has corrected: proposals for the gate.

The policy plans a few times a second. Between, each correction of the fast half displaces the rest
of the plan, and what is left of it is proposed anew, a fifth of a second ahead; the gate judges it
like any other proposal. Where nothing is proposed any more the arm rests within that time. Pure
computation; one thread.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import ActionSpec
from sensorium_core.errors import KinematicsError
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory, finite_difference_velocities

Array = NDArray[np.float64]

STEP_NS = 20_000_000
"""Between waypoints, and between proposals: the gate's grid."""
AHEAD = 10
"""Waypoints of a proposal."""
MOST_M = 0.02
"""Longest displacement of one plan, along each axis."""


class CorrectedPlan:
    """A plan under way and its displacement; nothing to propose before `begin`."""

    def __init__(self, action: ActionSpec, arm: Kinematics) -> None:
        self._action, self._arm = action, arm
        self._plan: Trajectory | None = None
        self._offset = np.zeros(3)

    @property
    def offset_m(self) -> Array:
        """How far the plan is displaced `(3,)` [m], base_link."""
        return self._offset.copy()

    def begin(self, plan: Trajectory, offset_m: Array | None = None) -> None:
        """Follow a new plan, of all the contract's joints, displaced from the start by `(3,)` [m].

        None: not displaced, it starts where the arm was told.
        """
        self._plan = plan.select(self._action.joints)
        offset_m = np.zeros(3) if offset_m is None else offset_m
        self._offset = np.clip(offset_m, -MOST_M, MOST_M)

    def has_begun(self, t_ns: int) -> bool:
        """Whether there is a plan and a time is later than its stamp."""
        return self._plan is not None and t_ns > self._plan.stamp_ns

    def is_over(self, t_ns: int) -> bool:
        """Whether there is a plan and its last waypoint is past."""
        return self._plan is not None and t_ns >= self._plan.end_ns

    def forget(self) -> None:
        """Nothing is to be corrected any more."""
        self._plan = None

    def displace(self, step_m: Array, yaw: float) -> None:
        """Add a correction `(3,)` [m], in the frame of a tool that heads towards `yaw`."""
        c, s = np.cos(yaw), np.sin(yaw)
        x, y, z = step_m
        moved = self._offset + np.array([c * x - s * y, s * x + c * y, z])
        self._offset = np.clip(moved, -MOST_M, MOST_M)

    def yaw_at(self, t_ns: int) -> float:
        """Heading of the planned tool [rad]. Only after `begin`."""
        assert self._plan is not None
        return float(self._arm.tool_pose(self._plan.sample(t_ns)[:6])[3])

    def proposal(self, t_ns: int) -> Trajectory | None:
        """The next `AHEAD` waypoints of the displaced plan, from a time on; rests at the last.

        None without a plan. Raises `KinematicsError` where the displaced plan is out of reach.
        """
        plan = self._plan
        if plan is None:
            return None
        times = np.arange(1, AHEAD + 1, dtype=np.float64) * (STEP_NS * 1e-9)
        whole = np.array([plan.sample(t_ns + k * STEP_NS) for k in range(1, AHEAD + 1)])
        positions = displaced(whole, self._offset, self._action, self._arm)
        velocities = finite_difference_velocities(times, positions)
        velocities[:, 6] = 0.0
        return Trajectory(t_ns, self._action.joints, times, positions, velocities)


def displaced(positions: Array, offset_m: Array, action: ActionSpec, arm: Kinematics) -> Array:
    """Joints `(n, 7)` with the tool moved by `(3,)` [m], base_link, inside the workspace.

    Raises `KinematicsError` when that is out of reach or not finite.
    """
    low, high = np.array(action.workspace_min_m), np.array(action.workspace_max_m)
    rows = []
    for joints in positions:
        pose = arm.tool_pose(joints[:6])
        pose[:3] = np.clip(pose[:3] + offset_m, low, high)
        if not np.isfinite(pose).all():
            raise KinematicsError("the plan is not finite", "propose another one")
        rows.append(np.append(arm.ik(joints[:6], pose), joints[6]))
    return np.array(rows)
