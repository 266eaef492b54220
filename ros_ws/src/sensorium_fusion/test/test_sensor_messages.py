"""Messages become the arrays that were sent, whatever their encoding; bad ones are named."""

import numpy as np
import pytest
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import ContractError, MessageDecodeError, ShapeError
from sensorium_core.image_cdr import encode_image
from sensorium_core.kinematics import JOINTS
from sensorium_fusion.sensor_messages import colour, decoder, depth_mm

RNG = np.random.default_rng(1)
STAMP = 1_700_000_000_123_456_789
COLOUR = RNG.integers(0, 256, (4, 6, 3), dtype=np.uint8)
DEPTH = RNG.integers(0, 5000, (4, 6), dtype=np.uint16)


def test_colour_comes_back_as_sent_without_a_copy():
    payload = encode_image(STAMP, "camera", COLOUR, "rgb8")
    stamp_ns, image = colour(payload)
    assert stamp_ns == STAMP
    np.testing.assert_array_equal(image, COLOUR)
    assert np.shares_memory(image, np.frombuffer(payload, np.uint8))


def test_bgr_comes_back_red_first():
    _, image = colour(encode_image(STAMP, "camera", COLOUR[..., ::-1], "bgr8"))
    np.testing.assert_array_equal(image, COLOUR)


def test_depth_comes_back_as_sent():
    stamp_ns, image = depth_mm(encode_image(STAMP, "camera", DEPTH, "16UC1"))
    assert (stamp_ns, image.dtype) == (STAMP, np.uint16)
    np.testing.assert_array_equal(image, DEPTH)


def test_depth_in_metres_becomes_millimetres_and_nothing_becomes_zero():
    metres = np.array([[0.5, np.nan, np.inf, 100.0, -1.0]], dtype=np.float32)
    _, image = depth_mm(encode_image(STAMP, "camera", metres, "32FC1"))
    np.testing.assert_array_equal(image, [[500, 0, 0, 65535, 0]])


@pytest.mark.parametrize(
    ("read", "image", "encoding"),
    [(colour, COLOUR[..., 0], "mono8"), (colour, DEPTH, "16UC1"), (depth_mm, COLOUR, "rgb8")],
)
def test_an_encoding_of_another_kind_is_refused_by_name(read, image, encoding):
    with pytest.raises(ShapeError, match=r"the_camera.*encoding"):
        read(encode_image(STAMP, "camera", image, encoding), "the_camera")


def test_an_image_with_too_few_bytes_is_refused():
    with pytest.raises(MessageDecodeError):
        colour(encode_image(STAMP, "camera", COLOUR, "rgb8")[:-1])


@pytest.mark.parametrize(("name", "width"), [("wrench", 6), ("touch_left", 3)])
def test_forces_come_as_wide_as_the_contract_wants(name, width):
    contract = tabletop()
    payload = wrench_layout("tool").encode_one(STAMP, np.arange(6.0))
    stamp_ns, value = decoder(contract.modality(name), contract)(payload)
    assert stamp_ns == STAMP
    np.testing.assert_array_equal(value, np.arange(width))


def test_joints_come_in_the_contract_s_order_whatever_the_driver_s():
    contract = tabletop()
    names = (*JOINTS[::-1], "wheel")
    payload = joint_state_layout(names).encode_one(STAMP, np.arange(16.0))
    _, values = decoder(contract.modality("joints"), contract)(payload)
    np.testing.assert_array_equal(values, [6, 5, 4, 3, 2, 1, 0, 14, 13, 12, 11, 10, 9, 8])


def test_an_absent_joint_is_an_error_that_names_the_joints():
    contract = tabletop()
    payload = joint_state_layout(JOINTS[:-1]).encode_one(STAMP, np.zeros(12))
    with pytest.raises(ShapeError, match="gripper_joint"):
        decoder(contract.modality("joints"), contract)(payload)


def test_every_modality_of_the_reference_contract_has_a_decoder():
    contract = tabletop()
    assert all(callable(decoder(modality, contract)) for modality in contract.modalities)


def test_a_message_that_cannot_be_read_is_refused_with_the_one_that_can():
    contract = tabletop()
    modality = contract.modality("wrench").model_copy(update={"message": "sensor_msgs/msg/Range"})
    with pytest.raises(ContractError, match="WrenchStamped"):
        decoder(modality, contract)
