"""The LeRobotDataset that is written: what the aligner saw, at a constant rate, nothing lost.

Whether lerobot itself loads it and trains with it is for `benchmarks/loading.py`.
"""

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from sensorium_core.cdr import NS
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError, ContractError, ExportError
from sensorium_core.observation import sense_validity
from sensorium_recording.alignment import Span, aligned_frames
from sensorium_recording.commands.export_lerobot import export_lerobot
from sensorium_recording.grid import Grid
from sensorium_recording.index import EpisodeIndex
from sensorium_recording.lerobot import tables, videos
from sensorium_recording.lerobot.export import Exported, Settings, Source, export
from sensorium_recording.lerobot.sources import choose
from sensorium_recording.lerobot.statistics import QUANTILES
from sensorium_recording.splits import Shares

from .lerobot_bags import record

CONTRACT = tabletop()
CAMERAS = ("observation.images.scene", "observation.images.wrist")


def exported(folder: Path, *bags: Path, task: str = "", **settings) -> Exported:
    sources = [Source(bag, task=task) for bag in bags]
    return export(sources, folder / "out", Settings(CONTRACT, **settings))


def rows(made: Exported) -> dict[str, np.ndarray]:
    """Every column of numbers, over all files."""
    files = sorted((made.path / "data").glob("*/*.parquet"))
    columns = [pq.read_table(file).to_pydict() for file in files]
    return {
        name: np.array([row for table in columns for row in table[name]])
        for name in columns[0]
        if name not in CAMERAS
    }


def pictures(made: Exported, camera: str) -> np.ndarray:
    files = sorted((made.path / "data").glob("*/*.parquet"))
    cells = [cell for file in files for cell in pq.read_table(file)[camera].to_pylist()]
    return np.stack([np.asarray(Image.open(BytesIO(cell["bytes"]))) for cell in cells])


def episode_rows(made: Exported) -> list[dict]:
    files = sorted((made.path / "meta/episodes").glob("*/*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def info(made: Exported) -> dict:
    return json.loads((made.path / "meta/info.json").read_text())


def seen_on_grid(bag: Path, fps: int) -> list:
    """What the aligner gives, from the instruction on."""
    frames = aligned_frames(bag, CONTRACT, grid=Grid(fps))
    return [frame for frame in frames if frame.instruction]


def test_rows_are_the_aligners_tensors_to_the_last_bit(tmp_path):
    bag = record(tmp_path, "a")
    made = exported(tmp_path, bag, images="image", cloud=True)
    found, frames = rows(made), seen_on_grid(bag, 10)
    assert made.frames == len(frames) - 1 == len(found["index"])
    for name in ("wrench", "touch_left", "touch_right", "cloud"):
        wanted = np.stack([f.observation.values[name] for f in frames[:-1]])
        flat = wanted.reshape(len(wanted), -1)
        np.testing.assert_array_equal(found[f"observation.{name}"].astype(np.float32), flat)
    wanted = np.stack([f.observation.values["joints"] for f in frames[:-1]])
    np.testing.assert_array_equal(found["observation.state"].astype(np.float32), wanted)
    wanted = np.stack([sense_validity(CONTRACT, f.observation) for f in frames[:-1]])
    np.testing.assert_array_equal(found["observation.validity"], wanted)
    for camera, name in zip(CAMERAS, ("scene_rgb", "wrist_rgb"), strict=True):
        wanted = np.stack([f.observation.values[name] for f in frames[:-1]])
        np.testing.assert_array_equal(pictures(made, camera), wanted)


def test_the_action_is_where_the_commands_send_the_joints_by_the_next_frame(tmp_path):
    bag = record(tmp_path, "a")
    found, frames = rows(exported(tmp_path, bag)), seen_on_grid(bag, 10)
    commanded = [f.setpoint for f in frames[1:]]
    measured = [f.observation.values["joints"][:7] for f in frames[1:]]
    assert commanded[0] is None
    assert commanded[-1] is not None
    wanted = [m if c is None else c for c, m in zip(commanded, measured, strict=True)]
    np.testing.assert_array_equal(
        found["action"].astype(np.float32), np.array(wanted, dtype=np.float32)
    )


def test_counters_run_through_and_time_is_the_frame_number_over_the_rate(tmp_path):
    bags = [record(tmp_path, f"bag{i}", i, words=f"task {i % 2}") for i in range(3)]
    made = exported(tmp_path, *bags)
    found, episodes = rows(made), episode_rows(made)
    np.testing.assert_array_equal(found["index"], np.arange(made.frames))
    np.testing.assert_array_equal(
        found["timestamp"].astype(np.float32), (found["frame_index"] / 10).astype(np.float32)
    )
    for number, row in enumerate(episodes):
        part = slice(row["dataset_from_index"], row["dataset_to_index"])
        assert (found["episode_index"][part] == number).all()
        assert (found["task_index"][part] == number % 2).all()
        np.testing.assert_array_equal(found["frame_index"][part], np.arange(row["length"]))
        assert np.flatnonzero(found["next.done"][part]).tolist() == [row["length"] - 1]
        assert row["tasks"] == [f"task {number % 2}"]
        assert (row["bag"], row["start_ns"]) == (f"bag{number}", NS + 300_000_000)
    about = info(made)
    assert (about["total_episodes"], about["total_frames"], about["total_tasks"]) == (
        3, made.frames, 2
    )  # fmt: skip
    tasks = pq.read_table(made.path / "meta/tasks.parquet")
    assert tasks.to_pydict() == {
        "task_index": [0, 1], "__index_level_0__": ["task 0", "task 1"]
    }  # fmt: skip


def test_each_frame_of_a_video_is_the_picture_of_its_row(tmp_path):
    bags = [record(tmp_path, f"bag{i}", i) for i in range(2)]
    made = exported(tmp_path, *bags)
    wanted = [f.observation.values["wrist_rgb"] for b in bags for f in seen_on_grid(b, 10)[:-1]]
    with av.open(str(made.path / "videos" / CAMERAS[1] / "chunk-000/file-000.mp4")) as file:
        decoded = list(file.decode(video=0))
    shown = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded]).astype(float)
    error = np.array([np.abs(shown - picture).mean((1, 2, 3)) for picture in wanted])
    np.testing.assert_allclose([f.time for f in decoded], np.arange(made.frames) / 10, atol=1e-6)
    length = made.frames // 2
    for part in (slice(0, length), slice(length, None)):
        assert (error[part, part].argmin(1) == np.arange(length)).all()
    times = [(row[f"videos/{CAMERAS[1]}/from_timestamp"], row["length"]) for row in
             episode_rows(made)]  # fmt: skip
    assert times == [(0.0, length), (length / 10, length)]


def test_statistics_are_those_of_all_rows(tmp_path):
    bags = [record(tmp_path, f"bag{i}", i) for i in range(2)]
    made = exported(tmp_path, *bags, images="image")
    found, stats = rows(made), json.loads((made.path / "meta/stats.json").read_text())
    for name, values in found.items():
        flat = values.reshape(made.frames, -1).astype(np.float64)
        _compare(stats[name], flat, made.frames)
    episode = episode_rows(made)[1]
    part = found["observation.wrench"][episode["dataset_from_index"] :]
    _compare(_of(episode, "observation.wrench"), part, episode["length"])
    scene = pictures(made, CAMERAS[0]).reshape(-1, 3) / 255
    assert np.shape(stats[CAMERAS[0]]["mean"]) == (3, 1, 1)
    _compare(stats[CAMERAS[0]], scene, made.frames, "inverted_cdf")


def _of(episode: dict, feature: str) -> dict[str, list[float]]:
    start = f"stats/{feature}/"
    return {k.removeprefix(start): v for k, v in episode.items() if k.startswith(start)}


def _compare(
    found: dict[str, list[float]], values: np.ndarray, count: int, method: str = "linear"
) -> None:
    wanted = {
        "min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0),
        **{q: np.quantile(values, p, axis=0, method=method) for q, p in QUANTILES.items()},
    }  # fmt: skip
    assert found.keys() == wanted.keys() | {"count"}
    assert found["count"] == [count]
    for name, value in wanted.items():
        np.testing.assert_allclose(np.ravel(found[name]), value, rtol=1e-9, atol=1e-12)


def test_a_dead_sense_goes_out_as_zeros_that_say_so(tmp_path):
    made = exported(tmp_path, record(tmp_path, "a", silent=("/wrench",)))
    found = rows(made)
    assert not found["observation.wrench"].any()
    names = info(made)["features"]["observation.validity"]["names"]
    valid = dict(zip(names, found["observation.validity"].T, strict=True))
    assert not valid["wrench"].any()
    assert valid["joints"].all()
    assert valid["scene_rgb"].all()
    oldest = info(made)["features"]["observation.age"]["names"].index("wrench")
    np.testing.assert_allclose(found["observation.age"][:, oldest], 0.1)


def test_a_jittery_camera_gives_each_frame_its_own_picture(tmp_path):
    bag = record(tmp_path, "a", rate_hz=30.0, jitter_s=0.004, length_s=3.0)
    made = exported(tmp_path, bag, images="image")
    assert made.fps == 30
    shown = pictures(made, CAMERAS[0])[:, 0, 0, 2].astype(int)
    steps = np.diff(shown) % 256
    assert (steps == 8).mean() > 0.95


def test_another_rate_is_sampled_and_not_stretched(tmp_path):
    bag = record(tmp_path, "a")
    made = exported(tmp_path, bag, fps=20, images="image")
    shown = pictures(made, CAMERAS[0])[:, 0, 0, 2].tolist()
    assert shown[0] == shown[1]
    assert info(made)["fps"] == 20
    assert 1.9 * 16 <= made.frames <= 2.1 * 17


def test_files_are_split_between_episodes_when_they_are_full(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "DATA_FILE_MB", 0.001)
    monkeypatch.setattr(videos, "LONGEST_FILE_S", 1.0)
    made = exported(tmp_path, *[record(tmp_path, f"bag{i}", i) for i in range(3)])
    episodes = episode_rows(made)
    assert [row["data/file_index"] for row in episodes] == [0, 1, 2]
    assert [row[f"videos/{CAMERAS[0]}/file_index"] for row in episodes] == [0, 1, 2]
    assert all(row[f"videos/{CAMERAS[0]}/from_timestamp"] == 0 for row in episodes)
    np.testing.assert_array_equal(rows(made)["index"], np.arange(made.frames))


def test_episodes_of_one_bag_each_have_a_grid_of_their_own(tmp_path):
    bag = record(tmp_path, "a", length_s=3.0, rate_hz=30.0, jitter_s=0.004)
    ends = [(1.35, 2.0), (2.5, 3.6)]
    spans = [Span(round(a * NS), round(b * NS)) for a, b in ends]
    made = export([Source(bag, s) for s in spans], tmp_path / "out", Settings(CONTRACT, fps=10))
    episodes, found = episode_rows(made), rows(made)
    assert [row["length"] for row in episodes] == [5, 10]
    for row, span in zip(episodes, spans, strict=True):
        first = next(aligned_frames(bag, CONTRACT, span=span)).t_ns
        grid = Grid(10, row["start_ns"] - first)
        wanted = list(aligned_frames(bag, CONTRACT, span=span, grid=grid))[:-1]
        part = slice(row["dataset_from_index"], row["dataset_to_index"])
        np.testing.assert_array_equal(
            found["observation.wrench"][part].astype(np.float32),
            np.stack([f.observation.values["wrench"].ravel() for f in wanted]),
        )


def test_frames_without_an_instruction_go_out_only_under_a_given_one(tmp_path):
    bag = record(tmp_path, "a", words="")
    with pytest.raises(ExportError, match="no frame has an instruction"):
        exported(tmp_path, bag)
    made = exported(tmp_path, bag, task="whatever it was")
    assert made.frames == 20
    assert episode_rows(made)[0]["tasks"] == ["whatever it was"]


def test_an_export_that_fails_leaves_nothing_behind(tmp_path):
    good, bad = record(tmp_path, "a"), record(tmp_path, "b")
    file = next(bad.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BagError, match="cut short"):
        exported(tmp_path, good, bad)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_an_existing_folder_is_not_touched(tmp_path):
    bag = record(tmp_path, "a")
    (tmp_path / "out").mkdir()
    with pytest.raises(ExportError, match="exists"):
        exported(tmp_path, bag)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_written_and_a_folder_of_damage_are_named(tmp_path):
    bag = record(tmp_path / "bags", "a")
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="cannot be written"):
        export([Source(bag)], tmp_path / "file" / "out", Settings(tabletop()))
    file = next(bag.glob("*.mcap"))
    file.write_bytes(file.read_bytes()[:2000])
    arguments = [str(tmp_path / "bags"), str(tmp_path / "out")]
    done = CliRunner().invoke(export_lerobot, arguments)
    assert isinstance(done.exception, ExportError)
    assert "1 bag damaged" in str(done.exception)


def test_failed_episodes_go_out_only_on_request(tmp_path):
    bags = tmp_path / "bags"
    record(bags, "a"), record(bags, "b", outcome="failure"), record(bags, "c", outcome="")
    for options, tail in (([], "2 episodes"), (["--all"], "3 episodes")):
        out = str(tmp_path / f"out{len(options)}")
        done = CliRunner().invoke(export_lerobot, [str(bags), out, *options])
        assert done.exit_code == 0
        assert tail in done.output
        assert ("1 failed" in done.output) == (not options)


def test_without_pyarrow_the_module_that_is_missing_is_named():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "try: import sensorium_recording.commands.export_lerobot\n"
        "except ModuleNotFoundError as error: print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["pyarrow"]


def test_silence_between_two_instructions_parts_them(tmp_path):
    words = ((0.3, "one"), (1.0, ""), (1.5, "two"))
    made = exported(tmp_path, record(tmp_path, "a", words=words))
    episodes = episode_rows(made)
    assert [(row["tasks"], row["length"]) for row in episodes] == [(["one"], 6), (["two"], 5)]
    starts = [(row["start_ns"] - NS) / NS for row in episodes]
    np.testing.assert_allclose(starts, [0.3, 1.5])


def test_only_the_named_senses_go_out(tmp_path):
    bag = record(tmp_path, "a")
    made = exported(tmp_path, bag, only=("scene_rgb", "joints"))
    names = [name for name in info(made)["features"] if name.startswith("observation.")]
    assert names == ["observation.images.scene", "observation.state", "observation.validity",
                     "observation.age"]  # fmt: skip
    with pytest.raises(ContractError, match="no modality 'smell'"):
        exported(tmp_path / "other", bag, only=("smell",))


def test_the_splits_are_those_of_the_loader(tmp_path):
    bags = tmp_path / "bags"
    for i in range(12):
        record(bags, f"bag{i:02}", i, length_s=0.8)
    wanted = {
        entry.path
        for entry in EpisodeIndex(bags).entries
        if Shares().split_of(entry.sha256, 0) == "train"
    }
    assert {source.bag.name for source in choose(bags, False, split="train").sources} == wanted
