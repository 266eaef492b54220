"""Training rows of all nine families: labels, memory and senses of contract version 2."""

from pathlib import Path

import numpy as np
import pytest
from sensorium_core.codebook import CLASSES, SLOTS, goal_classes
from sensorium_core.contract import tabletop, touch
from sensorium_core.goal import Goal
from sensorium_core.memory import WIDTH
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.loader import EpisodeDataset
from sensorium_recording.messages import decode_string
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.expert_note import EXPERT_TOPIC, ExpertNote
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_sim.scene_json import goal_from_json
from sensorium_training.dataset import load
from sensorium_training.labels import GOALS, PRESENT_GOALS
from sensorium_training.part import Part
from sensorium_training.touch_labels import TOUCH_LABELS

FAMILIES = ("insert", "hold", "give", "put", "press")


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    generator = EpisodeGenerator(
        GenerateConfig(families=FAMILIES, disturbance=DisturbanceConfig(still_share=0.0))
    )
    for seed in range(5):
        generator.make(folder, seed)
    generator.close()
    return folder


@pytest.fixture(scope="module")
def data(bags: Path) -> EpisodeDataset:
    return load(bags, "all", 0.0, contract=touch())


def rows_of(data: EpisodeDataset, family: str) -> dict[str, np.ndarray]:
    rows = data.batch(np.arange(len(data)))
    mine = rows["goal"][:, 0, 0] == CLASSES["family"].index(family)
    assert mine.any()
    return {name: array[mine] for name, array in rows.items()}


def notes_of(bags: Path, family: str) -> tuple[Goal, list[ExpertNote], Path]:
    for bag in sorted(bags.glob("ep_*")):
        goal = goal_from_json(BagReader(bag).metadata()["episode"]["goal"])
        if goal.family == family:
            found = BagReader(bag).messages({EXPERT_TOPIC})
            return goal, [ExpertNote.from_json(decode_string(m.payload)) for m in found], bag
    raise AssertionError(family)


def test_every_frame_of_every_family_has_a_row(bags: Path, data: EpisodeDataset) -> None:
    assert len(data.episodes) == 5
    assert not data.problems
    rows = data.batch(np.arange(len(data)))
    for name, (shape, dtype) in TOUCH_LABELS.items():
        assert rows[name].shape == (len(data), *shape)
        assert rows[name].dtype == dtype
        assert dtype == "int8" or np.isfinite(rows[name]).all()
    assert rows["joints"].shape[1:] == (32, 14)
    assert np.abs(rows["chunk"][..., :3]).max() < 0.25


@pytest.mark.parametrize("share", [1.0, 0.7, 0.4])
def test_a_field_of_rows_is_that_of_their_batch(data: EpisodeDataset, share: float) -> None:
    part = Part(data, share)
    rows = np.random.default_rng(0).permutation(len(part))[:40]
    for source in (data, part):
        for name in ("intent", "wrench", "memory"):
            np.testing.assert_array_equal(source.field(name, rows), source.batch(rows)[name])
    assert (len(part) == len(data)) == (share == 1.0)


@pytest.mark.parametrize("family", ["insert", "hold", "give", "put"])
def test_own_labels_are_the_experts_decisions(
    bags: Path, data: EpisodeDataset, family: str
) -> None:
    goal, notes, _ = notes_of(bags, family)
    rows = rows_of(data, family)
    assert len(notes) == len(rows["chunk"])
    assert (rows["goal"][:, 0] == goal_classes(goal)).all()
    for i, note in enumerate(notes):
        move, chunk = note.move, rows["chunk"][i, 0]
        c, s = np.cos(note.tool[3]), np.sin(note.tool[3])
        first = np.array([[c, s], [-s, c]]) @ move.dxyz[:2]
        if family != "insert" or note.felt.force_n[2] < 2.0:  # Pressing, a teacher knows more.
            np.testing.assert_allclose(chunk[0, :2], first, atol=1e-6)
        np.testing.assert_allclose(chunk[0, 2:5], [move.dxyz[2], move.dyaw, move.grip], atol=1e-6)
        asked = (0, 0) if move.intent is None else (move.intent.press_n, move.intent.yield_)
        np.testing.assert_allclose(rows["intent"][i, 0], asked)
    assert rows["flags"][-1, 0, 1] == 1.0
    assert rows["flags"][0, 0, 1] == 0.0


def test_memory_of_the_own_goal_is_what_a_policy_would_have_been_fed(
    bags: Path, data: EpisodeDataset
) -> None:
    _, _, bag = notes_of(bags, "give")
    rows = rows_of(data, "give")
    fed = np.stack([frame.memory.vector() for frame in aligned_frames(bag, touch())])
    assert fed.shape[1] == WIDTH
    np.testing.assert_array_equal(rows["memory"][:, 0, 4:], fed[:, 4:])
    assert (rows["memory"][:, 0, 3] == 1.0).all()
    assert np.ptp(rows["memory"][:, 0, :3], axis=0).max() == 0.0


def test_who_is_asked_just_now_remembers_nothing(data: EpisodeDataset) -> None:
    rows = rows_of(data, "hold")
    other = (rows["goal"][:, 1:PRESENT_GOALS] != rows["goal"][:, :1]).any(-1)
    assert other.mean() > 0.9
    steadiest = rows["memory"][:, 1:PRESENT_GOALS, 13:15][other]
    assert not steadiest.any()
    assert rows["memory"][-1, 0, 13:15].all()


def test_the_same_frame_teaches_different_things_for_different_words(
    data: EpisodeDataset,
) -> None:
    rows = rows_of(data, "put")
    differ = np.abs(rows["target"][:, 1:PRESENT_GOALS, :3] - rows["target"][:, :1, :3]).max(-1)
    assert (differ > 0.03).mean() > 0.4
    families = {CLASSES["family"][i] for i in rows["goal"][:, :, 0].ravel()}
    assert {"put", "stack", "pick"} <= families


def test_absent_things_are_absent_in_every_row(data: EpisodeDataset) -> None:
    rows = data.batch(np.arange(len(data)))
    assert not rows["flags"][:, PRESENT_GOALS:, 0].any()
    assert (rows["flags"][:, :PRESENT_GOALS, 0] >= 0.5).all()
    assert rows["goal"].shape[1:] == (GOALS, len(SLOTS))


def test_things_are_where_cameras_show_them(data: EpisodeDataset) -> None:
    """Points of the cloud lie within the box of everything that is named and not hidden."""
    for family, places in (("insert", (0, 1, 9, 10)), ("put", (0, 1, 7, 8)), ("hold", (5, 6))):
        rows = rows_of(data, family)
        for at in places:
            thing = rows["things"][0, at]
            assert thing[3] > 0.0
            inside = np.abs(rows["cloud"][0, :, :3] - thing[:3]).max(1) < 0.62 * thing[3] + 0.004
            assert (inside & (rows["cloud"][0, :, 6] > 0)).sum() >= 3, (family, at)


def test_tabletop_episodes_keep_their_labels(bags: Path, data: EpisodeDataset) -> None:
    """The bag of a press, read with either contract, teaches the same."""
    wide = rows_of(data, "press")
    narrow = load(bags, "all", 0.0, contract=tabletop())
    old = narrow.batch(np.arange(len(narrow)))
    np.testing.assert_array_equal(wide["chunk"], old["chunk"])
    np.testing.assert_array_equal(wide["memory"][..., :5], old["memory"])
    np.testing.assert_array_equal(wide["goal"][..., :4], old["goal"])
    np.testing.assert_array_equal(wide["things"][:, :7], old["things"])
    assert not wide["intent"].any()


def test_labels_do_not_depend_on_who_makes_them(bags: Path, tmp_path: Path) -> None:
    first, second = (
        load(bags, "all", 0.0, contract=touch(), cache=tmp_path / str(n), workers=n)
        for n in (1, 2)
    )
    every = np.arange(len(first))
    a, b = first.batch(every), second.batch(every)
    for name in TOUCH_LABELS:
        np.testing.assert_array_equal(a[name], b[name])


def test_bags_of_touch_give_no_rows_to_a_contract_that_does_not_know_them(bags: Path) -> None:
    data = load(bags, "all", 0.0, contract=tabletop())
    families = {CLASSES["family"][i] for i in data.batch(np.arange(len(data)))["goal"][:, 0, 0]}
    assert families == {"press"}
