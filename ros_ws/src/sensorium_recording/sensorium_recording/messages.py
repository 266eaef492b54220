"""The stack's slow messages as plain Python values: text, trajectories, status, markers, cameras.

Encoders return CDR payloads; decoders take them. Fast ones live in `cdr` and `images`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_core.cdr import NS
from sensorium_core.trajectory import Trajectory

from sensorium_recording.typestore import decode, encode, message_class

Array = NDArray[np.float64]

STRING = "std_msgs/msg/String"
CAMERA_INFO = "sensor_msgs/msg/CameraInfo"
POINT_CLOUD = "sensor_msgs/msg/PointCloud2"
TRAJECTORY = "trajectory_msgs/msg/JointTrajectory"
DIAGNOSTICS = "diagnostic_msgs/msg/DiagnosticArray"
MARKERS = "visualization_msgs/msg/MarkerArray"
TRANSFORMS = "tf2_msgs/msg/TFMessage"


@dataclass(frozen=True)
class Status:
    """One entry of a DiagnosticArray. Level: 0 ok, 1 warning, 2 error, 3 stale."""

    name: str
    level: int = 0
    message: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Marker:
    """One object of a scene: `position_m` `(3,)`, `quat_xyzw` `(4,)`, full `size_m` `(3,)`."""

    namespace: str
    id: int
    type: int
    position_m: Array
    quat_xyzw: Array
    size_m: Array
    rgba: tuple[float, float, float, float]
    text: str = ""


def encode_string(text: str) -> bytes:
    """`std_msgs/String`."""
    return encode(message_class(STRING)(data=text))


def decode_string(payload: bytes) -> str:
    """Text of a `std_msgs/String`."""
    return str(decode(payload, STRING).data)


def encode_camera_info(
    stamp_ns: int, frame_id: str, size: tuple[int, int], matrix: Array
) -> bytes:
    """Pinhole camera of `size` (rows, cols) with intrinsics `(3, 3)` [px], no distortion."""
    region = message_class("sensor_msgs/msg/RegionOfInterest")
    return encode(
        message_class(CAMERA_INFO)(
            header=header(stamp_ns, frame_id),
            height=size[0],
            width=size[1],
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=np.ascontiguousarray(matrix, dtype=float).reshape(9),
            r=np.eye(3).reshape(9),
            p=np.column_stack([matrix, np.zeros(3)]).reshape(12),
            binning_x=0,
            binning_y=0,
            roi=region(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        )
    )


def decode_camera_info(payload: bytes) -> tuple[int, str, tuple[int, int], Array]:
    """`(stamp_ns, frame_id, (rows, cols), K)` of a CameraInfo; K is `(3, 3)`."""
    info = decode(payload, CAMERA_INFO)
    size = (int(info.height), int(info.width))
    return stamp_ns_of(info), info.header.frame_id, size, np.array(info.k).reshape(3, 3)


def encode_trajectory(trajectory: Trajectory, frame_id: str = "") -> bytes:
    """`trajectory_msgs/JointTrajectory`."""
    point = message_class("trajectory_msgs/msg/JointTrajectoryPoint")
    duration = message_class("builtin_interfaces/msg/Duration")
    empty = np.empty(0)
    points = []
    for i, t in enumerate(trajectory.times_s):
        t_ns = round(float(t) * NS)
        velocities = empty if trajectory.velocities is None else trajectory.velocities[i]
        points.append(
            point(
                positions=np.ascontiguousarray(trajectory.positions[i], dtype=float),
                velocities=np.ascontiguousarray(velocities, dtype=float),
                accelerations=empty,
                effort=empty,
                time_from_start=duration(sec=t_ns // NS, nanosec=t_ns % NS),
            )
        )
    return encode(
        message_class(TRAJECTORY)(
            header=header(trajectory.stamp_ns, frame_id),
            joint_names=list(trajectory.joint_names),
            points=points,
        )
    )


def decode_trajectory(payload: bytes) -> Trajectory:
    """Trajectory of a JointTrajectory; raises `TrajectoryError` when it is not well formed."""
    message = decode(payload, TRAJECTORY)
    names, points = tuple(message.joint_names), message.points
    times = [p.time_from_start.sec + p.time_from_start.nanosec / NS for p in points]
    has_velocities = bool(points) and all(len(p.velocities) == len(names) for p in points)
    width = {len(p.positions) for p in points} | {len(names)}
    whole = len(width) == 1 and bool(names)
    positions = np.array([p.positions for p in points]) if whole else np.empty((0, 0))
    return Trajectory(
        stamp_ns=stamp_ns_of(message),
        joint_names=names,
        times_s=np.array(times),
        positions=positions.reshape(-1, len(names)) if whole else positions,
        velocities=np.array([p.velocities for p in points]) if has_velocities else None,
    ).validate()


def encode_diagnostics(stamp_ns: int, statuses: Sequence[Status]) -> bytes:
    """`diagnostic_msgs/DiagnosticArray`."""
    status = message_class("diagnostic_msgs/msg/DiagnosticStatus")
    key_value = message_class("diagnostic_msgs/msg/KeyValue")
    entries = [
        status(
            level=s.level,
            name=s.name,
            message=s.message,
            hardware_id="",
            values=[key_value(key=k, value=v) for k, v in s.values.items()],
        )
        for s in statuses
    ]
    return encode(message_class(DIAGNOSTICS)(header=header(stamp_ns, ""), status=entries))


def decode_diagnostics(payload: bytes) -> tuple[int, list[Status]]:
    """`(stamp_ns, statuses)` of a DiagnosticArray."""
    message = decode(payload, DIAGNOSTICS)
    return stamp_ns_of(message), [
        Status(s.name, int(s.level), s.message, {v.key: v.value for v in s.values})
        for s in message.status
    ]


def diagnostic_values(payload: bytes) -> tuple[int, dict[str, str]]:
    """`(stamp_ns, values)` of a DiagnosticArray, those of all its statuses together."""
    stamp_ns, statuses = decode_diagnostics(payload)
    return stamp_ns, {key: value for status in statuses for key, value in status.values.items()}


def header(stamp_ns: int, frame_id: str) -> object:
    """`std_msgs/Header`."""
    time = message_class("builtin_interfaces/msg/Time")
    return message_class("std_msgs/msg/Header")(
        stamp=time(sec=stamp_ns // NS, nanosec=stamp_ns % NS), frame_id=frame_id
    )


def stamp_ns_of(message: object) -> int:
    """Header stamp of a decoded message [ns]."""
    stamp = message.header.stamp  # type: ignore[attr-defined]
    return int(stamp.sec) * NS + int(stamp.nanosec)
