"""Headers that claim gigabytes, robot descriptions that grow: refused before memory is spent."""

import struct
import tracemalloc

import pytest
from sensorium_core.cdr import (
    MAX_NAME_BYTES,
    MAX_NAMES,
    CdrBuilder,
    decode_joint_states,
    decode_wrenches,
)
from sensorium_core.errors import KinematicsError, MessageDecodeError
from sensorium_core.image_cdr import decode_image
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.nodes.raw import JointStateReader, read_image
from sensorium_core.urdf_text import MAX_DEPTH, check_urdf, read_number
from sensorium_description import load_urdf

TWO_GB = 2 << 30
LAUGHS = "".join(
    f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' if i else '<!ENTITY l0 "lol">' for i in range(10)
)
DTD = f'<?xml version="1.0"?><!DOCTYPE robot [{LAUGHS}]><robot name="&l9;"/>'


def image_header(rows: int, cols: int, step: int, size: int) -> bytes:
    """An `Image` of which the pixels are missing."""
    builder = CdrBuilder()
    builder.header(0, "camera")
    builder.u32(rows)
    builder.u32(cols)
    builder.string("rgb8")
    builder.u8(0)
    builder.u32(step)
    builder.u32(size)
    return builder.done()


@pytest.mark.parametrize(
    ("rows", "cols", "step", "size"),
    [
        (26755, 26755, 26755 * 3, TWO_GB),
        (1, 1, TWO_GB, TWO_GB),
        (2**32 - 1, 0, 0, 0),
        (0, 2**32 - 1, 2**32 - 1, 0),
        (16000, 16000, 48000, 16000 * 48000),
        (480, 640, 1920, 480 * 1920),
    ],
)
def test_an_image_that_is_only_a_header_takes_no_memory(rows, cols, step, size):
    payload = image_header(rows, cols, step, size)
    tracemalloc.start()
    for decode in (decode_image, lambda data: read_image(data, "rgb8")):
        with pytest.raises(MessageDecodeError):
            decode(payload)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def joint_state(names: int, length: int) -> bytes:
    """A `JointState` whose names are there and whose numbers are only claimed."""
    builder = CdrBuilder()
    builder.header(0, "")
    builder.u32(names)
    for _ in range(min(names, 2 * MAX_NAMES)):
        builder.string("j" * length)
    builder.u32(2**31)
    return builder.done()


@pytest.mark.parametrize(("names", "length"), [(2**32 - 1, 1), (MAX_NAMES + 1, 0), (1, 2000)])
def test_joint_states_are_bounded_in_names_and_their_length(names, length):
    payload = joint_state(names, length)
    for decode in (JointStateReader(JOINTS).read, lambda data: decode_joint_states([data])):
        with pytest.raises(MessageDecodeError, match=r"at most|bytes"):
            decode(payload)


def test_a_claim_of_two_thousand_million_efforts_is_refused():
    with pytest.raises(MessageDecodeError, match=f"{2**31} numbers; expected at most {MAX_NAMES}"):
        decode_joint_states([joint_state(7, 3)])


def test_a_frame_of_a_megabyte_is_refused():
    payload = b"\x00\x01\x00\x00" + struct.pack("<iII", 0, 0, 1 << 20) + bytes(1 << 20)
    with pytest.raises(MessageDecodeError, match=f"at most {MAX_NAME_BYTES}"):
        decode_wrenches([payload])


def test_our_own_robot_passes():
    assert check_urdf(load_urdf()) == load_urdf()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (DTD, "document type"),
        ('<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>', "document type"),
        ("<a>" * (MAX_DEPTH + 1), "nests deeper"),
        ("<r>" + "<a/>" * 60_000 + "</r>", "more than"),
        ("<robot", "cannot be read"),
        ("", "cannot be read"),
        ("x" * (5 << 20), "at most"),
        ("<r>\ud800</r>", "cannot be read"),
        ("<robot name='a'/>", "no robot"),
        ("<robot name='a'><link name='b'/></robot>", "no frame"),
    ],
)
def test_a_description_that_is_none_is_refused(text, words):
    with pytest.raises(KinematicsError, match=words):
        Kinematics(text)


def test_a_limit_that_is_no_number_is_refused():
    with pytest.raises(KinematicsError, match="where a number belongs"):
        read_number("fast")
