"""Bags of several files: each stands alone, together they are one recording."""

from pathlib import Path

import pytest
import yaml
from rosbags.highlevel import AnyReader
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter, Split
from sensorium_recording.messages import decode_string, encode_string
from sensorium_recording.rosbag2_metadata import Offer, parse_offer

STRING = "std_msgs/msg/String"
NS = 10**9


def _write(path: Path, split: Split, background: bool = False, n: int = 3000) -> list[bytes]:
    payloads = [encode_string(f"{i} " + "x" * 3000) for i in range(n)]
    with BagWriter(path, "lz4", split, background) as bag:
        bag.write_metadata("contract", {"json": "{}"})
        bag.add_topic("/instruction", STRING, offer=Offer(latched=True, depth=1))
        bag.write("/instruction", STRING, NS, encode_string("wait"))
        bag.write("/instruction", STRING, NS, encode_string("pick up the red cube"))
        for i, payload in enumerate(payloads):
            bag.write("/talk", STRING, NS + i * 10_000_000, payload)
    return payloads


@pytest.mark.parametrize("background", [False, True], ids=["at once", "in the background"])
@pytest.mark.parametrize(
    "split", [Split(max_s=5.0), Split(max_bytes=2_000_000)], ids=["time", "size"]
)
def test_a_split_bag_reads_back_as_one(tmp_path: Path, split: Split, background: bool) -> None:
    payloads = _write(tmp_path / "ep", split, background)
    reader = BagReader(tmp_path / "ep")
    assert len(reader.files) > 3
    seen = list(reader.messages())
    assert [m.payload for m in seen if m.topic == "/talk"] == payloads
    said = [decode_string(m.payload) for m in seen if m.topic == "/instruction"]
    assert said == ["wait", "pick up the red cube"]


def test_every_file_alone_has_latched_messages_topics_and_metadata(tmp_path: Path) -> None:
    _write(tmp_path / "ep", Split(max_s=5.0))
    for file in BagReader(tmp_path / "ep").files[1:]:
        alone = BagReader(file)
        said = [decode_string(m.payload) for m in alone.messages({"/instruction"})]
        assert said == ["pick up the red cube"]
        assert alone.metadata() == {"contract": {"json": "{}"}}
        assert alone.channels()["/instruction"].offer == Offer(latched=True, depth=1)


def test_rosbags_opens_a_split_bag_and_counts_what_the_files_hold(tmp_path: Path) -> None:
    payloads = _write(tmp_path / "ep", Split(max_s=5.0))
    facts = yaml.safe_load((tmp_path / "ep" / "metadata.yaml").read_text())
    information = facts["rosbag2_bagfile_information"]
    with AnyReader([tmp_path / "ep"]) as other:
        raw = [raw for c, _, raw in other.messages() if c.topic == "/talk"]
        assert raw == payloads
        assert other.message_count == information["message_count"]
    assert len(information["files"]) == len(BagReader(tmp_path / "ep").files)
    assert sum(f["message_count"] for f in information["files"]) == information["message_count"]
    ends = [
        f["starting_time"]["nanoseconds_since_epoch"] + f["duration"]["nanoseconds"]
        for f in information["files"]
    ]
    assert ends == sorted(ends)


def test_files_are_read_by_number_not_by_alphabet(tmp_path: Path) -> None:
    _write(tmp_path / "ep", Split(max_s=2.0))
    reader = BagReader(tmp_path / "ep")
    assert len(reader.files) > 10
    times = [m.log_time_ns for m in reader.messages({"/talk"})]
    assert times == sorted(times)


def test_both_spellings_of_a_quality_are_understood() -> None:
    assert parse_offer("- {durability: 1, reliability: 2, depth: 3}") == Offer(True, False, 3)
    named = "- {durability: transient_local, reliability: best_effort, depth: 3}"
    assert parse_offer(named) == Offer(True, False, 3)
    assert parse_offer("") == parse_offer("{]") == parse_offer("7") == Offer()
