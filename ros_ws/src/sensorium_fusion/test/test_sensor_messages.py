"""Messages become the arrays that were sent, whatever their encoding; bad ones are named."""

from array import array

import numpy as np
import pytest
from geometry_msgs.msg import WrenchStamped
from sensor_msgs.msg import Image, JointState
from sensorium_core.contract import tabletop
from sensorium_core.errors import ContractError, ShapeError
from sensorium_core.kinematics import JOINTS
from sensorium_fusion.nodes.sensor_messages import (
    JointDecoder,
    colour_array,
    decoder,
    depth_array_mm,
    message_type,
    wrench_array,
)

RNG = np.random.default_rng(1)


def image(pixels, encoding, step=None, big_endian=False):
    rows = [row.tobytes() for row in pixels]
    step = step or len(rows[0])
    data = b"".join(row.ljust(step, b"\xee") for row in rows)
    return Image(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=step,
        is_bigendian=int(big_endian),
        data=array("B", data),
    )


COLOUR = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
DEPTH = RNG.integers(0, 5000, (4, 6), dtype=np.uint16)


@pytest.mark.parametrize("step", [None, 32])
def test_colour_comes_back_as_sent(step):
    np.testing.assert_array_equal(colour_array(image(COLOUR, "rgb8", step)), COLOUR)


def test_bgr_comes_back_red_first():
    np.testing.assert_array_equal(colour_array(image(COLOUR[..., ::-1], "bgr8")), COLOUR)


def test_a_colour_image_is_not_copied():
    message = image(COLOUR, "rgb8")
    assert np.shares_memory(colour_array(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize("step", [None, 16])
def test_depth_comes_back_as_sent(step):
    np.testing.assert_array_equal(depth_array_mm(image(DEPTH, "16UC1", step)), DEPTH)


def test_big_endian_depth_is_turned():
    message = image(DEPTH.astype(">u2"), "16UC1", big_endian=True)
    got = depth_array_mm(message)
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, DEPTH)


def test_depth_in_metres_becomes_millimetres_and_nothing_becomes_zero():
    metres = np.array([[0.5, np.nan, np.inf, 100.0, -1.0]], dtype=np.float32)
    np.testing.assert_array_equal(depth_array_mm(image(metres, "32FC1")), [[500, 0, 0, 65535, 0]])


@pytest.mark.parametrize(
    ("read", "encoding"),
    [(colour_array, "mono8"), (colour_array, "16UC1"), (depth_array_mm, "rgb8")],
)
def test_a_wrong_encoding_is_named(read, encoding):
    with pytest.raises(ShapeError, match=encoding):
        read(image(COLOUR, encoding), "scene_rgb")


def test_an_image_with_too_few_bytes_is_refused():
    message = image(COLOUR, "rgb8")
    message.data = message.data[:-1]
    with pytest.raises(ShapeError, match="71 bytes"):
        colour_array(message)


def test_a_wrench_comes_back_in_order():
    message = WrenchStamped()
    force, torque = message.wrench.force, message.wrench.torque
    force.x, force.y, force.z, torque.x, torque.y, torque.z = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    np.testing.assert_array_equal(wrench_array(message), [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(wrench_array(message, 3), [1, 2, 3])


def joint_state(names, values):
    return JointState(name=list(names), position=values, velocity=[10 * v for v in values])


def test_joints_come_in_the_contract_s_order_whatever_the_driver_s():
    decode = JointDecoder("joints", JOINTS)
    values = [float(i) for i in range(7)]
    expected = np.array(values + [10 * v for v in values])
    np.testing.assert_array_equal(decode(joint_state(JOINTS, values)), expected)
    turned = decode(joint_state((*JOINTS[::-1], "wheel"), [*values[::-1], 99.0]))
    np.testing.assert_array_equal(turned, expected)


def test_an_absent_joint_is_named():
    with pytest.raises(ShapeError, match="gripper_joint"):
        JointDecoder("joints", JOINTS)(joint_state(JOINTS[:-1], [0.0] * 6))


def test_joints_without_velocities_are_refused():
    message = joint_state(JOINTS, [0.0] * 7)
    message.velocity = []
    with pytest.raises(ShapeError, match="0 velocities"):
        JointDecoder("joints", JOINTS)(message)


def test_every_modality_of_the_reference_contract_has_a_type_and_a_decoder():
    contract = tabletop()
    for modality in contract.modalities:
        assert isinstance(message_type(modality), type)
        assert callable(decoder(modality, contract))


def test_a_message_type_that_cannot_be_read_is_refused_with_the_known_ones():
    modality = (
        tabletop().modality("wrench").model_copy(update={"message": "sensor_msgs/msg/Range"})
    )
    with pytest.raises(ContractError, match="WrenchStamped"):
        message_type(modality)
