"""The offline error on bags that the real generator makes."""

from pathlib import Path

import numpy as np
import pytest
from sensorium_core.errors import LoaderError
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_training.losses import _MOTION_SCALE
from sensorium_training.matrix.offline import SCALE, HeldOut
from sensorium_training.matrix.rows import Condition
from sensorium_training.scene_seeds import OFFLINE, TRIALS

ROOT = Path(__file__).resolve().parents[4]
STILL = DisturbanceConfig(share=0.0, still_share=0.0)


@pytest.fixture(scope="module")
def bags(tmp_path_factory):
    directory = tmp_path_factory.mktemp("offline")
    generator = EpisodeGenerator(GenerateConfig(phrasing="heldout", disturbance=STILL))
    for seed in OFFLINE[:2]:
        generator.make(directory / "right", seed)
    generator.make(directory / "wrong", TRIALS.start)
    generator.close()
    return directory


@pytest.fixture(scope="module")
def language():
    return LanguageEncoder(ROOT / "models/language/encoder.onnx")


@pytest.fixture(scope="module")
def held_out(bags, language):
    return HeldOut(bags / "right", language, most=24)


def test_units_are_those_of_the_loss():
    assert SCALE == _MOTION_SCALE


def test_the_expert_s_own_chunk_has_no_error_and_a_known_offset_its_size(held_out):
    right = held_out.rows["chunk"][:, 0].astype(np.float64)
    assert held_out.error(lambda i: right[i]).scaled == 0.0
    apart = held_out.error(lambda i: right[i] + np.array([0.001, -0.002, 0.0, 0.01, 0.1]))
    assert apart.by_dimension == pytest.approx((1.0, 2.0, 0.0, 10.0, 4.25))
    assert apart.scaled == pytest.approx((0.05 + 0.1 + 0.0 + 0.1 + 0.4) / 5)


def test_a_trained_policy_errs_less_than_baselines_and_more_without_senses_or_words(held_out):
    policy = Policy(ROOT / "models/tabletop")
    whole = held_out.policy(policy, Condition()).scaled
    assert whole < 0.5 * held_out.persistence().scaled
    assert whole < 0.5 * held_out.hold_still().scaled
    assert whole < held_out.policy(policy, Condition(drop=("cloud",))).scaled
    assert whole < held_out.policy(policy, Condition(shuffled=True)).scaled
    lifted = Condition(drop=("cloud",), lifted=True)
    assert held_out.policy(policy, lifted) == held_out.policy(policy, Condition(("cloud",)))


def test_the_step_before_is_of_the_same_episode(held_out):
    moved = np.linalg.norm(held_out.rows["tool"][:, :3] - held_out.before[:, :3], axis=1)
    assert moved.max() < 0.05
    assert moved.max() > 0.01


def test_bags_of_other_scenes_are_refused_with_the_command_that_makes_the_right_ones(
    bags, language
):
    with pytest.raises(LoaderError, match=f"generate DIR --seed {OFFLINE.start}"):
        HeldOut(bags / "wrong", language)
