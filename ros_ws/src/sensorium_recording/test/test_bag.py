"""Bags: what we write others read, bytes are reproducible, damage has a name."""

from pathlib import Path

import lz4.frame
import numpy as np
import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.records import Chunk
from rosbags.highlevel import AnyReader
from sensorium_core.cdr import wrench_layout
from sensorium_core.errors import BagError
from sensorium_core.image_cdr import encode_image
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.mcap_records import inflate
from sensorium_recording.messages import encode_string

WRENCH = "geometry_msgs/msg/WrenchStamped"
STRING = "std_msgs/msg/String"
IMAGE = "sensor_msgs/msg/Image"


def _write(path: Path, n: int = 800, compression: str = "lz4") -> Path:
    rng = np.random.default_rng(0)
    stamps = np.arange(n) * 2_000_000 + 10**9
    payloads = wrench_layout("tool").encode(stamps, rng.normal(size=(n, 6)))
    with BagWriter(path, compression) as bag:  # type: ignore[arg-type]
        bag.write_metadata("episode", {"seed": "7"})
        bag.add_topic("/instruction", STRING, latched=True)
        bag.write("/instruction", STRING, 10**9, encode_string("pick up the red cube"))
        for i in range(n):
            bag.write("/wrench", WRENCH, int(stamps[i]), payloads[i])
            if i % 20 == 0:
                image = rng.integers(0, 255, (96, 128, 3)).astype(np.uint8)
                payload = encode_image(int(stamps[i]), "cam", image, "rgb8")
                bag.write("/camera/scene/image_raw", IMAGE, int(stamps[i]), payload)
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _write(tmp_path_factory.mktemp("bags") / "ep")


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_reader_returns_what_was_written(tmp_path: Path, compression: str) -> None:
    reader = BagReader(_write(tmp_path / "ep", compression=compression))
    seen = list(reader.messages())
    assert len(seen) == 841
    assert seen[0].payload == encode_string("pick up the red cube")
    assert reader.metadata() == {"episode": {"seed": "7"}}
    assert reader.topics()["/wrench"] == WRENCH
    assert [m.log_time_ns for m in reader.messages({"/wrench"})] == [
        10**9 + 2_000_000 * i for i in range(800)
    ]


def test_rosbags_reads_the_directory(bag: Path) -> None:
    ours = list(BagReader(bag).messages())
    with AnyReader([bag]) as reader:
        assert reader.message_count == len(ours)
        assert reader.topics["/instruction"].msgtype == STRING
        theirs = {(c.topic, t, bytes(raw)) for c, t, raw in reader.messages()}
        connection = next(c for c in reader.connections if c.topic == "/wrench")
        wrench = next(reader.messages([connection]))
        assert reader.deserialize(wrench[2], WRENCH).header.frame_id == "tool"
    assert theirs == {(m.topic, m.log_time_ns, m.payload) for m in ours}


def test_the_reference_library_reads_the_file_with_every_crc(bag: Path) -> None:
    from mcap.reader import make_reader
    from mcap.stream_reader import StreamReader

    ours = {(m.topic, m.log_time_ns, m.payload) for m in BagReader(bag).messages()}
    with (bag / "ep_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        assert {(c.topic, m.log_time, m.data) for _, c, m in reader.iter_messages()} == ours
        one = list(reader.iter_messages(["/wrench"], starting_at=10**9, ending_before=10**9 + 1))
        assert [m.log_time for _, _, m in one] == [10**9]
        statistics = reader.get_summary().statistics
    assert (statistics.message_count, statistics.metadata_count) == (841, 1)
    assert (statistics.message_start_time, statistics.chunk_count) == (10**9, 2)
    with (bag / "ep_0.mcap").open("rb") as stream:
        records = list(StreamReader(stream, validate_crcs=True).records)
    assert records[-1].summary_crc != 0


def test_we_read_what_rosbags_writes(tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    with Writer(tmp_path / "ep", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/instruction", STRING, typestore=store)
        writer.write(connection, 5, encode_string("hello"))
    (message,) = BagReader(tmp_path / "ep").messages()
    assert (message.topic, message.type_name, message.log_time_ns) == ("/instruction", STRING, 5)
    assert message.payload == encode_string("hello")


def test_same_messages_give_same_bytes(bag: Path, tmp_path: Path) -> None:
    again = _write(tmp_path / "ep")
    for name in ("ep_0.mcap", "metadata.yaml"):
        assert (again / name).read_bytes() == (bag / name).read_bytes()


def test_metadata_counts_and_times(bag: Path) -> None:
    info = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert info["message_count"] == 841
    assert info["starting_time"]["nanoseconds_since_epoch"] == 10**9
    assert info["duration"]["nanoseconds"] == 799 * 2_000_000
    latched = {
        t["topic_metadata"]["name"]: t["topic_metadata"]["offered_qos_profiles"][0]["durability"]
        for t in info["topics_with_message_count"]
    }
    assert (latched["/instruction"], latched["/wrench"]) == ("transient_local", "volatile")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    bag = BagWriter(tmp_path / "ep")
    bag.write("/instruction", STRING, 1, encode_string("a"))
    assert not (tmp_path / "ep").exists()
    with pytest.raises(RuntimeError), bag:
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_raises_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "bag", Path("/proc/bag")):
        with pytest.raises(BagError, match="cannot be written"):
            BagWriter(place)


def test_a_topic_has_one_type_and_a_bag_one_writer(bag: Path, tmp_path: Path) -> None:
    with pytest.raises(BagError, match="exists already"):
        BagWriter(bag)
    with BagWriter(tmp_path / "ep") as writer:
        writer.write("/a", STRING, 1, encode_string("a"))
        with pytest.raises(BagError, match="topic /a is std_msgs/msg/String"):
            writer.write("/a", WRENCH, 1, b"")


@given(cut=st.floats(0, 0.999))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_truncated_files_raise_by_name(bag: Path, tmp_path: Path, cut: float) -> None:
    data = (bag / "ep_0.mcap").read_bytes()
    file = tmp_path / "cut.mcap"
    file.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(BagError, match=r"damaged or cut short|is empty|without a footer"):
        list(BagReader(file).messages())


@given(place=st.floats(0.02, 0.9), bit=st.integers(0, 7))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_flipped_bits_never_pass_as_data(
    bag: Path, tmp_path: Path, place: float, bit: int
) -> None:
    data = bytearray((bag / "ep_0.mcap").read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    file = tmp_path / "flipped.mcap"
    file.write_bytes(data)
    sound = list(BagReader(bag).messages())
    try:
        seen = list(BagReader(file).messages())
    except BagError:
        return
    assert seen == sound


def test_wrong_paths_raise_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "text.mcap").write_text("this is no recording at all, is it")
    for path, problem in [
        (tmp_path / "none", "does not exist"),
        (tmp_path, "holds 2 recordings"),
        (tmp_path / "empty.mcap", "is empty"),
    ]:
        with pytest.raises(BagError, match=problem):
            BagReader(path)
    with pytest.raises(BagError, match="damaged or cut short"):
        list(BagReader(tmp_path / "text.mcap").messages())


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_chunk_that_unpacks_to_more_than_it_says_is_refused(compression: str) -> None:
    huge = bytes(50_000_000)
    data = lz4.frame.compress(huge) if compression == "lz4" else zstandard.compress(huge)
    chunk = Chunk(compression, data, 0, 0, 0, uncompressed_size=1000)
    with pytest.raises(BagError, match="1001 bytes instead of 1000"):
        inflate(Path("hostile.mcap"), chunk)
    vast = Chunk(compression, data, 0, 0, 0, uncompressed_size=1 << 60)
    with pytest.raises(BagError, match="at most"):
        inflate(Path("hostile.mcap"), vast)
