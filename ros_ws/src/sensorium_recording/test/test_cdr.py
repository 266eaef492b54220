"""Our CDR against rclpy's and rosbags', and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.cdr import (
    decode_joint_states,
    decode_wrenches,
    joint_state_layout,
    wrench_layout,
)
from sensorium_core.errors import MessageDecodeError
from sensorium_core.image_cdr import decode_image, decode_images, encode_image
from sensorium_recording.typestore import decode, encode, message_class, schema_text, type_hash

rclpy_serialization = pytest.importorskip("rclpy.serialization")
WRENCH = "geometry_msgs/msg/WrenchStamped"
JOINTS = "sensor_msgs/msg/JointState"

frames = st.text("abcdefghijklmnop_/", max_size=12)
stamps = st.integers(0, 2**31 * 10**9 - 1)
doubles = st.floats(width=64)


@given(frames, stamps, st.lists(doubles, min_size=6, max_size=6))
@settings(max_examples=40, deadline=None)
def test_wrench_bytes_are_those_of_rosbags(frame: str, stamp: int, values: list[float]) -> None:
    payload = wrench_layout(frame).encode(np.array([stamp]), np.array([values]))[0]
    message = decode(payload, WRENCH)
    assert encode(message) == payload
    back, seen = decode_wrenches([payload])
    assert back[0] == stamp
    np.testing.assert_array_equal(seen[0], values)


@given(st.lists(frames, min_size=1, max_size=8, unique=True), stamps, st.booleans())
@settings(max_examples=40, deadline=None)
def test_joint_state_bytes_are_those_of_rosbags(
    names: list[str], stamp: int, moving: bool
) -> None:
    n = len(names)
    lengths = (n, n if moving else 0, 0)
    values = np.arange(sum(lengths), dtype=float)[None] / 7
    payload = joint_state_layout(tuple(names), "b", lengths).encode(np.array([stamp]), values)[0]
    assert encode(decode(payload, JOINTS)) == payload
    back, seen, positions, velocities = decode_joint_states([payload])
    assert (int(back[0]), seen) == (stamp, tuple(names))
    np.testing.assert_array_equal(positions[0], values[0, :n])
    assert bool(np.isnan(velocities).all()) != moving


def test_every_byte_that_rclpy_defines_is_the_same() -> None:
    from geometry_msgs.msg import WrenchStamped
    from sensor_msgs.msg import JointState

    layouts = {
        WrenchStamped: wrench_layout("tool"),
        JointState: joint_state_layout(("shoulder", "wrist_1", "g")),
    }
    for kind, layout in layouts.items():
        values = np.arange(layout.width, dtype=float)[None] + 0.25
        ours = layout.encode(np.array([1_500_000_123]), values)[0]
        message = rclpy_serialization.deserialize_message(ours, kind)
        theirs = rclpy_serialization.serialize_message(message)[: len(ours)]
        defined = sorted({*layout.fixed, *range(4, 12), *_doubles(layout)})
        assert [ours[i] for i in defined] == [theirs[i] for i in defined]
        assert len(ours) - len(defined) < 24


def _doubles(layout: object) -> set[int]:
    return {i for o, n in layout.runs for i in range(o, o + 8 * n)}  # type: ignore[attr-defined]


def test_undefined_bytes_of_ros_do_not_disturb_decoding() -> None:
    from sensor_msgs.msg import JointState

    message = JointState(name=["a", "bcd"], position=[1.0, 2.0])
    message.header.frame_id = "x"
    payloads = []
    for i in range(5):
        message.header.stamp.sec = i
        payloads.append(rclpy_serialization.serialize_message(message))
    seen, names, positions, velocities = decode_joint_states(payloads)
    assert names == ("a", "bcd")
    np.testing.assert_array_equal(seen, np.arange(5) * 10**9)
    np.testing.assert_array_equal(positions, [[1.0, 2.0]] * 5)
    assert np.isnan(velocities).all()


@pytest.mark.parametrize(
    ("encoding", "shape", "dtype"),
    [("rgb8", (6, 8, 3), "u1"), ("16UC1", (6, 8), "u2"), ("32FC1", (4, 3), "f4")],
)
def test_image_round_trip_and_bytes_of_rosbags(
    encoding: str, shape: tuple[int, ...], dtype: str
) -> None:
    image = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    payload = encode_image(5_000_000_007, "cam", image, encoding)
    assert encode(decode(payload, "sensor_msgs/msg/Image")) == payload
    stamp, frame, back = decode_image(payload)
    assert (stamp, frame, back.dtype) == (5_000_000_007, "cam", image.dtype)
    np.testing.assert_array_equal(back, image)


def test_padded_rows_and_big_endian_images_are_understood() -> None:
    kind = message_class("sensor_msgs/msg/Image")
    image = np.arange(6, dtype=">u2").reshape(2, 3)
    rows = np.hstack([image.view(np.uint8), np.zeros((2, 2), np.uint8)])
    message = decode(encode_image(0, "c", image, "16UC1"), "sensor_msgs/msg/Image")
    padded = kind(
        header=message.header,
        height=2,
        width=3,
        encoding="16UC1",
        is_bigendian=1,
        step=8,
        data=rows.reshape(-1),
    )
    np.testing.assert_array_equal(decode_image(encode(padded))[2], image)


@given(st.integers(0, 75))
@settings(max_examples=30, deadline=None)
def test_truncated_payloads_raise_by_name(keep: int) -> None:
    payload = wrench_layout("tool").encode(np.array([1]), np.ones((1, 6)))[0]
    with pytest.raises(MessageDecodeError, match="WrenchStamped"):
        decode_wrenches([payload[:keep]])


def test_a_batch_that_changes_its_layout_is_refused() -> None:
    one = joint_state_layout(("a", "b")).encode(np.array([1]), np.ones((1, 4)))
    two = joint_state_layout(("a", "c")).encode(np.array([2]), np.ones((1, 4)))
    with pytest.raises(MessageDecodeError, match="changes its frame, names or sizes"):
        decode_joint_states(one + two)


def test_bad_images_raise_by_name() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(MessageDecodeError, match="encoding 'yuv'"):
        encode_image(0, "", image, "yuv")
    small = encode_image(0, "", image, "rgb8")
    with pytest.raises(MessageDecodeError, match="ends after"):
        decode_image(small[:-1])
    with pytest.raises(MessageDecodeError, match="changes its size"):
        decode_images([small, encode_image(0, "", np.zeros((3, 2, 3), np.uint8), "rgb8")])


def test_schema_and_hash_are_complete() -> None:
    text = schema_text(WRENCH)
    assert "MSG: std_msgs/Header" in text
    assert "float64 x" in text
    assert type_hash("std_msgs/msg/String").startswith("RIHS01_df668c740482bbd48fb39d76a70dfd4b")
