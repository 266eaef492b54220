"""A spoilt sense in the live loop: amounts, time, and what is left alone."""

import numpy as np
import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_core.errors import LoaderError, UnknownNameError
from sensorium_core.geometry import Camera
from sensorium_core.observation import Aligner
from sensorium_training.corruption.amounts import KINDS, Worst
from sensorium_training.corruption.corruptor import Corruptor
from sensorium_training.corruption.readings import Corruption, SpoiltReadings

MS = 1_000_000
WORST = Worst()


def spoilt(sense, kind, level, seed=0):
    readings = SpoiltReadings(tabletop(), Corruption(sense, kind, level))
    readings.begin(seed)
    return readings


def value_of(modality, rng):
    if modality.kind == "image":
        return rng.integers(0, 256, modality.shape, dtype=np.uint8)
    if modality.kind == "depth":
        return rng.integers(300, 1500, modality.shape, dtype=np.uint16)
    shape = modality.shape[1:] if modality.window_s else modality.shape
    return rng.normal(size=shape)


def fed(readings, n, *senses, period_ms=10):
    """What comes of `n` rounds of messages of some senses, or all: `(modality, sent, arrived)`."""
    rng, out = np.random.default_rng(1), []
    modalities = [m for m in tabletop().modalities if not senses or m.sense in senses]
    for i in range(n):
        for modality in modalities:
            sent = (i * period_ms * MS, value_of(modality, rng))
            out.append((modality, sent, readings.spoil(modality.name, *sent)))
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sense", tabletop().senses)
def test_other_senses_are_untouched_and_level_0_touches_nothing(sense, kind):
    for level in (0.0, 0.5):
        for modality, (stamp, value), arrived in fed(spoilt(sense, kind, level), 6):
            if level and modality.sense == sense:
                continue
            assert [a[0] for a in arrived] == [stamp]
            assert arrived[0][1] is value


@pytest.mark.parametrize("kind", KINDS)
def test_level_1_is_dead(kind):
    for modality, _, arrived in fed(spoilt("pads", kind, 1.0), 5):
        assert (arrived == []) == (modality.sense == "pads")


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_spoils_alike_and_shapes_and_types_stay(kind):
    for sense in tabletop().senses:
        one, two = (fed(spoilt(sense, kind, 0.5, seed=4), 6) for _ in range(2))
        for (modality, (_, value), arrived), (_, _, again) in zip(one, two, strict=True):
            for (stamp, got), (other_stamp, other) in zip(arrived, again, strict=True):
                assert stamp == other_stamp
                np.testing.assert_array_equal(got, other)
                assert got.shape == value.shape
                if modality.kind in ("image", "depth"):
                    assert got.dtype == value.dtype


def test_stale_messages_come_late_by_the_amount_with_their_own_stamps():
    delay_ms = round(0.4 * WORST.late_s * 1e3)
    rounds = fed(spoilt("wrench", "stale", 0.4), 60, "wrench")
    sent = {stamp: value for _, (stamp, value), _ in rounds}
    for _, (now, _), arrived in rounds:
        assert [a[0] for a in arrived] == ([now - delay_ms * MS] if now >= delay_ms * MS else [])
        for stamp, value in arrived:
            assert value is sent[stamp]


def test_late_messages_bring_what_was_sensed_then_and_say_that_it_is_now():
    behind = round(0.4 * WORST.late_s / 0.01)
    rounds = fed(spoilt("wrench", "late", 0.4), 60, "wrench")
    sent = [value for _, (_, value), _ in rounds]
    for i, (_, (now, _), arrived) in enumerate(rounds):
        assert [stamp for stamp, _ in arrived] == ([now] if i >= behind else [])
        assert all(value is sent[i - behind] for _, value in arrived)


def test_late_readings_of_an_uneven_sensor_never_bear_one_stamp_twice():
    readings = spoilt("wrench", "late", 0.1)
    stamps = np.cumsum(np.random.default_rng(0).integers(1, 30, 200)) * MS
    arrived = [m for i, t in enumerate(stamps) for m in readings.spoil("wrench", int(t), i)]
    assert len({stamp for stamp, _ in arrived}) == len(arrived) > 100
    delay_ns = round(0.1 * WORST.late_s * 1e9)
    for stamp, i in arrived:
        assert stamps[i] <= stamp - delay_ns < stamps[i + 1]


def test_a_late_window_of_training_is_the_one_that_the_live_loop_would_have():
    window = tabletop().modality("wrench").shape[0]
    rounds = fed(spoilt("wrench", "late", 0.2), 80, "wrench")
    live = np.stack([arrived[-1][1] for _, _, arrived in rounds if arrived])[-window:]
    truth = np.stack([value for _, (_, value), _ in rounds])[-window:].astype(np.float32)
    inputs = {"wrench": torch.from_numpy(truth)[None], "valid": torch.ones(1, 6)}
    rows = Corruptor(tabletop()).apply(inputs, "wrench", "late", 0.2, torch.Generator())
    behind = round(0.2 * WORST.late_s / 0.01)
    np.testing.assert_array_equal(rows["wrench"][0, behind:], live[behind:].astype(np.float32))
    assert bool((rows["valid"] == 1).all())


@pytest.mark.parametrize("kind", ["late", "stale", "frozen"])
def test_a_window_of_training_ends_as_the_aligner_ends_one_live(kind):
    """The newest 20 ms: those in which the two differ in what is not there yet."""
    contract = tabletop()
    wrench, level = contract.modality("wrench"), 0.1
    aligner = Aligner(contract)
    rounds = fed(spoilt("wrench", kind, level), 120, "wrench")
    for modality, _, arrived in rounds:
        for told, value in arrived:
            aligner.push(modality.name, told, value)
    live = aligner.observe(rounds[-1][1][0]).values["wrench"]
    rounds = fed(spoilt("wrench", kind, 0.0), 120, "wrench")
    truth = np.stack([value for _, (_, value), _ in rounds])[-wrench.shape[0] :]
    window = torch.from_numpy(truth.astype(np.float32))[None]
    inputs = {"wrench": window, "valid": torch.ones(1, 6)}
    spoiler = Corruptor(contract)
    rows = spoiler.apply(inputs, "wrench", kind, level, torch.Generator())["wrench"][0]
    behind = round(level * WORST.late_s / 0.01)
    if kind == "frozen":
        assert len(np.unique(live[-3:], axis=0)) == len(np.unique(rows[-3:].numpy(), axis=0)) == 1
    else:
        np.testing.assert_array_equal(rows[behind:].numpy(), live[behind:].astype(np.float32))


def test_each_pad_has_a_bias_of_its_own():
    rounds = fed(spoilt("pads", "biased", 0.5), 2)
    found = {}
    for modality, (_, value), arrived in rounds:
        if modality.name.startswith("touch"):
            found[modality.name] = arrived[0][1] - value
    left, right = found.values()
    assert np.linalg.norm(left) == pytest.approx(np.linalg.norm(right), rel=1e-3)
    assert np.linalg.norm(left - right) > 0.1


def test_frozen_readings_repeat_for_the_amount_with_fresh_stamps():
    rounds = fed(spoilt("joints", "frozen", 0.2), 100, "joints")
    values = [arrived[0][1] for _, _, arrived in rounds]
    assert all(arrived[0][0] == sent[0] for _, sent, arrived in rounds)
    runs = np.diff([i for i in range(100) if i == 0 or values[i] is not values[i - 1]])
    assert set(runs.tolist()) == {round(0.2 * WORST.frozen_s / 0.01) + 1}


def test_dropped_senses_are_lost_for_stretches_as_often_as_told_both_pads_together():
    rounds = fed(spoilt("pads", "dropped", 0.3), 4000, "pads")
    gone = {
        name: np.array([not arrived for m, _, arrived in rounds if m.name == name])
        for name in ("touch_left", "touch_right")
    }
    np.testing.assert_array_equal(*gone.values())
    stretches = gone["touch_left"].reshape(-1, 10)
    assert (stretches == stretches[:, :1]).all()
    assert stretches[:, 0].mean() == pytest.approx(0.3, abs=0.06)


def test_noise_bias_and_saturation_of_force_are_in_newtons():
    def errors(kind, level):
        rounds = fed(spoilt("wrench", kind, level), 300, "wrench")
        return np.array([arrived[0][1] - sent[1] for _, sent, arrived in rounds])

    assert errors("noisy", 0.5)[:, :3].std() == pytest.approx(0.5 * WORST.force_n, rel=0.1)
    bias = errors("biased", 0.5)
    assert np.ptp(bias, axis=0).max() < 1e-5
    assert np.linalg.norm(bias[0, :3]) == pytest.approx(0.5 * WORST.force_n, rel=1e-4)
    limit = WORST.full_force_n * WORST.saturated_share**0.8
    huge = spoilt("wrench", "saturated", 0.8).spoil("wrench", 0, np.full(6, -1e3))[0][1]
    np.testing.assert_allclose(huge[:3], -limit, rtol=1e-5)


def test_depth_loses_what_is_bright_and_keeps_no_reading_as_none():
    readings = spoilt("cloud", "saturated", 0.5)
    picture, depth = np.zeros((96, 128, 3), np.uint8), np.full((96, 128), 700, np.uint16)
    picture[:, :64], depth[:3] = 250, 0
    readings.spoil("scene_rgb", 0, picture)
    dazzled = readings.spoil("scene_depth", 0, depth)[0][1]
    assert (dazzled[:, :64] == 0).all()
    assert (dazzled[3:, 64:] == 700).all()
    noisy = spoilt("cloud", "noisy", 0.5).spoil("scene_depth", 0, depth)[0][1]
    assert (noisy[:3] == 0).all()
    assert noisy[3:].astype(float).std() == pytest.approx(500 * WORST.point_m, rel=0.05)


def test_a_biased_cloud_is_a_knocked_camera_and_a_biased_picture_is_not():
    camera = Camera((100.0, 100.0, 64.0, 48.0), (96, 128), np.eye(4))
    moved = spoilt("cloud", "biased", 0.5, seed=9).camera(camera)
    shift = moved.T_base_optical[:3, 3]
    assert np.linalg.norm(shift) == pytest.approx(0.5 * WORST.point_m)
    assert camera.T_base_optical[0, 3] == 0.0
    assert spoilt("scene_rgb", "biased", 0.5).camera(camera) is camera


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (Corruption("smell", "noisy", 0.1), UnknownNameError),
        (Corruption("wrench", "sad", 0.1), UnknownNameError),
        (Corruption("wrench", "noisy", 1.5), LoaderError),
    ],
)
def test_what_cannot_be_spoilt_is_refused(what, error):
    with pytest.raises(error):
        SpoiltReadings(tabletop(), what)
