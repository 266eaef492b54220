"""The loader gives what the aligner gave, at random, from a cache that grows and never lies."""

import errno
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.cdr import NS
from sensorium_core.contract import tabletop
from sensorium_core.errors import CacheError, LoaderError
from sensorium_core.observation import sense_validity
from sensorium_description import load_urdf
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.episode_marks import Mark
from sensorium_recording.index import EpisodeIndex
from sensorium_recording.loader import EpisodeDataset
from sensorium_recording.messages import DIAGNOSTICS, Status, encode_diagnostics
from sensorium_recording.row_layout import RowLayout, Source
from sensorium_recording.row_store import RowStore
from sensorium_recording.splits import Shares

CONTRACT = tabletop()
Record = Callable[..., Path]


@pytest.fixture
def data(tmp_path: Path, record: Record) -> Path:
    for seed in range(3):
        record(tmp_path / "data" / f"bag_{seed}", seed=seed, instruction=f"do {seed}")
    return tmp_path / "data"


def dataset(data: Path, **options) -> EpisodeDataset:
    return EpisodeDataset(data, CONTRACT, **{"split": "all", **options})


def rows_file(data: Path) -> Path:
    return next((data / ".sensorium" / "cache").glob("*/g*/rows.bin"))


def test_items_are_the_aligned_frames_bit_for_bit(data: Path):
    loaded = dataset(data)
    i = 0
    for seed in range(3):
        for frame in aligned_frames(data / f"bag_{seed}", CONTRACT):
            item, seen = loaded[i], frame.observation
            assert item["t_ns"] == frame.t_ns
            assert item["instruction"] == f"do {seed}"
            np.testing.assert_array_equal(item["valid"], sense_validity(CONTRACT, seen))
            for name, value in seen.values.items():
                np.testing.assert_array_equal(item[name], value, err_msg=name)
            i += 1
    assert i == len(loaded) == 33


def test_a_chunk_holds_the_setpoints_of_the_frames_that_follow_and_says_where_it_is_padding(
    data: Path,
):
    loaded = dataset(data, horizon=4)
    for i in (0, 5, 8, 10, 11):
        item, k = loaded[i], i % 11
        pad = np.arange(k + 1, k + 5) > 10
        np.testing.assert_array_equal(item["action_is_pad"], pad)
        ahead = np.minimum(np.arange(k + 1, k + 5), 10)
        seconds = 1.0 + ahead * 0.1
        np.testing.assert_allclose(item["action"][:, 0], seconds / 10, atol=1e-6)
        assert item["action_tool"].shape == (4, 5)
        assert np.isfinite(item["action_tool"]).all()


def test_before_any_command_the_setpoint_is_unknown_and_the_tool_is_the_measured_one(data: Path):
    first = dataset(data)[0]
    assert np.isnan(first["setpoint"]).all()
    assert np.isfinite(first["tool"]).all()


def test_a_batch_is_its_items(data: Path):
    loaded = dataset(data)
    indices = np.array([30, 2, 2, 17])
    batch = loaded.batch(indices)
    for k, i in enumerate(indices.tolist()):
        item = loaded[i]
        for name, values in batch.items():
            np.testing.assert_array_equal(values[k], item[name], err_msg=name)
    assert loaded.instructions(indices) == ["do 2", "do 0", "do 0", "do 1"]


def test_rows_are_made_once_and_the_same_by_any_number_of_processes(data: Path, record: Record):
    for seed in range(3, 6):
        record(data / f"bag_{seed}", seed=seed)
    dataset(data)
    file = rows_file(data)
    before, made = file.read_bytes(), file.stat().st_mtime_ns
    dataset(data)
    assert file.stat().st_mtime_ns == made
    shutil.rmtree(data / ".sensorium" / "cache")
    dataset(data, workers=2)
    assert rows_file(data).read_bytes() == before


def test_a_directory_that_grows_keeps_its_rows_and_every_episode_its_split(
    data: Path, record: Record
):
    shares = Shares(0.4, 0.3, 0.3)
    loaded = {s: dataset(data, split=s, shares=shares) for s in ("train", "validation", "test")}
    before = rows_file(data).read_bytes()
    homes = {e.sha256: s for s, d in loaded.items() for e in d.episodes}
    for seed in range(3, 9):
        record(data / f"a_{seed}", seed=seed)
    for split, one in loaded.items():
        one.refresh()
        for episode in one.episodes:
            assert homes.setdefault(episode.sha256, split) == split
    assert rows_file(data).read_bytes()[: len(before)] == before
    assert len(homes) == 9
    assert sum(len(one.episodes) for one in loaded.values()) == 9


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.integers(0, 99)), unique=True))
def test_splits_are_disjoint_and_depend_on_nothing_but_the_episode(episodes):
    shares = Shares(0.5, 0.25, 0.25)
    homes = [shares.split_of(sha.hex(), number) for sha, number in episodes]
    assert set(homes) <= {"train", "validation", "test"}
    assert homes == [shares.split_of(sha.hex(), number) for sha, number in episodes]


def test_splits_have_their_shares():
    homes = [Shares(0.7, 0.2, 0.1).split_of("ab" * 32, number) for number in range(4000)]
    assert homes.count("train") == pytest.approx(2800, abs=120)
    assert homes.count("validation") == pytest.approx(800, abs=100)
    assert Shares(0.0, 0.0, 0.0).split_of("ab" * 32, 0) is None


def test_a_changed_bag_gets_new_rows_and_the_old_ones_are_dead(data: Path, record: Record):
    old = dataset(data)[0]["scene_rgb"]
    shutil.rmtree(data / "bag_0")
    record(data / "bag_0", seed=50)
    loaded = dataset(data)
    assert len(loaded) == 33
    assert not np.array_equal(loaded[0]["scene_rgb"], old)
    one_row = rows_file(data).stat().st_size // 44
    for name in ("bag_0", "bag_1"):
        shutil.rmtree(data / name)
    left = dataset(data)
    assert len(left) == 11
    assert rows_file(data).stat().st_size == 11 * one_row
    np.testing.assert_array_equal(left[3]["cloud"], loaded[25]["cloud"])


def test_a_renamed_or_copied_bag_needs_no_new_rows(data: Path):
    dataset(data)
    made = rows_file(data).stat().st_mtime_ns
    (data / "bag_0").rename(data / "z")
    shutil.copytree(data / "z", data / "copy")
    loaded = dataset(data)
    assert len(loaded) == 33
    assert rows_file(data).stat().st_mtime_ns == made


def test_a_build_that_was_cut_off_goes_on_and_gives_the_same(data: Path):
    dataset(data)
    whole = rows_file(data)
    expected, index = whole.read_bytes(), whole.parent / "bags.jsonl"
    lines = index.read_bytes().splitlines(keepends=True)
    index.write_bytes(lines[0] + lines[1][:-30])
    whole.write_bytes(expected[: len(expected) // 2])
    loaded = dataset(data)
    assert len(loaded) == 33
    assert rows_file(data).read_bytes() == expected


@pytest.mark.parametrize("kind", ["rows.bin", "actions.bin", "bags.jsonl"])
def test_what_is_lost_of_the_cache_is_made_again(data: Path, kind: str):
    dataset(data)
    expected, file = rows_file(data).read_bytes(), rows_file(data).parent / kind
    for text in (file.read_bytes()[:-9], b"", None):
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text)
        assert len(dataset(data)) == 33
        assert rows_file(data).read_bytes() == expected


def test_a_damaged_bag_is_left_out_and_named(data: Path):
    file = next((data / "bag_1").glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:5000])
    loaded = dataset(data)
    assert len(loaded) == 22
    assert list(loaded.problems) == ["bag_1"]
    assert {e.bag for e in loaded.episodes} == {"bag_0", "bag_2"}


def test_a_bag_that_changes_while_it_is_read_is_left_for_the_next_time(
    data: Path, record: Record, monkeypatch: pytest.MonkeyPatch
):
    def replaced(self: EpisodeIndex) -> list:
        shutil.rmtree(data / "bag_1")
        record(data / "bag_1", seed=60)
        return list(self._entries.values())

    with monkeypatch.context() as patch:
        patch.setattr(EpisodeIndex, "entries", property(replaced))
        loaded = dataset(data)
    assert [e.bag for e in loaded.episodes] == ["bag_0", "bag_2"]
    assert "changed while it was read" in loaded.problems["bag_1"]
    loaded.refresh()
    assert [e.bag for e in loaded.episodes] == ["bag_0", "bag_1", "bag_2"]


def test_a_cache_that_cannot_be_written_says_so(data: Path):
    (data / "place").write_text("a file")
    with pytest.raises(CacheError, match="cannot be written"):
        dataset(data, cache=data / "place")


def test_frames_that_lack_a_message_of_their_live_step_are_counted_and_told(data: Path):
    messages = list(BagReader(data / "bag_0").messages())
    for tenth, offset_ns in ((3, -10_000_000), (4, -5_000_000), (5, -10_000_000)):
        t = NS + tenth * NS // 10
        used = {"used/wrench": f"{offset_ns}:0"}
        payload = encode_diagnostics(t, [Status("policy", 0, "", used)])
        messages.append(RawMessage("/policy/step", DIAGNOSTICS, t + NS // 20, payload))
    with BagWriter(data / "live") as bag:
        for message in sorted(messages, key=lambda m: m.log_time_ns):
            bag.write(*message)
    loaded = dataset(data)
    assert len(loaded) == 44
    assert not loaded.problems
    assert list(loaded.notes) == ["live"]
    assert loaded.notes["live"].startswith("1 of 3 frames with a live step lack a message")
    assert dataset(data).notes == loaded.notes


def test_a_bag_that_the_disk_does_not_give_is_left_out_and_named(
    data: Path, monkeypatch: pytest.MonkeyPatch
):
    whole = BagReader.messages

    def failing(self: BagReader, topics=None) -> Iterator:
        yield from islice(whole(self, topics), 100)
        if self.path.name == "bag_1":
            raise OSError(errno.EIO, "Input/output error")
        yield from islice(whole(self, topics), 100, None)

    EpisodeIndex(data)
    monkeypatch.setattr(BagReader, "messages", failing)
    loaded = dataset(data)
    assert {e.bag for e in loaded.episodes} == {"bag_0", "bag_2"}
    assert "bag_1: cannot be read ([Errno 5]" in loaded.problems["bag_1"]
    monkeypatch.undo()
    loaded.refresh()
    assert (len(loaded), loaded.problems) == (33, {})


def test_a_reader_goes_on_when_the_rows_are_written_anew(data: Path):
    dataset(data)
    folder = rows_file(data).parents[1]
    reader = RowStore(folder, RowLayout.of(CONTRACT))
    for name in ("bag_0", "bag_1"):
        shutil.rmtree(data / name)
    expected = dataset(data)[5]["wrench"]
    assert not (folder / "g000001").exists()
    np.testing.assert_array_equal(reader.map().row(5)["wrench"][0], expected)
    assert reader.count == len(dataset(data))


def test_two_processes_do_not_build_one_cache(data: Path):
    loaded = dataset(data)
    shutil.rmtree(data / "bag_0")
    shutil.rmtree(data / "bag_1")
    with loaded._store.writing(), pytest.raises(CacheError, match="built by another process"):
        dataset(data)


def test_episodes_of_one_bag_have_their_own_frames(tmp_path: Path, record: Record):
    marks = [
        (0.2, Mark("start", 0, "one")), (0.4, Mark("end", 0, "one")),
        (0.5, Mark("start", 1, "two")), (0.8, Mark("end", 1, "two", "success")),
    ]  # fmt: skip
    record(tmp_path / "data" / "bag", marks=marks, instruction="")
    loaded = dataset(tmp_path / "data", horizon=2)
    assert [(e.number, e.rows, e.outcome) for e in loaded.episodes] == [
        (0, 3, ""), (1, 4, "success"),
    ]  # fmt: skip
    assert [loaded[i]["instruction"] for i in (0, 3)] == ["one", "two"]
    assert [loaded[i]["action_is_pad"].tolist() for i in (1, 2, 3)] == [
        [False, True], [True, True], [False, False],
    ]  # fmt: skip


def test_a_frame_at_the_time_of_an_instruction_is_that_instructions(
    tmp_path: Path, record: Record
):
    record(tmp_path / "data" / "bag", said=[(0.0, "one"), (0.5, "two")])
    loaded = dataset(tmp_path / "data")
    assert [(e.rows, e.instruction) for e in loaded.episodes] == [(5, "one"), (6, "two")]
    assert loaded.instructions(np.arange(11)) == ["one"] * 5 + ["two"] * 6


def test_another_contract_or_other_tensors_have_a_cache_of_their_own(data: Path):
    dataset(data)
    few = dataset(data, tensors=("joints", "wrench"))
    assert "scene_rgb" not in few[0]
    np.testing.assert_array_equal(few[7]["joints"], dataset(data)[7]["joints"])
    assert len(list((data / ".sensorium" / "cache").iterdir())) == 2


def longer_tool() -> str:
    """The reference cell's URDF with the tool's point 10 cm further away."""
    robot = ElementTree.fromstring(load_urdf())
    (joint,) = (j for j in robot.iter("joint") if j.find("child[@link='tool']") is not None)
    origin = joint.find("origin")
    assert origin is not None
    x, y, z = map(float, origin.get("xyz", "0 0 0").split())
    origin.set("xyz", f"{x} {y} {z + 0.1}")
    return ElementTree.tostring(robot, encoding="unicode")


def test_the_commanded_tool_is_that_of_the_robot_in_the_bag(tmp_path: Path, record: Record):
    record(tmp_path / "data" / "a")
    record(tmp_path / "data" / "b", urdf=load_urdf())
    record(tmp_path / "data" / "c", urdf=longer_tool())
    tools = dataset(tmp_path / "data").batch(np.arange(33))["tool"].reshape(3, 11, 5)
    np.testing.assert_array_equal(tools[0], tools[1])
    moved = np.linalg.norm(tools[2, :, :3] - tools[0, :, :3], axis=1)
    np.testing.assert_allclose(moved, 0.1, atol=1e-6)


def test_a_bag_whose_robot_cannot_be_read_is_left_out_and_named(tmp_path: Path, record: Record):
    record(tmp_path / "data" / "a")
    record(tmp_path / "data" / "b", urdf="<robot")
    loaded = dataset(tmp_path / "data")
    assert [e.bag for e in loaded.episodes] == ["a"]
    assert "robot_description that cannot be read" in loaded.problems["b"]


def test_another_reference_robot_has_a_cache_of_its_own(monkeypatch: pytest.MonkeyPatch):
    before = RowLayout.of(CONTRACT).key
    monkeypatch.setattr("sensorium_recording.row_layout.load_urdf", longer_tool)
    assert RowLayout.of(CONTRACT).key != before


@dataclass(frozen=True)
class Loudness:
    """A column: how bright the scene is, and whether the frame is an even one."""

    name: str = "loudness"
    version: int = 1

    @property
    def fields(self):
        return {"bright": ((2,), "float32"), "usable": ((), "bool")}

    def compute(self, source: Source, frames: Iterator) -> Mapping[str, np.ndarray]:
        bright = [frame.observation.values["scene_rgb"].mean() for frame, _ in frames]
        usable = np.arange(len(bright)) % 2 == 0
        return {"bright": np.array([[b, source.episode.number] for b in bright]), "usable": usable}


def test_columns_are_computed_in_the_same_pass_and_rows_that_are_not_usable_left_out(data: Path):
    loaded = dataset(data, columns=Loudness())
    assert len(loaded) == 18
    for i in range(18):
        item = loaded[i]
        assert item["bright"][0] == pytest.approx(item["scene_rgb"].mean(), rel=1e-5)
    assert loaded.batch(np.arange(18))["bright"].shape == (18, 2)


def test_what_makes_no_sense_is_refused_with_what_is_allowed(data: Path):
    with pytest.raises(LoaderError, match="expected train, validation, test, all"):
        dataset(data, split="dev")
    with pytest.raises(LoaderError, match="at most 1"):
        Shares(0.9, 0.2, 0.0)
    with pytest.raises(LoaderError, match="at least 1"):
        dataset(data, horizon=0)
    with pytest.raises(CacheError, match=r"no tensors \['smell'\]; name some of"):
        dataset(data, tensors=("smell",))


def test_an_empty_directory_is_an_empty_dataset(tmp_path: Path):
    assert len(dataset(tmp_path)) == 0
    assert EpisodeIndex(tmp_path).entries == []
