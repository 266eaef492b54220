"""Round trips of the slow messages, and their acceptance by rclpy."""

import numpy as np
import pytest
from sensorium_core.errors import MessageDecodeError, TrajectoryError, UnknownNameError
from sensorium_core.trajectory import Trajectory
from sensorium_recording import geometry_messages as geometry
from sensorium_recording import messages
from sensorium_recording.typestore import decode


def test_string_round_trip_keeps_unicode() -> None:
    assert messages.decode_string(messages.encode_string("pick up the cubé")) == "pick up the cubé"


def test_a_trajectory_of_no_joints_is_a_named_error() -> None:
    empty = Trajectory(5, (), np.empty(0), np.empty((0, 0)))
    with pytest.raises(TrajectoryError, match="no waypoints"):
        messages.decode_trajectory(messages.encode_trajectory(empty))


def test_values_of_all_statuses_come_together() -> None:
    statuses = [messages.Status("a", values={"x": "1"}), messages.Status("b", values={"y": "2"})]
    payload = messages.encode_diagnostics(7, statuses)
    assert messages.diagnostic_values(payload) == (7, {"x": "1", "y": "2"})


@pytest.mark.parametrize("moving", [True, False])
def test_trajectory_round_trip(moving: bool) -> None:
    rng = np.random.default_rng(0)
    trajectory = Trajectory(
        stamp_ns=3_000_000_021,
        joint_names=("a", "b"),
        times_s=np.array([0.1, 0.2, 1.3]),
        positions=rng.normal(size=(3, 2)),
        velocities=rng.normal(size=(3, 2)) if moving else None,
    )
    back = messages.decode_trajectory(messages.encode_trajectory(trajectory))
    assert (back.stamp_ns, back.joint_names) == (trajectory.stamp_ns, trajectory.joint_names)
    np.testing.assert_allclose(back.times_s, trajectory.times_s, atol=1e-9)
    np.testing.assert_array_equal(back.positions, trajectory.positions)
    if trajectory.velocities is not None and back.velocities is not None:
        np.testing.assert_array_equal(back.velocities, trajectory.velocities)
    assert (back.velocities is None) != moving


def test_diagnostics_round_trip() -> None:
    statuses = [messages.Status("gate", 1, "holding", {"reason": "stale", "age": "0.3"})]
    stamp, back = messages.decode_diagnostics(messages.encode_diagnostics(7, statuses))
    assert (stamp, back) == (7, statuses)


def test_camera_info_round_trip() -> None:
    k = np.array([[110.0, 0, 63.5], [0, 110.0, 47.5], [0, 0, 1]])
    payload = messages.encode_camera_info(9, "cam", (96, 128), k)
    stamp, frame, size, back = messages.decode_camera_info(payload)
    assert (stamp, frame, size) == (9, "cam", (96, 128))
    np.testing.assert_array_equal(back, k)


def test_marker_round_trip() -> None:
    quat = np.array([0.0, 0.0, 0.6, 0.8])
    marker = messages.Marker(
        "object",
        3,
        1,
        np.array([0.4, 0.1, 0.02]),
        quat,
        np.full(3, 0.05),
        (1, 0, 0, 1),
        "red cube",
    )
    stamp, back = geometry.decode_markers(geometry.encode_markers(5, "base_link", [marker]))
    assert stamp == 5
    assert (back[0].namespace, back[0].id, back[0].text) == ("object", 3, "red cube")
    np.testing.assert_array_equal(back[0].position_m, marker.position_m)
    np.testing.assert_array_equal(back[0].quat_xyzw, quat)


def test_transform_round_trip_over_random_rotations() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        quat = rng.normal(size=4)
        pose = np.eye(4)
        pose[:3, :3] = geometry.rotation_matrix(quat)
        pose[:3, 3] = rng.normal(size=3)
        payload = geometry.encode_transforms(1, "base_link", {"cam": pose})
        parent, back = geometry.decode_transforms(payload)["cam"]
        assert parent == "base_link"
        np.testing.assert_allclose(back, pose, atol=1e-12)


def test_cloud_round_trip() -> None:
    rng = np.random.default_rng(2)
    points = rng.normal(size=(30, 3)).astype(np.float32)
    colours = rng.integers(0, 256, (30, 3)).astype(np.uint8)
    stamp, back, seen = geometry.decode_cloud(geometry.encode_cloud(4, "c", points, colours))
    assert stamp == 4
    np.testing.assert_array_equal(back, points)
    np.testing.assert_array_equal(seen, colours)


def test_rclpy_reads_what_we_write() -> None:
    serialization = pytest.importorskip("rclpy.serialization")
    from diagnostic_msgs.msg import DiagnosticArray
    from visualization_msgs.msg import MarkerArray

    payload = messages.encode_diagnostics(7, [messages.Status("a", 2, "b", {"k": "v"})])
    status = serialization.deserialize_message(payload, DiagnosticArray).status[0]
    assert (status.level, status.values[0].value) == (b"\x02", "v")
    marker = messages.Marker(
        "button", 1, 3, np.ones(3), np.array([0, 0, 0, 1.0]), np.ones(3), (0, 1, 0, 1), "green"
    )
    scene = serialization.deserialize_message(
        geometry.encode_markers(5, "base_link", [marker]), MarkerArray
    )
    assert (scene.markers[0].text, scene.markers[0].header.stamp.nanosec) == ("green", 5)


def test_bytes_of_another_type_raise_by_name() -> None:
    with pytest.raises(MessageDecodeError, match="CameraInfo"):
        messages.decode_camera_info(messages.encode_string("hello"))
    with pytest.raises(UnknownNameError, match="std_msgs/msg/String"):
        decode(b"", "std_msgs/msg/Strong")
