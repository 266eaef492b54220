"""Contacts to learn from: whose they are, what the teacher says, and the head in the cell."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import CacheError, LoaderError
from sensorium_core.fast_policy import FastPolicy
from sensorium_sim.fast_correction import LARGEST_M, WINDOW, Admittance, FastInput, Intent
from sensorium_sim.layout import HELDOUT_SEEDS, TRAIN_SEEDS, heldout_seed
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import Move, TouchDriver
from sensorium_sim.touch_episode import attempt_touch
from sensorium_sim.touch_layout import touch_scene
from sensorium_training.commands.train import DAGGER_FIRST_SEED
from sensorium_training.fast.collect import NONE, Disturbance, Scribe, collect, episode
from sensorium_training.fast.network import FastNetConfig
from sensorium_training.fast.runs import (
    FAMILIES,
    Run,
    data_hash,
    load_runs,
    load_split,
    save_runs,
    scene_seeds,
)
from sensorium_training.fast.teacher import RATE_HZ, Spring, Teacher, teacher_of

CONFIG = FastNetConfig()
RELEASED = Path(__file__).parents[4] / "models" / "fast" / "correction.onnx"


@pytest.fixture(scope="module")
def cell() -> TouchCell:
    return TouchCell(cameras=())


def felt(force: tuple[float, float, float], intent: Intent) -> FastInput:
    wrench = np.tile([*force, 0.0, 0.0, 0.0], (WINDOW, 1))
    return FastInput(wrench, np.zeros((WINDOW, 2, 3)), np.zeros((WINDOW, 14)), intent)


@given(st.integers(0, 29), st.integers(0, 9000), st.integers(0, 29), st.integers(0, 1000))
def test_splits_share_no_scene(round_, n, other, aside):
    train, kept = scene_seeds(round_, n), scene_seeds(other, aside, aside=True)
    assert not shared(train, kept)
    for seeds in (train, kept):
        assert not shared(seeds, HELDOUT_SEEDS)
        assert len(seeds) == shared(seeds, TRAIN_SEEDS)
        assert DAGGER_FIRST_SEED not in seeds
    if round_ != other:
        assert not shared(train, scene_seeds(other, n))


def shared(a: range, b: range) -> int:
    """How many numbers are in both of two unbroken ranges."""
    return max(0, min(a.stop, b.stop) - max(a.start, b.start))


@pytest.mark.parametrize(("round_", "n", "aside"), [(0, 9001, False), (0, 1001, True), (30, 1, 0)])
def test_more_scenes_than_there_are_is_an_error(round_, n, aside):
    with pytest.raises(LoaderError, match="rounds 0 to 29"):
        scene_seeds(round_, n, aside)


@given(
    st.floats(1200, 6000), st.floats(0, 8), st.tuples(*[st.floats(-40, 40)] * 3),
    st.floats(0, 20), st.floats(0, 1),
)  # fmt: skip
def test_the_teacher_is_damping_control_as_fast_as_the_spring_allows(
    stiffness, preload, force, press_n, yield_
):
    given_ = felt(force, Intent(press_n, yield_))
    told = Teacher(Spring(stiffness, preload))(given_)
    textbook = np.clip(Admittance()(given_), -LARGEST_M, LARGEST_M)
    np.testing.assert_array_equal(told[:2], textbook[:2])
    if -force[2] <= preload:
        np.testing.assert_array_equal(told, textbook)
    elif told.any():
        wanted = 0.01 * max(RATE_HZ / stiffness, 6e-4) * (-force[2] - press_n)
        assert told[2] == pytest.approx(np.clip(wanted, -LARGEST_M, LARGEST_M), abs=1e-12)
    np.testing.assert_array_equal(Teacher()(given_), textbook)


def test_the_teacher_knows_the_button_that_is_meant(cell):
    scene, goal = touch_scene("hold", 3)
    cell.reset(scene)
    index = [b.colour for b in scene.buttons].index(goal.colour)
    spring = teacher_of(goal, cell.ground_truth()).spring
    assert spring is not None
    assert spring.stiffness_n_per_m == scene.button_trait(index).stiffness_n_per_m
    scene, goal = touch_scene("insert", 3)
    cell.reset(scene)
    assert teacher_of(goal, cell.ground_truth()) == Teacher()


def test_contacts_come_back_as_they_were_saved(tmp_path):
    rng = np.random.default_rng(0)
    shapes = {"wrench": (16, 6), "intent": (2,), "last": (3,), "label": (3,)}
    runs = [
        Run(**{k: rng.normal(size=(n, *s)).astype(np.float32) for k, s in shapes.items()})
        for n in (3, 1, 7)
    ]
    save_runs(tmp_path / "hold-1.npz", runs)
    save_runs(tmp_path / "insert-0.npz", [])
    for a, b in zip(load_split(tmp_path), runs, strict=True):
        for name in shapes:
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    before = data_hash([tmp_path])
    (tmp_path / "hold-1.npz").write_bytes(b"nothing")
    assert data_hash([tmp_path]) != before
    with pytest.raises(CacheError, match="it is made anew"):
        load_runs(tmp_path / "hold-1.npz")


def test_a_contact_ends_where_the_force_does():
    scribe = Scribe(CONFIG, Teacher(), Admittance(), np.random.default_rng(0), NONE)
    wish = Intent(8.0, 0.0)
    for press in (0.0, 5.0, 5.5, 6.0, 0.2, 4.0):
        scribe(felt((0.0, 0.0, -press), wish))
    scribe.close()
    assert [len(run) for run in scribe.runs] == [3, 1]
    first = scribe.runs[0]
    np.testing.assert_allclose(first.label[:, 2], [6e-6 * (f - 8.0) for f in (5.0, 5.5, 6.0)])
    np.testing.assert_allclose(first.last[1:], first.label[:-1])
    assert (first.last[0] == 0.0).all()
    assert (scribe.runs[1].last == 0.0).all()


def test_disturbance_is_executed_but_not_taught():
    wild = Disturbance(intents=0.0, wander_m=1e-4, kicks=0.2)
    scribe = Scribe(CONFIG, Teacher(), Admittance(), np.random.default_rng(0), wild)
    given_ = felt((0.0, 0.0, -5.0), Intent(8.0, 0.0))
    moved = np.array([scribe(given_) for _ in range(200)])
    scribe.close()
    run = scribe.runs[0]
    assert (run.label[:, :2] == 0.0).all()
    assert np.unique(run.label[:, 2]).size == 1
    assert np.abs(moved).max() <= LARGEST_M
    assert moved.std(axis=0).min() > 1e-5
    np.testing.assert_allclose(run.last[1:], moved[:-1], rtol=1e-6)


def test_an_episode_is_the_same_again_and_kept(cell, tmp_path):
    seed = scene_seeds(0, 2)[1]
    family = FAMILIES[seed % 2]
    first, second = (episode(cell, CONFIG, family, seed, None, Disturbance()) for _ in range(2))
    assert sum(map(len, first)) > 20
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.wrench, b.wrench)
        np.testing.assert_array_equal(a.label, b.label)
    force = np.abs(np.concatenate([r.wrench[:, -5:, :3].mean(1) for r in first])).max(-1)
    assert force.min() >= CONFIG.contact_n - 1e-5
    told: list[int] = []
    path = tmp_path / f"{family}-{seed}.npz"
    save_runs(path, [])
    before = path.read_bytes()
    collect(tmp_path, range(seed, seed + 1), None, CONFIG, told.append)
    assert path.read_bytes() == before
    assert told == [1]


def test_noise_in_free_space_does_not_change_what_the_arm_is_told():
    """The claim of the contact gate, through the simulator: bit for bit, whatever the noise."""
    ends = []
    for noise_seed in (0, 1):
        cell = TouchCell(cameras=(), noise_seed=noise_seed)
        cell.reset(touch_scene("hold", 0)[0])
        driver = TouchDriver(cell, FastPolicy(RELEASED))
        felt_n, told = [], []
        for i in range(12):
            readings = driver.move(
                Move(np.array([0.004, -0.003, 0.002 * (-1) ** i]), intent=Intent(15.0, 1.0))
            )
            felt_n.append(readings.wrench)
            told.append(cell.setpoint())
        ends.append((np.array(felt_n), np.array(told)))
    assert (ends[0][0] != ends[1][0]).mean() > 0.9
    np.testing.assert_array_equal(ends[0][1], ends[1][1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_released_head_does_what_it_is_for(cell, family):
    scene, goal = touch_scene(family, heldout_seed(0))
    end = attempt_touch(cell, scene, goal, fast=FastPolicy(RELEASED))
    assert end.outcome.success, end.outcome.reason
