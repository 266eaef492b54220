"""`sensorium pretrain --contract touch`: encoders learn from the windows that the policy has."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import WeightsError
from sensorium_core.kinematics import Kinematics
from sensorium_description import load_urdf
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_training.commands.pretrain import pretrain
from sensorium_training.commands.train import train
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import SENSES
from sensorium_training.network import PolicyNet
from sensorium_training.objectives.compose import parse
from sensorium_training.pretraining.config import DEFAULT, load_objectives, needs
from sensorium_training.pretraining.source import load_rows
from sensorium_training.pretraining.trainer import Pretrainer
from sensorium_training.pretraining.transfer import FORMAT, take_encoders

from .synthetic_rows import Made, config, rows_of

OBJECTIVES = {
    "finger": {"objective": "masked", "sense": "pads", "fingers": 2},
    "ahead": {"objective": "contact", "senses": ["pads", "joints"], "touch": "pads", "fingers": 2},
    "motion": {"objective": "motion", "senses": ["joints"], "scale": [0.01, 0.01, 0.01, 0.05]},
}
DEAF = ("scene_rgb", "cloud", "wrist_rgb", "joints")
STEPS = 32
"""Of a window of force in contract version 2."""


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    generator = EpisodeGenerator(GenerateConfig(families=("hold", "put")))
    for seed in range(2):
        generator.make(folder, seed)
    generator.close()
    return folder


@pytest.fixture(scope="module")
def runs(bags: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run of each contract on the same bags."""
    folder = tmp_path_factory.mktemp("runs")
    objectives = folder / "objectives.yaml"
    objectives.write_text(json.dumps(OBJECTIVES))
    for contract in ("touch", "tabletop"):
        told = [bags, "--contract", contract, "--config", objectives, "--run", folder / contract]
        told += ["--cache", folder / "cache", "--batch", "16", "--steps", "2", "--workers", "1"]
        told += ["--threads", "1", "--device", "cpu"]
        said = CliRunner().invoke(pretrain, [*map(str, told)], catch_exceptions=False)
        assert said.exit_code == 0, said.output
        assert f"sensorium train --contract {contract} --encoders" in said.stdout
    return {contract: folder / contract for contract in ("touch", "tabletop")}


def imitate(bags: Path, run: Path, contract: str, encoders: Path) -> Result:
    told = [bags, "--run", run, "--cache", run / "rows", "--contract", contract, "--minutes",
            "0.01", "--dagger", "0", "--batch", "4", "--workers", "1", "--device", "cpu",
            "--encoders", encoders]  # fmt: skip
    return CliRunner().invoke(train, [*map(str, told)], catch_exceptions=False)


def test_the_rows_are_the_windows_of_the_contract_and_the_newest_joints(bags: Path) -> None:
    asked = needs(parse(OBJECTIVES))
    rows, data = load_rows(bags, "all", touch(), asked, 0.0)
    assert len(data.episodes) == 2
    one = int(np.flatnonzero(rows.next >= 0)[5])
    now, then = data[one], data[int(rows.next[one])]
    taken = rows.take(np.array([one]))
    pads = np.concatenate([now["touch_left"], now["touch_right"]], -1)
    assert pads.shape == (STEPS, 6)
    np.testing.assert_array_equal(taken.samples["pads"][0], pads)
    assert now["joints"].shape == (STEPS, 14)
    np.testing.assert_array_equal(taken.samples["joints"][0], now["joints"][-1])
    arm = Kinematics(load_urdf())
    poses = [arm.tool_pose(row["joints"][-1, :6].astype(float)) for row in (now, then)]
    np.testing.assert_allclose(taken.motion[0], poses[1] - poses[0], atol=1e-6)


def test_the_network_learns_what_windows_of_its_contract_hide(runs: dict[str, Path]) -> None:
    for contract, steps in (("touch", STEPS), ("tabletop", 16)):
        run = runs[contract]
        state = torch.load(run / "checkpoints" / "00000002.pt", weights_only=True)["net"]
        places = state["objectives.parts.0.decoder.places"]
        assert len(places) == steps
        assert json.loads((run / "config.json").read_text())["net"]["version"] == (
            2 if contract == "touch" else 1
        )


def test_the_shipped_objectives_train_every_sense_of_the_touch_contract(tmp_path: Path) -> None:
    net = NetConfig.for_contract(touch())
    asked = config(objectives=load_objectives(DEFAULT), net=net)
    made = Pretrainer(rows_of(Made(contract=touch()), asked.objectives), None, tmp_path, asked)
    before = {name: p.detach().clone() for name, p in made.net.encoders.named_parameters()}
    assert all(np.isfinite(value) for value in made.train_step().values())
    for name, p in made.net.encoders.named_parameters():
        assert p.grad is not None, name
        assert not torch.equal(p, before[name]), name


def test_a_policy_of_the_touch_contract_starts_from_the_encoders(
    bags: Path, runs: dict[str, Path], tmp_path: Path
) -> None:
    file = runs["touch"] / "encoders.safetensors"
    net = PolicyNet(NetConfig.for_contract(touch()))
    assert take_encoders(net, file).senses == ("pads", "joints")
    for name, value in load_file(file).items():
        assert torch.equal(net.state_dict()[name], value), name
    told = imitate(bags, tmp_path, "touch", file)
    assert told.exit_code == 0, told.output
    assert "parameters taken: pads (6), joints (4);" in " ".join(told.stderr.split())
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert facts["encoders"]["file"]["config"]["version"] == 2


@pytest.mark.parametrize(("dead", "heard"), [("", SENSES), ("wrench,pads", DEAF)])
def test_of_a_trained_policy_the_encoders_of_what_it_heard_are_taken_and_nothing_else(
    tmp_path: Path, dead: str, heard: tuple[str, ...]
) -> None:
    torch.manual_seed(1)
    theirs = PolicyNet(NetConfig.for_contract(touch(), fusion="weighted", head=64))
    told = {"config": json.dumps(asdict(theirs.config)), "dead": dead}
    save_file(theirs.state_dict(), tmp_path / "weights.safetensors", metadata=told)
    net = PolicyNet(NetConfig.for_contract(touch()))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert take_encoders(net, tmp_path / "weights.safetensors").senses == heard
    for name, value in net.state_dict().items():
        taken = name.split(".")[0] in heard
        assert torch.equal(value, theirs.state_dict()[name] if taken else before[name]), name
    with pytest.raises(WeightsError, match="for the contract touch"):
        take_encoders(PolicyNet(), tmp_path / "weights.safetensors")


@pytest.mark.parametrize(("theirs", "ours"), [("touch", "tabletop"), ("tabletop", "touch")])
def test_encoders_of_the_other_contract_are_refused_before_rows_are_made(
    bags: Path, runs: dict[str, Path], tmp_path: Path, theirs: str, ours: str
) -> None:
    words = f"for the contract {theirs}, and this network is for {ours}; .*--contract {theirs}"
    with pytest.raises(WeightsError, match=words):
        imitate(bags, tmp_path, ours, runs[theirs] / "encoders.safetensors")
    assert not (tmp_path / "rows").exists()


def test_a_file_from_before_there_were_two_contracts_is_of_the_tabletop(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    weights, old = load_file(runs["tabletop"] / "encoders.safetensors"), tmp_path / "old"
    save_file(weights, old, metadata={FORMAT: json.dumps({"config": {"width": 96}})})
    assert take_encoders(PolicyNet(NetConfig.for_contract(tabletop())), old).senses
    with pytest.raises(WeightsError, match="contract tabletop"):
        take_encoders(PolicyNet(NetConfig.for_contract(touch())), old)
    save_file(weights, old, metadata={FORMAT: "[]"})
    with pytest.raises(WeightsError, match="no facts"):
        take_encoders(PolicyNet(), old)
