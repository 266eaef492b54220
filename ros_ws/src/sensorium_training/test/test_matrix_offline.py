"""The offline error on bags that the real generator makes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.codebook import SLOTS, TOKEN_SIZE
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import LoaderError, PolicyFileError
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_training.export import export
from sensorium_training.losses import _MOTION_SCALE
from sensorium_training.matrix.measured import Matrix, Plan
from sensorium_training.matrix.offline import SCALE, HeldOut, OfflineError
from sensorium_training.matrix.rows import ALL, HOLD_STILL, POLICY, Condition, Row
from sensorium_training.matrix.store import MatrixStore
from sensorium_training.network import NetConfig, PolicyNet
from sensorium_training.scene_seeds import OFFLINE, TRIALS

ROOT = Path(__file__).resolve().parents[4]
LANGUAGE = ROOT / "models/language/encoder.onnx"
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
    return LanguageEncoder(LANGUAGE)


@pytest.fixture(scope="module")
def held_out(bags, language):
    return HeldOut(bags / "right", language, tabletop(), most=24)


@pytest.fixture(scope="module")
def felt_bags(tmp_path_factory):
    """An episode of a tabletop family and one where touch decides."""
    directory = tmp_path_factory.mktemp("felt")
    config = GenerateConfig(families=("press", "hold"), phrasing="heldout", disturbance=STILL)
    generator = EpisodeGenerator(config)
    for seed in OFFLINE[:2]:
        generator.make(directory / "both", seed)
    generator.close()
    (directory / "press").mkdir()
    for bag in (directory / "both").glob("ep_*"):
        if BagReader(bag).metadata()["episode"]["seed"] == str(OFFLINE[0]):
            shutil.copytree(bag, directory / "press" / bag.name)
    return directory


@pytest.fixture(scope="module")
def felt_policy(tmp_path_factory):
    """Untrained, of contract version 2."""
    path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    net = PolicyNet(NetConfig(version=2, text_channels=len(SLOTS) * TOKEN_SIZE))
    export(net, touch(), path)
    return path


def plan_of(*rows):
    return Plan(rows, ("tabletop",), 1, LANGUAGE, "train")


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
        HeldOut(bags / "wrong", language, tabletop())


def test_what_dead_senses_would_have_told_is_not_remembered(held_out):
    held_out.rows["memory"][0, 0] = 1.0
    feed = held_out._feed(0, tabletop(), ("wrench",))
    assert feed["memory"][0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert held_out._feed(0, tabletop(), ("pads",))["memory"].all()


def test_policies_of_nine_families_are_measured_on_rows_of_nine(felt_bags, felt_policy, language):
    held_out = HeldOut(felt_bags / "both", language, touch(), most=40)
    assert set(held_out.families) == {"hold", "press"}
    assert sum(held_out.families.values()) == len(held_out)
    right = held_out.rows["chunk"][:, 0].astype(np.float64)
    assert held_out.error(lambda i: right[i]).scaled == 0.0
    found = held_out.policy(Policy(felt_policy), Condition())
    assert found.scaled > 0
    assert found.families == held_out.families
    assert found == OfflineError.of(json.loads(json.dumps(found.as_json())))
    assert held_out.policy(Policy(felt_policy), Condition(("wrench",))) != found
    with pytest.raises(PolicyFileError):
        held_out.try_out(Policy(ROOT / "models/tabletop"))


def test_bags_that_are_of_no_use_to_a_policy_are_refused_before_the_trials(
    felt_bags, felt_policy, bags
):
    row = Row(ALL, POLICY, (ROOT / "models/tabletop",))
    matrix = Matrix(plan_of(row), MatrixStore(), "a1")
    with pytest.raises(LoaderError, match=r"1 bags that have no usable row.*\(hold\)"):
        matrix.prepare_offline(felt_bags / "both", 1)
    (bags / "none").mkdir()
    with pytest.raises(LoaderError, match=r"no bags.*--families tabletop"):
        matrix.prepare_offline(bags / "none", 1)


def test_each_row_is_measured_on_rows_of_its_own_contract(felt_bags, felt_policy):
    rows = (
        Row(ALL, POLICY, (felt_policy,)),
        Row("before", POLICY, (ROOT / "models/tabletop",)),
        Row(HOLD_STILL, HOLD_STILL),
    )
    matrix = Matrix(plan_of(*rows), MatrixStore(), "a1")
    matrix.prepare_offline(felt_bags / "press", 1)
    done = []
    matrix.measure_offline(lambda n, total: done.append((n, total)))
    assert done == [(1, 3), (2, 3), (3, 3)]
    offline = [line.offline for line in matrix.lines()]
    assert all(list(error.families) == ["press"] for (error,) in offline)
    untrained, trained, still = (error.scaled for (error,) in offline)
    assert trained < min(untrained, still)
