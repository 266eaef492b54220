"""The index holds every bag below a directory, reads each once, and no bag can stop it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sensorium_core.cdr import NS, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError
from sensorium_recording.bag_entry import BagEntry
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.card import make_card
from sensorium_recording.commands.bags import bags, summarise
from sensorium_recording.episode_marks import Mark
from sensorium_recording.index import EpisodeIndex
from sensorium_recording.messages import STRING, encode_string

CONTRACT = tabletop()
WRENCH = "geometry_msgs/msg/WrenchStamped"
Record = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path, record: Record) -> Path:
    for name in ("a", "b", "deep/er/c"):
        record(tmp_path / "data" / name, seed=len(name))
    return tmp_path / "data"


def only(directory: Path, path: str) -> BagEntry:
    return next(e for e in EpisodeIndex(directory).entries if e.path == path)


def test_every_bag_below_is_found_and_read_once(data: Path):
    first = EpisodeIndex(data)
    assert [e.path for e in first.entries] == ["a", "b", "deep/er/c"]
    assert first.read == 3
    again = EpisodeIndex(data)
    assert again.read == 0
    assert again.entries == first.entries
    assert again.refresh() == first.entries


def test_an_entry_tells_what_is_in_the_bag(data: Path):
    entry = only(data, "a")
    assert entry.state == "whole"
    assert entry.start_ns == NS
    assert entry.duration_s == 1.0
    assert entry.topics["/wrench"].count == 101
    assert entry.topics["/wrench"].rate_hz == pytest.approx(100)
    assert entry.topics["/camera/scene/image_raw"].longest_gap_s == pytest.approx(0.1)
    assert entry.messages == sum(t.count for t in entry.topics.values())
    (episode,) = entry.episodes
    assert (episode.start_ns, episode.end_ns) == (NS, 2 * NS)
    assert (episode.instruction, episode.outcome) == ("pick the ball", "success")
    assert episode.family == "pick"


def test_health_names_what_is_missing_and_what_fell_silent(data: Path):
    health = only(data, "a").health(CONTRACT)
    assert {h.problem for h in health.values()} == {""}
    assert health["touch_left"].share == pytest.approx(1.0, abs=0.02)
    gone = only(data, "a").health(CONTRACT, "left_arm")
    assert {h.problem for h in gone.values()} == {"missing"}


def test_marks_of_the_recorder_are_the_episodes(tmp_path: Path, record: Record):
    marks = [
        (0.1, Mark("start", 0, "one")), (0.4, Mark("end", 0, "one", "success")),
        (0.5, Mark("start", 1, "two")), (0.7, Mark("start", 2, "three")),
    ]  # fmt: skip
    record(tmp_path / "data" / "bag", marks=marks)
    episodes = only(tmp_path / "data", "bag").episodes
    assert [e.number for e in episodes] == [0, 1, 2]
    assert [e.instruction for e in episodes] == ["one", "two", "three"]
    times = [(e.start_ns / NS - 1, e.end_ns / NS - 1) for e in episodes]
    assert times == [
        pytest.approx((0.1, 0.4)), pytest.approx((0.5, 0.7)), pytest.approx((0.7, 1.0)),
    ]  # fmt: skip
    assert [e.outcome for e in episodes] == ["success", "", "success"]


def test_without_marks_each_instruction_is_an_episode_as_on_the_card(
    tmp_path: Path, record: Record
):
    said = [(0.2, "one"), (0.5, "two"), (0.8, ""), (0.9, "three")]
    bag = record(tmp_path / "data" / "bag", said=said)
    episodes = only(tmp_path / "data", "bag").episodes
    times = [(e.start_ns - NS, e.end_ns - NS) for e in episodes]
    tenth = NS // 10
    assert times == [(2 * tenth, 5 * tenth - 1), (5 * tenth, 8 * tenth), (9 * tenth, NS)]
    assert [e.family for e in episodes] == ["", "", "pick"]
    card = make_card(bag).episodes
    assert [(e.number, e.instruction, e.outcome) for e in episodes] == [
        (e.number, e.instruction, e.outcome) for e in card
    ]


def test_a_bag_without_instructions_is_one_episode_as_on_the_card(tmp_path: Path, record: Record):
    bag = record(tmp_path / "data" / "bag", said=[])
    (episode,) = only(tmp_path / "data", "bag").episodes
    assert (episode.start_ns, episode.end_ns) == (NS, 2 * NS)
    assert (episode.instruction, episode.outcome) == ("", "success")
    (shown,) = make_card(bag).episodes
    assert (shown.instruction, shown.outcome) == ("", "success")


def test_episodes_are_by_the_stamps_of_the_senses_whatever_clock_recorded_them(
    tmp_path: Path, record: Record
):
    plain = record(tmp_path / "plain", said=[(0.0, "one"), (0.45, "two")])
    with BagWriter(tmp_path / "data" / "bag") as bag:
        for message in BagReader(plain).messages():
            log_ns = message.log_time_ns + 1_700_000_000 * NS
            bag.write(message.topic, message.type_name, log_ns, message.payload)
    one, two = only(tmp_path / "data", "bag").episodes
    assert one.start_ns == NS
    assert two.start_ns == pytest.approx(1.45 * NS, abs=NS // 50)
    assert two.end_ns == 2 * NS


def test_a_clock_that_is_set_back_makes_no_time_negative(tmp_path: Path):
    def rows(start_s: int) -> list[tuple[str, str, int, bytes]]:
        layout = wrench_layout("tool")
        stamps = [start_s * NS + i * NS // 100 for i in range(301)]
        payload = layout.encode_one
        return [("/wrench", WRENCH, t, payload(t, np.zeros(6))) for t in stamps]

    with BagWriter(tmp_path / "data" / "bag") as bag:
        for row in [*rows(5000), *rows(100)]:
            bag.write(*row)
    entry = only(tmp_path / "data", "bag")
    assert entry.duration_s == pytest.approx(6.0)
    assert entry.health(CONTRACT)["wrench"].share > 0
    assert summarise([entry]).hours == pytest.approx(6.0 / 3600)


def test_messages_out_of_order_do_not_make_a_recording_longer(tmp_path: Path):
    with BagWriter(tmp_path / "data" / "bag") as bag:
        for i in range(100):
            for late_ns in (0, NS // 20):
                t = NS + i * NS // 100 - late_ns + NS // 20
                bag.write("/instruction", STRING, t, encode_string("go"))
    assert only(tmp_path / "data", "bag").duration_s == pytest.approx(0.99)


def test_bags_that_come_change_or_go_are_noticed(data: Path, record: Record):
    index = EpisodeIndex(data)
    old = {e.path: e.sha256 for e in index.entries}
    record(data / "d", seed=9)
    shutil.rmtree(data / "b")
    shutil.rmtree(data / "a")
    record(data / "a", seed=77)
    new = {e.path: e.sha256 for e in index.refresh()}
    assert index.read == 2
    assert list(new) == ["a", "d", "deep/er/c"]
    assert new["a"] != old["a"]
    assert new["deep/er/c"] == old["deep/er/c"]


def test_a_moved_bag_keeps_its_hash(data: Path):
    before = only(data, "a").sha256
    (data / "a").rename(data / "z")
    assert only(data, "z").sha256 == before


def damage(kind: str, file: Path) -> None:
    whole = file.read_bytes()
    if kind == "empty":
        file.write_bytes(b"")
    elif kind == "truncated":
        file.write_bytes(whole[: len(whole) // 2])
    elif kind == "flipped":
        middle = len(whole) // 2
        file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :])
    elif kind == "foreign":
        file.write_bytes(b"not a bag at all" * 100)
    else:
        file.unlink()


@pytest.mark.parametrize("kind", ["empty", "truncated", "flipped", "foreign", "gone"])
def test_a_bad_bag_is_an_entry_with_its_problem_and_the_others_are_read(data: Path, kind: str):
    damage(kind, next((data / "b").glob("*.mcap")))
    entries = {e.path: e for e in EpisodeIndex(data).entries}
    assert entries["b"].state == "damaged"
    assert entries["b"].problem.startswith("bag ")
    assert entries["b"].episodes == ()
    assert [e.state for e in entries.values() if e.path != "b"] == ["whole", "whole"]


def test_a_recording_in_progress_is_listed_and_not_read(data: Path):
    (data / "b").rename(data / "b.partial")
    index = EpisodeIndex(data)
    assert [(e.path, e.state) for e in index.entries][1] == ("b.partial", "recording")
    assert index.read == 2


def test_a_torn_last_line_is_read_anew_and_the_rest_kept(data: Path):
    EpisodeIndex(data)
    file = data / ".sensorium" / "index.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    assert EpisodeIndex(data).read == 1
    assert EpisodeIndex(data).read == 0


def test_an_index_too_large_to_read_is_made_anew(data: Path, monkeypatch):
    EpisodeIndex(data)
    file = data / ".sensorium" / "index.jsonl"
    whole = file.read_bytes()
    monkeypatch.setattr("sensorium_recording.index._MOST_BYTES", len(whole))
    file.write_bytes(whole + b"\n" * 10)
    assert EpisodeIndex(data).read == 3
    assert EpisodeIndex(data).read == 0


def test_a_bare_file_is_a_bag_too_and_hidden_folders_are_not_searched(data: Path):
    file = next((data / "a").glob("*.mcap"))
    shutil.copy(file, data / "bare.mcap")
    (data / ".hidden").mkdir()
    shutil.copy(file, data / ".hidden" / "x.mcap")
    entries = {e.path: e.sha256 for e in EpisodeIndex(data).entries}
    assert list(entries) == ["a", "b", "bare.mcap", "deep/er/c"]
    assert entries["bare.mcap"] == entries["a"]


def test_links_are_followed_and_a_loop_of_them_ends(data: Path, tmp_path: Path, record: Record):
    record(tmp_path / "elsewhere" / "linked", seed=8)
    (data / "x").symlink_to(tmp_path / "elsewhere")
    (data / "deep" / "loop").symlink_to(data)
    assert [e.path for e in EpisodeIndex(data).entries] == ["a", "b", "deep/er/c", "x/linked"]


def test_a_recording_that_ends_while_we_look_is_found_the_next_time(
    data: Path, monkeypatch: pytest.MonkeyPatch
):
    (data / "b").rename(data / "b.partial")
    walk = os.walk

    def renamed(top: Path, **options):
        for folder, below, files in walk(top, **options):
            if Path(folder).name == "b.partial":
                (data / "b.partial").rename(data / "b")
            yield folder, below, files

    with monkeypatch.context() as patch:
        patch.setattr(os, "walk", renamed)
        index = EpisodeIndex(data)
    assert [e.path for e in index.entries] == ["a", "deep/er/c"]
    assert [e.path for e in index.refresh()] == ["a", "b", "deep/er/c"]


def test_several_processes_make_the_same_index(data: Path, record: Record):
    for i in range(3):
        record(data / f"more_{i}", seed=i)
    one = EpisodeIndex(data).entries
    shutil.rmtree(data / ".sensorium")
    assert EpisodeIndex(data, workers=2).entries == one


def test_a_place_that_cannot_be_written_is_indexed_all_the_same(data: Path):
    (data / ".sensorium").write_text("in the way")
    index = EpisodeIndex(data)
    assert len(index.entries) == 3
    assert "not kept" in index.unsaved


def test_what_is_no_directory_of_bags_is_refused(data: Path):
    with pytest.raises(BagError, match="is a bag itself; name the directory"):
        EpisodeIndex(data / "a")
    with pytest.raises(BagError, match="is no directory"):
        EpisodeIndex(data / "nothing")


def test_the_command_lists_bags_and_sums_them_up(data: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(os.environ, "COLUMNS", "200")
    damage("truncated", next((data / "b").glob("*.mcap")))
    shown = CliRunner().invoke(bags, [str(data)]).output
    assert "3 bags (2 whole, 1 damaged)" in shown
    assert "pick: 2 of 2 succeeded" in shown
    assert "pick the ball" in shown
    assert "cut short" in shown
    result = CliRunner().invoke(bags, [str(data), "--json"])
    told = json.loads(result.stdout)
    assert told["summary"]["outcomes"] == {"success": 2}
    assert [b["path"] for b in told["bags"]] == ["a", "b", "deep/er/c"]
