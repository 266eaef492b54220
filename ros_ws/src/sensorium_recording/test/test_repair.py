"""What is whole in a damaged bag is recovered; what is not is told, topic by topic."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import Writer
from sensorium_core.errors import BagError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter, Split
from sensorium_recording.commands.repair import repair as command
from sensorium_recording.mcap_records import summary_declarations
from sensorium_recording.messages import encode_string
from sensorium_recording.repair import repair
from sensorium_recording.typestore import schema_text

STRING = "std_msgs/msg/String"
NS = 10**9
N = 2000


def _fill(bag: BagWriter) -> None:
    rng = np.random.default_rng(0)
    bag.write_metadata("contract", {"json": "{}"})
    for i in range(N):
        noise = rng.integers(33, 120, 3000).astype(np.uint8).tobytes().decode("ascii")
        bag.write("/a" if i % 2 else "/b", STRING, NS + i * 10_000_000, encode_string(noise))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bags") / "ep"
    with BagWriter(path) as bag:
        _fill(bag)
    return path


def _damaged(whole: Path, folder: Path, data: bytes) -> Path:
    source = folder / "bad"
    source.mkdir(parents=True)
    (source / "ep_0.mcap").write_bytes(data)
    return source


def _payloads(bag: Path) -> list[bytes]:
    return [m.payload for m in BagReader(bag).messages()]


def test_a_killed_recording_keeps_every_whole_chunk(tmp_path: Path) -> None:
    bag = BagWriter(tmp_path / "ep", background=True)
    _fill(bag)
    bag.flush()
    bag.abandon()
    expected = N
    with (tmp_path / "ep.partial" / "ep_0.mcap").open("ab") as torn:
        torn.write(b"\x06" + b"\xff\x00\x00\x00\x00\x00\x00\x00" + b"torn")
    with pytest.raises(BagError, match="stop the recording"):
        list(BagReader(tmp_path / "ep.partial").messages())
    result = repair(tmp_path / "ep.partial")
    assert (result.bag, result.messages) == (tmp_path / "ep", expected)
    assert result.missing == {}
    assert "cut short" in result.damages[0][1].problem
    assert BagReader(result.bag).metadata() == {"contract": {"json": "{}"}}
    assert (tmp_path / "ep.partial" / "ep_0.mcap").exists()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(share=st.floats(0.0, 1.0))
def test_wherever_it_is_cut_what_is_before_is_kept(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    data = (whole / "ep_0.mcap").read_bytes()
    source = _damaged(whole, folder, data[: round(share * len(data))])
    original = _payloads(whole)
    if share < 0.2:
        with suppress(BagError):
            repair(source, folder / "out")
        return
    result = repair(source, folder / "out")
    kept = _payloads(result.bag)
    assert kept == original[: len(kept)]
    assert len(kept) >= min(share * N - 400, N)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0.0, 0.999), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_one_chunk_at_most_and_is_counted(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    folder = tmp_path_factory.mktemp("flip")
    data = bytearray((whole / "ep_0.mcap").read_bytes())
    data[round(place * (len(data) - 1))] ^= 1 << bit
    result = repair(_damaged(whole, folder, bytes(data)), folder / "out")
    original, kept = _payloads(whole), _payloads(result.bag)
    assert set(kept) <= set(original)
    lost = len(original) - len(kept)
    assert lost <= 800
    in_last_chunk = original[-1] not in kept
    assert in_last_chunk or sum(result.missing.values()) == lost
    assert not lost or result.damages


def test_files_of_a_split_bag_are_repaired_together(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "ep", split=Split(max_s=5.0)) as bag:
        _fill(bag)
    files = BagReader(tmp_path / "ep").files
    original = _payloads(tmp_path / "ep")
    files[1].write_bytes(files[1].read_bytes()[:5000])
    files[2].write_bytes(b"")
    result = repair(tmp_path / "ep")
    kept = _payloads(result.bag)
    assert result.bag == tmp_path / "ep_repaired"
    assert set(kept) <= set(original)
    assert len(kept) + sum(result.missing.values()) == len(original)
    assert {file.name for file, _ in result.damages} == {files[1].name, files[2].name}


def test_what_is_no_recording_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.mcap").write_bytes(b"this is no recording at all" * 100)
    with pytest.raises(BagError, match="nothing can be recovered"):
        repair(tmp_path / "x.mcap")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BagError, match="name a recording"):
        repair(tmp_path / "empty")
    assert not list(tmp_path.glob("*repair*"))


def test_an_existing_output_is_not_overwritten(whole: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(BagError, match="exists already; remove it or name another with --output"):
        repair(whole, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _cut_off(folder: Path) -> Path:
    bag = BagWriter(folder / "ep")
    _fill(bag)
    bag.flush()
    return bag.abandon()


def test_repair_twice_says_so_and_leaves_both_bags(tmp_path: Path) -> None:
    source = _cut_off(tmp_path)
    first = repair(source).bag
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    with pytest.raises(BagError, match="ep: exists already"):
        repair(source)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ep", "ep.partial"]
    assert sorted(path.name for path in first.iterdir()) == ["ep_0.mcap", "metadata.yaml"]
    assert "ep_0.mcap" in (first / "metadata.yaml").read_text()


def test_a_repair_that_was_killed_is_no_obstacle(tmp_path: Path) -> None:
    source = _cut_off(tmp_path)
    scratch = tmp_path / "ep.repairing.partial"
    scratch.mkdir()
    (scratch / "ep_0.mcap").write_bytes(b"half")
    assert repair(source).messages == N
    assert not scratch.exists()


def test_what_a_killed_repair_left_is_not_removed_while_it_is_the_source(tmp_path: Path) -> None:
    source = _cut_off(tmp_path).rename(tmp_path / "ep.repairing.partial")
    with pytest.raises(BagError, match="exists already"):
        repair(source, tmp_path / "ep")
    assert len(repair(source, tmp_path / "other").damages) <= 1
    assert (source / "ep_0.mcap").exists()


def _foreign(file: Path, channels: list[tuple[str, str, str]]) -> Path:
    """Ten messages in turn on each of `(topic, type, definition)`."""
    with file.open("wb") as stream:
        writer = Writer(stream)
        writer.start("ros2")
        numbers = [
            writer.register_channel(
                topic, "cdr", writer.register_schema(kind, "ros2msg", text.encode())
            )
            for topic, kind, text in channels
        ]
        for i in range(10 * len(numbers)):
            writer.add_message(numbers[i % len(numbers)], NS + i, encode_string(str(i)), NS + i)
        writer.finish()
    return file


def test_messages_of_a_second_type_are_left_out_and_told(tmp_path: Path) -> None:
    file = _foreign(
        tmp_path / "x.mcap",
        [
            ("/a", STRING, "string data"),
            ("/a", "std_msgs/msg/Int32", "int32 data"),
            ("/b", STRING, "string data"),
        ],
    )
    result = repair(file)
    assert result.messages == 20
    [((topic, why), count)] = result.left_out.items()
    assert (topic, count) == ("/a", 10)
    assert "Int32" in why
    assert BagReader(result.bag).topics() == {"/a": STRING, "/b": STRING}
    told = CliRunner().invoke(command, [str(file), "--output", str(tmp_path / "again")]).output
    assert "/a: 10 left out: they are std_msgs/msg/Int32" in told
    assert "nothing is missing" not in told


def test_definitions_stay_those_of_the_source(tmp_path: Path) -> None:
    file = _foreign(
        tmp_path / "x.mcap",
        [
            ("/jazzy", STRING, "string data"),
            ("/other", "std_msgs/msg/Int32", "string renamed"),
            ("/own", "my_msgs/msg/Thing", "string name"),
            ("/garbled", "my_msgs/msg/Garbled", "what is this ("),
            ("/endless", "my_msgs/msg/Endless", "my_msgs/Endless itself"),
            ("/nameless", "my_msgs/msg/Nothing", " "),
        ],
    )
    result = repair(file)
    schemas, _ = summary_declarations(result.bag / "x_repaired_0.mcap") or ({}, [])
    written = {schema.name: schema.data.decode() for schema in schemas.values()}
    assert written == {
        STRING: schema_text(STRING),
        "std_msgs/msg/Int32": "string renamed",
        "my_msgs/msg/Thing": "string name",
        "my_msgs/msg/Garbled": "what is this (",
        "my_msgs/msg/Endless": "my_msgs/Endless itself",
    }
    assert [(topic, n) for (topic, _), n in result.left_out.items()] == [("/nameless", 10)]
    assert len(result.notes) == 3
