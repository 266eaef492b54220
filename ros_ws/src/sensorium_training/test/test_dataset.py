"""Training rows: the loader's senses with the expert's labels, where the truth is in the bag."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import tabletop
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.loader import EpisodeDataset
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_sim.scene_json import state_from_json
from sensorium_training.batches import Augmentation, Batches
from sensorium_training.dataset import load


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    generator = EpisodeGenerator(GenerateConfig())
    for seed in range(3):
        generator.make(folder, seed)
    generator.close()
    return folder


def without(bag: Path, target: Path, topic: str) -> Path:
    """A copy of a bag that lacks a topic."""
    with BagWriter(target) as copy:
        for message in BagReader(bag).messages():
            if message.topic != topic:
                copy.write(*message)
        for name, values in BagReader(bag).metadata().items():
            copy.write_metadata(name, values)
    return target


def test_labels_belong_to_the_frames_that_they_stand_beside(bags: Path) -> None:
    data = load(bags, "all", 0.0)
    assert len(data.episodes) == 3
    assert not data.problems
    rows, i = data.batch(np.arange(len(data))), 0
    for episode in data.episodes:
        for frame in aligned_frames(bags / episode.bag, tabletop()):
            assert frame.state is not None
            assert rows["t_ns"][i] == frame.t_ns
            np.testing.assert_array_equal(rows["cloud"][i], frame.observation.values["cloud"])
            for k, item in enumerate(state_from_json(frame.state).objects):
                np.testing.assert_allclose(rows["things"][i, k, :3], item.position, rtol=1e-6)
            i += 1
    assert i == len(data)


def test_labels_are_the_same_whoever_makes_them_and_whatever_lies_beside(
    bags: Path, tmp_path: Path
) -> None:
    data = load(bags, "all", 0.0)
    last = data.episodes[-1]
    shutil.copytree(bags / last.bag, tmp_path / "data" / "copy")
    alone = load(tmp_path / "data", "all", 0.0, cache=tmp_path / "cache")
    rows = data.batch(np.arange(len(data) - len(alone), len(data)))
    for name, values in alone.batch(np.arange(len(alone))).items():
        if name != "episode":
            np.testing.assert_array_equal(values, rows[name], err_msg=name)


def test_frames_without_ground_truth_are_rows_but_not_usable(bags: Path, tmp_path: Path) -> None:
    bag = bags / load(bags, "all", 0.0).episodes[0].bag
    without(bag, tmp_path / "data" / "blind", "/sim/state")
    assert len(load(tmp_path / "data", "all", 0.0)) == 0
    assert len(EpisodeDataset(tmp_path / "data", tabletop(), "all")) > 0


def test_two_goals_in_nine_are_of_things_that_are_not_there(bags: Path) -> None:
    batches = Batches(load(bags, "all", 0.0), seed=0)
    inputs, labels = batches.draw(600, None)
    absent = (labels.present == 0).float().mean()
    assert 0.17 < absent < 0.27
    assert inputs["text"].shape == (600, 4, 32)
    assert inputs["memory"].shape == (600, 5)


def test_augmentation_leaves_the_cache_as_it_is(bags: Path) -> None:
    data = load(bags, "all", 0.0)
    before = data.batch(np.arange(8))
    Batches(data, seed=0).draw(64, Augmentation())
    for name, values in data.batch(np.arange(8)).items():
        np.testing.assert_array_equal(values, before[name], err_msg=name)


def test_what_watches_is_not_trained_on(bags: Path) -> None:
    train, watch = load(bags, "train", 0.5), load(bags, "validation", 0.5)
    ours, theirs = ({e.sha256 for e in one.episodes} for one in (train, watch))
    assert not ours & theirs
    assert len(ours | theirs) == 3
