"""From a chunk of tool motions to a joint trajectory, and how to come to rest. Pure functions."""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import ActionSpec
from sensorium_core.errors import KinematicsError
from sensorium_core.inputs import CommandHistory
from sensorium_core.kinematics import GRIPPER_OPEN_M, Kinematics
from sensorium_core.trajectory import Trajectory, finite_difference_velocities

Array = NDArray[np.float64]

_MAX_STEP_M = 0.035
_MAX_STEP_RAD = 0.25
_MAX_STEP_GRIP = 0.25
_MAX_CHANGE_M = 0.013
_MAX_CHANGE_RAD = 0.05
_STOP_S = 0.2
_STOP_POINTS = 6
DIFFERENCE_NS = 10_000_000


def tool_waypoints(
    chunk: NDArray[np.float32], reference: Array, last_step: Array, action: ActionSpec
) -> Array:
    """Absolute `(horizon, 5)` x, y, z, yaw, open fraction of a chunk, inside the workspace.

    `reference` `(5,)` is the commanded tool that the chunk is relative to, `last_step` `(4,)` how
    far it moved in the last step. Each step is limited to 35 mm, 0.25 rad and a quarter of the
    gripper's travel, and differs from the one before by at most 13 mm and 0.05 rad, so that the
    motion starts and turns smoothly. Raises `KinematicsError` when the chunk is not finite.
    """
    if not np.isfinite(chunk).all():
        raise KinematicsError("the policy's answer is not finite", "export the policy anew")
    c, s = np.cos(reference[3]), np.sin(reference[3])
    rotation = np.array([[c, -s], [s, c]])
    low, high = np.array(action.workspace_min_m), np.array(action.workspace_max_m)
    limits = np.array([_MAX_STEP_M] * 3 + [_MAX_STEP_RAD, _MAX_STEP_GRIP])
    change = np.array([_MAX_CHANGE_M] * 3 + [_MAX_CHANGE_RAD, 1.0])
    current, rows, step = reference.copy(), [], np.append(last_step, 0.0)
    for motion in chunk.astype(np.float64):
        wanted = reference.copy()
        wanted[:2] += rotation @ motion[:2]
        wanted[2:4] += motion[2:4]
        wanted[4] = motion[4]
        wanted[:3] = np.clip(wanted[:3], low, high)
        wanted[4] = min(max(wanted[4], 0.0), 1.0)
        step = step + np.clip(np.clip(wanted - current, -limits, limits) - step, -change, change)
        current = current + step
        current[:3] = np.clip(current[:3], low, high)
        rows.append(current)
    return np.array(rows)


def joint_trajectory(
    waypoints: Array,
    start: Array,
    start_velocity: Array,
    t_ns: int,
    action: ActionSpec,
    arm: Kinematics,
) -> Trajectory:
    """Trajectory of all joints through tool waypoints, from the commanded joints `start` `(7,)`.

    The gripper's velocities are zero: its waypoints are set points that its controller ramps to.
    Raises `KinematicsError` when a waypoint is out of reach.
    """
    rows = [np.append(start[:6], min(max(start[6], 0.0), GRIPPER_OPEN_M))]
    for waypoint in waypoints:
        q = arm.ik(rows[-1][:6], waypoint[:4])
        rows.append(np.append(q, waypoint[4] * GRIPPER_OPEN_M))
    positions = np.array(rows)
    times: Array = np.arange(len(rows), dtype=np.float64) * action.step_s
    velocities = finite_difference_velocities(times, positions)
    velocities[0] = start_velocity
    velocities[:, 6] = 0.0
    return Trajectory(t_ns, action.joints, times, positions, velocities)


def commanded_velocity(history: CommandHistory, t_ns: int) -> Array:
    """Velocity of the commanded setpoint `(7,)` at a time; zero before any command."""
    now, soon = history.sample(t_ns), history.sample(t_ns + DIFFERENCE_NS)
    if now is None or soon is None:
        return np.zeros(7)
    return (soon - now) * (1e9 / DIFFERENCE_NS)


def stop_trajectory(
    start: Array, velocity: Array, t_ns: int, names: tuple[str, ...]
) -> Trajectory:
    """Come to rest from `start` within 0.2 s; the gripper at once.

    The velocity falls as 1 - 3 u^2 + 2 u^3, so that braking begins and ends without a jerk.
    """
    u = np.linspace(0.0, 1.0, _STOP_POINTS)[:, None]
    velocity = np.append(velocity[:6], 0.0)
    return Trajectory(
        t_ns,
        names,
        u[:, 0] * _STOP_S,
        start + velocity * _STOP_S * (u - u**3 + u**4 / 2),
        velocity * (1.0 - 3.0 * u**2 + 2.0 * u**3),
    )
