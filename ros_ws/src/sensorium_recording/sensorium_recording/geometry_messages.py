"""Scenes, static transforms and coloured clouds as messages, and back."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium_recording.messages import (
    MARKERS,
    POINT_CLOUD,
    TRANSFORMS,
    Marker,
    header,
    stamp_ns_of,
)
from sensorium_recording.typestore import decode, encode, message_class

Array = NDArray[np.float64]
Cloud = NDArray[np.float32]

_POINT = np.dtype({"names": ["x", "y", "z", "rgb"], "formats": ["<f4"] * 3 + ["<u4"]})


def encode_markers(stamp_ns: int, frame_id: str, markers: Sequence[Marker]) -> bytes:
    """`visualization_msgs/MarkerArray`, one marker an object."""
    return encode(
        message_class(MARKERS)(markers=[_marker(stamp_ns, frame_id, m) for m in markers])
    )


def _marker(stamp_ns: int, frame_id: str, marker: Marker) -> object:
    msgs = "geometry_msgs/msg/"
    duration = message_class("builtin_interfaces/msg/Duration")
    time = message_class("builtin_interfaces/msg/Time")
    colour = message_class("std_msgs/msg/ColorRGBA")
    compressed = message_class("sensor_msgs/msg/CompressedImage")
    return message_class("visualization_msgs/msg/Marker")(
        header=header(stamp_ns, frame_id),
        ns=marker.namespace,
        id=marker.id,
        type=marker.type,
        action=0,
        pose=message_class(msgs + "Pose")(
            position=message_class(msgs + "Point")(*(float(v) for v in marker.position_m)),
            orientation=message_class(msgs + "Quaternion")(*(float(v) for v in marker.quat_xyzw)),
        ),
        scale=message_class(msgs + "Vector3")(*(float(v) for v in marker.size_m)),
        color=colour(*(float(v) for v in marker.rgba)),
        lifetime=duration(sec=0, nanosec=0),
        frame_locked=False,
        points=[],
        colors=[],
        texture_resource="",
        texture=compressed(
            header=message_class("std_msgs/msg/Header")(stamp=time(sec=0, nanosec=0), frame_id=""),
            format="",
            data=np.empty(0, np.uint8),
        ),
        uv_coordinates=[],
        text=marker.text,
        mesh_resource="",
        mesh_file=message_class("visualization_msgs/msg/MeshFile")(
            filename="", data=np.empty(0, np.uint8)
        ),
        mesh_use_embedded_materials=False,
    )


def decode_markers(payload: bytes) -> tuple[int, list[Marker]]:
    """`(stamp_ns, markers)` of a MarkerArray; the stamp is the first marker's, 0 without any."""
    array = decode(payload, MARKERS).markers
    stamp_ns = stamp_ns_of(array[0]) if array else 0
    return stamp_ns, [
        Marker(
            namespace=m.ns,
            id=int(m.id),
            type=int(m.type),
            position_m=np.array([m.pose.position.x, m.pose.position.y, m.pose.position.z]),
            quat_xyzw=np.array(
                [
                    m.pose.orientation.x,
                    m.pose.orientation.y,
                    m.pose.orientation.z,
                    m.pose.orientation.w,
                ]
            ),
            size_m=np.array([m.scale.x, m.scale.y, m.scale.z]),
            rgba=(float(m.color.r), float(m.color.g), float(m.color.b), float(m.color.a)),
            text=m.text,
        )
        for m in array
    ]


def encode_transforms(stamp_ns: int, parent: str, children: Mapping[str, Array]) -> bytes:
    """`tf2_msgs/TFMessage` of poses `T_parent_child` `(4, 4)` by child frame."""
    msgs = "geometry_msgs/msg/"
    transforms = []
    for child, pose in children.items():
        rotation = message_class(msgs + "Quaternion")(*quat_xyzw(pose[:3, :3]))
        translation = message_class(msgs + "Vector3")(*(float(v) for v in pose[:3, 3]))
        transform = message_class(msgs + "Transform")(translation=translation, rotation=rotation)
        transforms.append(
            message_class(msgs + "TransformStamped")(
                header=header(stamp_ns, parent), child_frame_id=child, transform=transform
            )
        )
    return encode(message_class(TRANSFORMS)(transforms=transforms))


def decode_transforms(payload: bytes) -> dict[str, tuple[str, Array]]:
    """`child -> (parent, T_parent_child (4, 4))` of a TFMessage."""
    poses = {}
    for stamped in decode(payload, TRANSFORMS).transforms:
        r, t = stamped.transform.rotation, stamped.transform.translation
        pose = np.eye(4)
        pose[:3, :3] = rotation_matrix(np.array([r.x, r.y, r.z, r.w]))
        pose[:3, 3] = t.x, t.y, t.z
        poses[stamped.child_frame_id] = (stamped.header.frame_id, pose)
    return poses


def encode_cloud(stamp_ns: int, frame_id: str, points: Cloud, colours: NDArray[np.uint8]) -> bytes:
    """`sensor_msgs/PointCloud2` of points `(n, 3)` [m] and colours `(n, 3)`."""
    data = np.empty(len(points), dtype=_POINT)
    data["x"], data["y"], data["z"] = np.asarray(points, dtype=np.float32).T
    red, green, blue = colours.astype(np.uint32).T
    data["rgb"] = red << 16 | green << 8 | blue
    point_field = message_class("sensor_msgs/msg/PointField")
    fields = [point_field(n, 4 * i, 7, 1) for i, n in enumerate(("x", "y", "z", "rgb"))]
    return encode(
        message_class(POINT_CLOUD)(
            header=header(stamp_ns, frame_id),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=_POINT.itemsize,
            row_step=data.nbytes,
            data=data.view(np.uint8),
            is_dense=True,
        )
    )


def decode_cloud(payload: bytes) -> tuple[int, Cloud, NDArray[np.uint8]]:
    """`(stamp_ns, points (n, 3) [m], colours (n, 3))` of a PointCloud2 with x, y, z, rgb."""
    message = decode(payload, POINT_CLOUD)
    offsets = {f.name: int(f.offset) for f in message.fields}
    names = ("x", "y", "z", "rgb")
    layout = np.dtype(
        {
            "names": list(names),
            "formats": ["<f4"] * 3 + ["<u4"],
            "offsets": [offsets[n] for n in names],
            "itemsize": int(message.point_step),
        }
    )
    data = np.ascontiguousarray(message.data).view(layout)
    points = np.stack([data["x"], data["y"], data["z"]], axis=1)
    rgb = data["rgb"]
    colours = np.stack([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], axis=1).astype(np.uint8)
    return stamp_ns_of(message), points, colours


def quat_xyzw(rotation: Array) -> tuple[float, float, float, float]:
    """Unit quaternion of a rotation matrix `(3, 3)`, by its largest component; w >= 0."""
    m = np.asarray(rotation, dtype=float)
    k = np.array(
        [
            [m[0, 0] - m[1, 1] - m[2, 2], 0, 0, 0],
            [m[0, 1] + m[1, 0], m[1, 1] - m[0, 0] - m[2, 2], 0, 0],
            [m[0, 2] + m[2, 0], m[1, 2] + m[2, 1], m[2, 2] - m[0, 0] - m[1, 1], 0],
            [m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1], np.trace(m)],
        ]
    )
    vector = np.linalg.eigh(k)[1][:, -1]
    x, y, z, w = (float(v) for v in (vector if vector[3] >= 0 else -vector))
    return x, y, z, w


def rotation_matrix(quat: Array) -> Array:
    """Rotation matrix `(3, 3)` of a quaternion `xyzw`."""
    x, y, z, w = quat / np.linalg.norm(quat)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
