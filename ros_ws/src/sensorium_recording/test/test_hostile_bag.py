"""Files that nobody sane wrote are refused in words, never by a traceback."""

import struct
import zlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, DataEnd, Footer, Header, Schema
from sensorium_core.cdr import joint_state_layout
from sensorium_core.errors import BagError, SensoriumError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.card import make_card
from sensorium_recording.messages import encode_string
from sensorium_recording.repair import repair
from sensorium_recording.survey import survey

STRING = "std_msgs/msg/String"
MAGIC = b"\x89MCAP0\r\n"


def packed(record: object) -> bytes:
    builder = RecordBuilder()
    record.write(builder)  # type: ignore[attr-defined]
    return bytes(builder.end())


def message(payload: bytes, length: int | None = None, time_ns: int = 5) -> bytes:
    size = 22 + len(payload) if length is None else length
    return struct.pack("<BQHIQQ", Opcode.MESSAGE, size, 1, 0, time_ns, time_ns) + payload


DECLARED = packed(Schema(1, b"string data\n", "ros2msg", STRING)) + packed(
    Channel(1, "/said", "cdr", {}, 1)
)
GOOD = message(encode_string("hello"))


def write(file: Path, chunks: Sequence[bytes], with_crc: bool = False) -> Path:
    """An MCAP file whose chunks are whole as such, whatever they hold."""
    whole = b"".join(
        packed(Chunk("", data, 10, 1, zlib.crc32(data) if with_crc else 0, len(data)))
        for data in chunks
    )
    head, tail = packed(Header("ros2", "somebody")), packed(DataEnd(0)) + packed(Footer(0, 0, 0))
    file.write_bytes(MAGIC + head + whole + tail + MAGIC)
    return file


BAD = {
    "cut in a head": b"\x05\x00",
    "cut in a message": GOOD[:20],
    "length past the end": message(b"", length=1 << 60),
    "length too short": message(b"12345678", length=3),
    "a bad schema": struct.pack("<BQ", Opcode.SCHEMA, 4) + b"\xff\xff\xff\xff",
    "a channel of no text": struct.pack("<BQHHI", Opcode.CHANNEL, 10, 2, 1, 2) + b"\xff\xff",
    "a time out of range": message(encode_string("late"), time_ns=(1 << 64) - 1),
    "other record past the end": struct.pack("<BQ", 0x70, 1 << 40),
}


@pytest.mark.parametrize("with_crc", [False, True])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_record_in_a_whole_chunk_has_a_name(
    tmp_path: Path, bad: bytes, with_crc: bool
) -> None:
    file = write(tmp_path / "x.mcap", [DECLARED + GOOD + bad, GOOD], with_crc)
    for read in (lambda f: list(BagReader(f).messages()), make_card):
        with pytest.raises(BagError, match="bad record"):
            read(file)
    assert "bad record" in survey(tmp_path, "x.mcap", 0, 0).problem


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_repair_goes_on_after_a_bad_record(tmp_path: Path, bad: bytes) -> None:
    file = write(tmp_path / "x.mcap", [DECLARED + GOOD + bad + GOOD, GOOD])
    result = repair(file)
    assert result.messages >= 2
    assert result.messages == len(list(BagReader(result.bag).messages()))
    [(where, damage)] = result.damages
    assert where == file
    assert "bad record" in damage.problem
    assert file.read_bytes()[damage.offset] == Opcode.CHUNK
    assert damage.length == 9 + struct.unpack_from("<Q", file.read_bytes(), damage.offset + 1)[0]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.builds(
            lambda opcode, body, claimed: (
                struct.pack("<BQ", opcode, len(body) if claimed is None else claimed) + body
            ),
            st.sampled_from([3, 4, 5, 7, 0x90]),
            st.binary(max_size=60),
            st.none() | st.integers(0, 2**64 - 1),
        )
    )
)
def test_whatever_a_chunk_holds_only_our_errors_come_out(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    file = write(folder / "x.mcap", [DECLARED + b"".join(records) + GOOD])
    for read in (lambda f: list(BagReader(f).messages()), make_card, repair):
        with suppress(SensoriumError):
            read(file)


def test_joint_states_without_joints_have_a_card(tmp_path: Path) -> None:
    payload = joint_state_layout((), "base_link").encode_one(10**9, [])
    with BagWriter(tmp_path / "ep") as bag:
        for i in range(3):
            bag.write("/joint_states", "sensor_msgs/msg/JointState", 10**9 + i, payload)
    [stream] = make_card(tmp_path / "ep").streams
    assert (stream.count, stream.content) == (3, None)
