"""Our readings of ROS messages agree with ROS's own, whatever the numbers and names."""

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image, JointState
from sensorium_core.errors import MessageDecodeError, TrajectoryError
from sensorium_core.nodes.messages import (
    ns_to_stamp,
    stamp_to_ns,
    trajectory_from_message,
    trajectory_to_message,
)
from sensorium_core.nodes.raw import JointStateReader, read_image, read_wrench
from sensorium_core.trajectory import Trajectory
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

stamps_ns = st.integers(0, 2**31 * 10**9 - 1)
numbers = st.floats(allow_nan=True, allow_infinity=True)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)


@given(stamps_ns, names, st.lists(numbers, min_size=6, max_size=6))
def test_a_raw_wrench_reads_as_the_message_does(stamp_ns, frame, values):
    message = WrenchStamped()
    message.header.stamp, message.header.frame_id = ns_to_stamp(stamp_ns), frame
    for target, part in ((message.wrench.force, values[:3]), (message.wrench.torque, values[3:])):
        target.x, target.y, target.z = part
    got_ns, got = read_wrench(serialize_message(message))
    assert got_ns == stamp_ns
    np.testing.assert_array_equal(got, values)


@given(
    st.lists(st.lists(names, min_size=1, max_size=8, unique=True), min_size=1, max_size=4),
    names,
    st.randoms(use_true_random=False),
)
def test_raw_joint_states_follow_names_that_change_between_messages(orders, frame, random):
    wanted = tuple(orders[0][:2])
    reader = JointStateReader(wanted)
    for order in orders:
        positions = [random.uniform(-9, 9) for _ in order]
        velocities = random.choice([[], [p + 1 for p in positions]])
        message = JointState(name=order, position=positions, velocity=velocities)
        message.header.stamp, message.header.frame_id = ns_to_stamp(5_000_000_007), frame
        read = reader.read(serialize_message(message))
        if not set(wanted) <= set(order):
            assert read is None
            continue
        stamp_ns, got, got_velocities = read
        columns = [order.index(n) for n in wanted]
        assert stamp_ns == 5_000_000_007
        np.testing.assert_array_equal(got, np.array(positions)[columns])
        expected = np.array(velocities)[columns] if velocities else np.zeros(len(columns))
        np.testing.assert_array_equal(got_velocities, expected)


def test_a_joint_state_without_positions_is_no_reading():
    reader = JointStateReader(("a",))
    assert reader.read(serialize_message(JointState(name=["a"]))) is None


@given(st.integers(0, 80))
def test_bytes_cut_short_raise_the_named_error(length):
    payload = serialize_message(JointState(name=["a", "b"], position=[1.0, 2.0]))
    wrench = serialize_message(WrenchStamped())
    if length < len(wrench):
        with pytest.raises(MessageDecodeError):
            read_wrench(wrench[:length])
    if length < 60:
        with pytest.raises(MessageDecodeError):
            JointStateReader(("a",)).read(payload[:length])


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(["rgb8", "16UC1"]), st.integers(0, 5))
def test_a_raw_image_reads_as_the_message_does(rows, cols, encoding, padding):
    wide = cols * (3 if encoding == "rgb8" else 2)
    lines = np.random.default_rng(rows).integers(0, 256, (rows, wide + padding)).astype(np.uint8)
    message = Image(height=rows, width=cols, encoding=encoding, step=wide + padding)
    message.header.frame_id = "camera_scene_optical_frame"[: rows * 4]
    message.data = lines.tobytes()
    payload = serialize_message(message)
    pixels = read_image(payload, encoding)
    assert pixels.shape == ((rows, cols, 3) if encoding == "rgb8" else (rows, cols))
    assert pixels.tobytes() == lines[:, :wide].tobytes()
    with pytest.raises(MessageDecodeError):
        read_image(payload[: len(payload) // 2], encoding)
    with pytest.raises(MessageDecodeError, match="full"):
        read_image(payload, "16UC1" if encoding == "rgb8" else "rgb8")


def test_an_image_that_claims_more_than_it_holds_is_refused():
    message = Image(height=2**20, width=2**20, encoding="rgb8", step=3 * 2**20)
    with pytest.raises(MessageDecodeError, match="1048576"):
        read_image(serialize_message(message), "rgb8")


@given(stamps_ns)
def test_stamps_survive_the_round_trip(stamp_ns):
    assert stamp_to_ns(ns_to_stamp(stamp_ns)) == stamp_ns


@given(st.integers(1, 9), st.booleans())
def test_trajectories_survive_the_round_trip(n, moving):
    positions = np.arange(2.0 * n).reshape(n, 2)
    trajectory = Trajectory(
        123_456_789_012, ("a", "b"), np.arange(n) * 0.1, positions, positions if moving else None
    )
    got = trajectory_from_message(trajectory_to_message(trajectory))
    assert (got.stamp_ns, got.joint_names) == (trajectory.stamp_ns, trajectory.joint_names)
    np.testing.assert_allclose(got.times_s, trajectory.times_s, atol=1e-9)
    np.testing.assert_array_equal(got.positions, positions)
    assert (got.velocities is None) != moving


def test_ragged_and_huge_trajectories_raise_the_named_error():
    ragged = JointTrajectory(joint_names=["a", "b"])
    ragged.points = [JointTrajectoryPoint(positions=[0.0])]
    with pytest.raises(TrajectoryError, match="positions of length"):
        trajectory_from_message(ragged)
    ragged.points = [
        JointTrajectoryPoint(positions=[0.0, 0.0], velocities=[0.0, 0.0]),
        JointTrajectoryPoint(positions=[0.0, 0.0]),
    ]
    with pytest.raises(TrajectoryError, match="velocities of length"):
        trajectory_from_message(ragged)
    ragged.points = [JointTrajectoryPoint()] * 5
    with pytest.raises(TrajectoryError, match="at most 4"):
        trajectory_from_message(ragged, max_points=4)
