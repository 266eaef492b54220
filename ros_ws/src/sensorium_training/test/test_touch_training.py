"""`sensorium train --contract touch`: nine families, driven with the fast half, end to end."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sensorium_core.contract import touch
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_sim.commands.generate import generate
from sensorium_training.commands.train import train
from sensorium_training.dataset import load
from sensorium_training.export import export
from sensorium_training.scene_seeds import ROLLOUTS
from sensorium_training.train import load_network

FAST = Path(__file__).parents[4] / "models" / "fast"
FAMILIES = "hold,put"


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demos")
    told = CliRunner().invoke(generate, [str(folder), "--episodes", "4", "--families", FAMILIES])
    assert told.exit_code == 0, told.output
    return folder


def asked(demos: Path, run: Path, *options: str) -> Result:
    common = [demos, "--run", run, "--cache", run / "rows", "--contract", "touch", "--minutes",
              "0.02", "--dagger-minutes", "0.02", "--batch", "8", "--workers", "1",
              "--device", "cpu"]  # fmt: skip
    return CliRunner().invoke(train, [*map(str, common), *options], catch_exceptions=False)


def test_a_policy_is_trained_driven_with_its_fast_half_and_trained_on_that(
    demos: Path, tmp_path: Path
) -> None:
    rounds = ("--dagger", "1", "--rounds", "2", "--fast-policy", str(FAST), "--deaf", "0")
    told = asked(demos, tmp_path, *rounds)
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["episodes_dagger"] == 2
    assert facts["samples_second"] > 0
    assert facts["samples_round2"] > 0
    assert {facts["rollout_success"], facts["rollout_success_round2"]} <= {0.0, 1.0}
    known = facts.pop("rollout_success_round2")
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    assert asked(demos, tmp_path, *rounds).exit_code == 0
    again = json.loads((tmp_path / "facts.json").read_text())
    assert again["rollout_success_round2"] == known
    bags = sorted((tmp_path / "rollouts").glob("ep_*"))
    seeds = [int(BagReader(bag).metadata()["episode"]["seed"]) for bag in bags]
    assert seeds == [ROLLOUTS.start, ROLLOUTS.start + 1]
    rows = load(tmp_path / "rollouts", "all", 0.05, cache=tmp_path / "cache", contract=touch())
    assert len(rows) > 0
    export(load_network(tmp_path / "weights.safetensors"), touch(), tmp_path / "policy.onnx")
    assert Policy(tmp_path / "policy.onnx").contract.version == 2


def test_half_a_policy_drives_nothing(demos: Path, tmp_path: Path) -> None:
    told = asked(demos, tmp_path, "--dagger", "2")
    assert told.exit_code == 2
    assert "--fast-policy" in told.output
    assert not (tmp_path / "facts.json").exists()
