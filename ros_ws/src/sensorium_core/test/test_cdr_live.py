"""One message at a time reads what the batch codecs wrote."""

import numpy as np
import pytest
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.cdr_live import JointStateReader, read_stamp, read_wrench
from sensorium_core.errors import MessageDecodeError

STAMP = 1_700_000_123_456_789_012
NAMES = ("a", "bc", "def")
VALUES = np.arange(6, dtype=float) + 0.5


@pytest.mark.parametrize("frame", ["", "tool", "pad_left", "a_frame_of_odd_length"])
def test_a_wrench_comes_back(frame):
    payload = wrench_layout(frame).encode_one(STAMP, VALUES)
    stamp_ns, wrench = read_wrench(payload)
    assert stamp_ns == read_stamp(payload, "x") == STAMP
    np.testing.assert_array_equal(wrench, VALUES)


def test_one_message_has_the_bytes_of_a_batch_of_one():
    for layout in (wrench_layout("tool"), joint_state_layout(NAMES, "base_link")):
        batch = layout.encode(np.array([STAMP]), VALUES[None])
        assert layout.encode_one(STAMP, VALUES) == batch[0]


def test_joints_come_in_the_order_that_is_wanted():
    reader = JointStateReader(("def", "a"))
    stamp_ns, values = reader.read(joint_state_layout(NAMES).encode_one(STAMP, VALUES))
    assert stamp_ns == STAMP
    np.testing.assert_array_equal(values, [2.5, 0.5, 5.5, 3.5])


def test_a_driver_may_change_its_order():
    reader = JointStateReader(("a", "bc"))
    reader.read(joint_state_layout(NAMES).encode_one(STAMP, VALUES))
    _, values = reader.read(joint_state_layout(("bc", "a", "x")).encode_one(STAMP, VALUES))
    np.testing.assert_array_equal(values, [1.5, 0.5, 4.5, 3.5])


def test_an_absent_joint_is_named():
    with pytest.raises(MessageDecodeError, match="gripper"):
        JointStateReader(("gripper",)).read(joint_state_layout(NAMES).encode_one(STAMP, VALUES))


def test_joints_without_velocities_are_refused():
    payload = joint_state_layout(NAMES, "", (3, 0, 0)).encode_one(STAMP, VALUES[:3])
    with pytest.raises(MessageDecodeError, match="velocities"):
        JointStateReader(NAMES).read(payload)


def test_velocities_that_vanish_later_are_refused():
    reader = JointStateReader(NAMES)
    reader.read(joint_state_layout(NAMES).encode_one(STAMP, VALUES))
    payload = joint_state_layout(NAMES, "", (3, 0, 0)).encode_one(STAMP, VALUES[:3])
    with pytest.raises(MessageDecodeError, match="velocities"):
        reader.read(payload)


@pytest.mark.parametrize("size", [0, 3, 15, 40])
def test_truncated_messages_are_refused(size):
    wrench = wrench_layout("tool").encode_one(STAMP, VALUES)
    joints = joint_state_layout(NAMES).encode_one(STAMP, VALUES)
    with pytest.raises(MessageDecodeError):
        read_wrench(wrench[:size])
    with pytest.raises(MessageDecodeError):
        JointStateReader(NAMES).read(joints[:size])
