"""Stamps, joint trajectories and diagnostics between ROS messages and ours."""

from collections.abc import Mapping

import numpy as np
from builtin_interfaces.msg import Duration, Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from sensorium_core.errors import TrajectoryError
from sensorium_core.trajectory import Trajectory

_NS = 1_000_000_000
_MOST_JOINTS = 64


def stamp_to_ns(stamp: Time) -> int:
    """Nanoseconds since the epoch of the stamp's clock."""
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Time:
    """The stamp of a time in nanoseconds."""
    sec, nanosec = divmod(stamp_ns, _NS)
    return Time(sec=sec, nanosec=nanosec)


def trajectory_from_message(message: JointTrajectory, max_points: int = 1000) -> Trajectory:
    """The message as arrays; values are not judged. Raises `TrajectoryError` when ragged or huge.

    Velocities are given for every waypoint or for none. Accelerations and efforts are not used.
    """
    points = message.points
    if len(points) > max_points:
        raise TrajectoryError(f"has {len(points)} waypoints", f"at most {max_points}")
    names = tuple(message.joint_names)
    if len(names) > _MOST_JOINTS:
        raise TrajectoryError(f"names {len(names)} joints", f"at most {_MOST_JOINTS}")
    times = np.array([p.time_from_start.sec + p.time_from_start.nanosec / _NS for p in points])
    moving = any(len(p.velocities) for p in points)
    return Trajectory(
        stamp_to_ns(message.header.stamp),
        names,
        times,
        _matrix("positions", [p.positions for p in points], len(names)),
        _matrix("velocities", [p.velocities for p in points], len(names)) if moving else None,
    )


def trajectory_to_message(trajectory: Trajectory) -> JointTrajectory:
    """The trajectory as a message; its stamp is the reference time of the waypoints."""
    message = JointTrajectory(joint_names=list(trajectory.joint_names))
    message.header.stamp = ns_to_stamp(trajectory.stamp_ns)
    for i, time_s in enumerate(trajectory.times_s):
        sec, nanosec = divmod(round(float(time_s) * _NS), _NS)
        point = JointTrajectoryPoint(time_from_start=Duration(sec=sec, nanosec=nanosec))
        point.positions = trajectory.positions[i].tolist()
        if trajectory.velocities is not None:
            point.velocities = trajectory.velocities[i].tolist()
        message.points.append(point)
    return message


def diagnostics(
    stamp_ns: int, name: str, level: int | bytes, text: str, values: Mapping[str, str]
) -> DiagnosticArray:
    """A DiagnosticArray of one status; level as in `DiagnosticStatus`, 0 is OK."""
    message = DiagnosticArray()
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.status = [
        DiagnosticStatus(
            name=name,
            level=bytes([level]) if isinstance(level, int) else level,
            message=text,
            values=[KeyValue(key=k, value=v) for k, v in values.items()],
        )
    ]
    return message


def _matrix(field: str, rows: list[object], n_joints: int) -> np.ndarray:
    lengths = sorted({len(row) for row in rows})  # type: ignore[arg-type]
    if lengths not in ([], [n_joints]):
        raise TrajectoryError(f"has {field} of length {lengths}", f"{n_joints}, one a joint")
    return np.array(rows, dtype=np.float64).reshape(len(rows), n_joints)
