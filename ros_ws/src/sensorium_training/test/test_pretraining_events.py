"""TensorBoard's event files of a pretraining run say what `log.jsonl` says, cut off or not.

TensorBoard is a development dependency: without it these tests fail, they are not skipped.
"""

import json
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from sensorium_core.errors import LoaderError
from sensorium_training.pretraining.records import RunLog
from sensorium_training.pretraining.trainer import Pretrainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from .synthetic_rows import Made, config, rows_of

pytestmark = pytest.mark.usefixtures("one_thread")
OBJECTIVES = {"hidden": {"objective": "masked", "sense": "pads", "fingers": 2}}


@pytest.fixture(autouse=True)
def every_file_has_a_second_of_its_own(monkeypatch):
    """Event files are read in the order of the second in which each was begun."""
    clock = count(1_700_000_000)
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: next(clock)))


def run(folder: Path, resume: Path | None = None) -> None:
    asked = config(objectives=OBJECTIVES, steps=6)
    train, watch = rows_of(Made(), OBJECTIVES), rows_of(Made(4, 1), OBJECTIVES)
    Pretrainer(train, watch, folder, asked, resume=resume).run(lambda *told: None)


def events(folder: Path) -> dict[str, dict[int, list[float]]]:
    """Values by tag and step."""
    read = EventAccumulator(str(folder / "tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    found: dict[str, dict[int, list[float]]] = {}
    for tag in read.Tags()["scalars"]:
        for event in read.Scalars(tag):
            found.setdefault(tag, {}).setdefault(event.step, []).append(event.value)
    return found


def told(folder: Path) -> dict[str, dict[int, list[float]]]:
    """The same of `log.jsonl`; events are of single precision."""
    found: dict[str, dict[int, list[float]]] = {}
    for line in (folder / "log.jsonl").read_text().splitlines():
        row = json.loads(line)
        step, kind = row.pop("step"), row.pop("kind")
        for name, value in row.items():
            exact = float(torch.tensor(value, dtype=torch.float32))
            found.setdefault(f"{kind}/{name}", {}).setdefault(step, []).append(exact)
    return found


def test_a_run_that_was_cut_off_twice_has_one_event_for_each_line_of_its_log(tmp_path):
    run(tmp_path)
    assert events(tmp_path) == told(tmp_path)
    for step in (4, 2):
        run(tmp_path, tmp_path / "checkpoints" / f"{step:08d}.pt")
        found = events(tmp_path)
        assert found == told(tmp_path)
    assert sorted(found["train/loss"]) == [1, 2, 3, 4, 5, 6]
    assert sorted(found["validation/loss"]) == [0, 2, 4, 6]
    assert {"train/learning_rate", "train/steps_per_s", "train/hidden/hidden_finger"} <= set(found)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 3


def test_what_was_told_beyond_the_checkpoint_is_taken_back(tmp_path):
    first = RunLog(tmp_path, 0)
    assert first.missing == ""
    for step in range(5):
        first.write(step, "train", {"loss": float(step)})
    assert events(tmp_path) == told(tmp_path), "on disk at once: a run may be killed"
    first.close()
    again = RunLog(tmp_path, 2)
    again.write(3, "train", {"loss": 30.0})
    again.close()
    expected = {"train/loss": {0: [0.0], 1: [1.0], 2: [2.0], 3: [30.0]}}
    assert events(tmp_path) == told(tmp_path) == expected


def test_a_last_line_that_was_cut_off_is_forgotten_and_any_other_is_named(tmp_path):
    one = RunLog(tmp_path, 0)
    one.write(1, "train", {"loss": 1.0})
    one.close()
    log = tmp_path / "log.jsonl"
    whole = log.read_text()
    log.write_text(whole + '{"step": 2, "ki')
    RunLog(tmp_path, 1).close()
    assert log.read_text() == whole
    log.write_text('{"step": 0, "ki\n' + whole)
    with pytest.raises(LoaderError, match=r"line 1 of .*log\.jsonl"):
        RunLog(tmp_path, 1)


def test_a_run_that_was_cut_off_before_its_first_checkpoint_begins_anew(tmp_path):
    for value in (1.0, 2.0):
        one = RunLog(tmp_path, 0)
        one.write(0, "validation", {"loss": value})
        one.write(1, "train", {"loss": value})
        one.close()
    expected = {"validation/loss": {0: [2.0]}, "train/loss": {1: [2.0]}}
    assert events(tmp_path) == told(tmp_path) == expected
