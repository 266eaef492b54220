"""`sensorium pretrain` on bags: what it reads, refuses, learns and hands to `sensorium train`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError, GateConfigError, LoaderError
from sensorium_core.hashes import file_sha256
from sensorium_core.kinematics import Kinematics
from sensorium_description import load_urdf
from sensorium_recording.bag_reader import BagReader
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_training.commands.pretrain import pretrain
from sensorium_training.commands.train import train
from sensorium_training.objectives.compose import parse
from sensorium_training.pretraining.config import PretrainConfig, needs
from sensorium_training.pretraining.source import load_rows
from sensorium_training.pretraining.trainer import Pretrainer
from sensorium_training.train import TrainConfig, Trainer

from .test_train import Random

OBJECTIVES = {
    "hidden": {"objective": "masked", "sense": "wrench"},
    "motion": {"objective": "motion", "senses": ["joints"], "scale": [0.01, 0.01, 0.01, 0.05]},
}
NEEDS = needs(parse(OBJECTIVES))


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bags")
    generator = EpisodeGenerator(GenerateConfig())
    for seed in range(4):
        generator.make(folder, seed)
    generator.close()
    return folder


def loaded(bags: Path, split: str, share: float = 0.5):
    return load_rows(bags, split, tabletop(), NEEDS, share)


def arguments(bags: Path, folder: Path, *options: str) -> list[str]:
    config = folder / "objectives.yaml"
    config.write_text(json.dumps(OBJECTIVES))
    told = ["--config", config, "--run", folder / "run", "--cache", folder / "cache"]
    told += ["--batch", "16", "--log-steps", "1", "--workers", "1", "--threads", "1"]
    return [str(one) for one in (bags, *told, "--device", "cpu", *options)]


def ask(bags: Path, folder: Path, *options: str):
    return CliRunner().invoke(pretrain, arguments(bags, folder, *options), catch_exceptions=False)


def test_no_episode_and_no_scene_both_trains_and_watches(bags: Path):
    scenes = []
    for split in ("train", "validation"):
        _, data = loaded(bags, split)
        told = [BagReader(bags / e.bag).metadata()["episode"]["seed"] for e in data.episodes]
        assert told
        scenes.append(set(told))
    assert not scenes[0] & scenes[1]
    assert len(scenes[0] | scenes[1]) == 4


def test_the_next_step_is_the_loaders_next_row_and_motion_is_that_of_the_measured_tool(
    bags: Path,
):
    rows, data = loaded(bags, "all")
    arm = Kinematics(load_urdf())
    here = np.flatnonzero(rows.next >= 0)
    assert len(here) == len(data) - len(data.episodes)
    one = int(here[len(here) // 2])
    now, then = data[one], data[int(rows.next[one])]
    assert (now["episode"], then["t_ns"] - now["t_ns"]) == (then["episode"], 100_000_000)
    taken = rows.take(np.array([one]))
    poses = [arm.tool_pose(row["joints"][:6].astype(float)) for row in (now, then)]
    np.testing.assert_allclose(taken.motion[0].numpy(), poses[1] - poses[0], atol=1e-6)
    commanded = (then["tool"] - now["tool"]) / (0.02, 0.02, 0.02, 0.1, 0.25)
    np.testing.assert_allclose(taken.action[0].numpy(), commanded, atol=1e-4)


def test_pretraining_lowers_the_loss_on_episodes_kept_aside(bags: Path, tmp_path: Path):
    config = PretrainConfig(
        OBJECTIVES, steps=60, batch=24, warm_up=5, learning_rate=3e-3, checkpoint_steps=60,
        validation_batches=2,
    )  # fmt: skip
    learn, watch = loaded(bags, "train")[0], loaded(bags, "validation")[0]
    made = Pretrainer(learn, watch, tmp_path, config)
    before = made.validate()
    made.run(lambda *told: None)
    after = made.validate()
    assert after["motion/loss"] < 0.9 * before["motion/loss"]
    assert after["motion/error"] < 0.9 * after["motion/error_of_stillness"]


def test_the_documented_command_on_two_processes_learns_what_one_does(bags: Path, tmp_path: Path):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    assert ask(bags, one, "--steps", "4").exit_code == 0
    command = str(Path(sys.executable).with_name("sensorium"))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, "--no-python", "--", command, "pretrain",
         *arguments(bags, two, "--steps", "4")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("rows to learn from") == 1
    ours, theirs = (
        [json.loads(line)["loss"] for line in (f / "run" / "log.jsonl").read_text().splitlines()]
        for f in (one, two)
    )
    assert len(ours) >= 4
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5)
    encoders = [load_file(f / "run" / "encoders.safetensors") for f in (one, two)]
    for name, value in encoders[0].items():
        torch.testing.assert_close(encoders[1][name], value, rtol=1e-3, atol=1e-4)


def test_the_command_goes_on_and_its_encoders_start_a_training(bags: Path, tmp_path: Path):
    told = ask(bags, tmp_path, "--steps", "2", "--checkpoint-steps", "1")
    assert told.exit_code == 0, told.output
    encoders = tmp_path / "run" / "encoders.safetensors"
    assert f"sensorium train --contract tabletop --encoders {encoders}" in told.stdout
    assert "rows to learn from" in told.stderr
    (tmp_path / "run" / "checkpoints" / "00000002.pt").unlink()
    weights = encoders.read_bytes()
    again = ask(bags, tmp_path, "--steps", "2", "--checkpoint-steps", "1")
    assert "going on after step 1" in again.stderr
    assert encoders.read_bytes() == weights
    files = {"log.jsonl", "config.json", "encoders.safetensors", "checkpoints"}
    assert files <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_new_training_takes_the_encoders_and_a_resumed_one_does_not(bags: Path, tmp_path: Path):
    assert ask(bags, tmp_path, "--steps", "1").exit_code == 0
    file = tmp_path / "run" / "encoders.safetensors"
    config = TrainConfig(minutes=0.0001, batch=8, threads=1, validation_batches=1, device="cpu")
    plain = Trainer([Random()], [], tmp_path / "plain", config)
    first = Trainer([Random()], [], tmp_path / "policy", config, None, file)
    assert first.taken is not None
    assert first.taken.senses == ("wrench", "joints")
    weights = load_file(file)
    for name, value in first.net.state_dict().items():
        expected = weights[name] if name in weights else plain.net.state_dict()[name]
        assert torch.equal(value, expected), name
        assert torch.equal(first.average[name], expected), name
    first.run(lambda *told: None)
    assert Trainer([Random()], [], tmp_path / "policy", config, None, file).taken is None


def test_the_stages_say_what_was_taken_and_refuse_a_run_that_began_otherwise(
    bags: Path, tmp_path: Path
):
    assert ask(bags, tmp_path, "--steps", "1").exit_code == 0
    file = tmp_path / "run" / "encoders.safetensors"
    common = [bags, "--cache", tmp_path / "cache", "--minutes", "0.01", "--dagger", "0", "--batch",
              "4", "--workers", "1", "--device", "cpu"]  # fmt: skip

    def imitate(*options):
        arguments = [str(one) for one in (*common, *options)]
        return CliRunner().invoke(train, arguments, catch_exceptions=False)

    told = imitate("--run", tmp_path / "policy", "--encoders", file)
    assert "parameters taken: wrench (6), joints (4); from scratch: scene_rgb" in told.stderr
    facts = json.loads((tmp_path / "policy" / "facts.json").read_text())["encoders"]
    assert facts["sha256"] == file_sha256(file)
    assert imitate("--run", tmp_path / "policy", "--encoders", file).exit_code == 0
    path = tmp_path / "policy" / "facts.json"
    known = json.loads(path.read_text())
    del known["encoders"]
    path.write_text(json.dumps(known))
    with pytest.raises(LoaderError, match="began without"):
        imitate("--run", tmp_path / "policy", "--encoders", file)


def test_an_objective_that_cannot_be_built_is_refused_before_rows_are_made(
    bags: Path, tmp_path: Path
):
    config = tmp_path / "odd.yaml"
    config.write_text(json.dumps({"motion": {**OBJECTIVES["motion"], "scale": [0.01]}}))
    with pytest.raises(GateConfigError, match="4 numbers above 0"):
        ask(bags, tmp_path, "--config", str(config))
    assert not (tmp_path / "cache").exists()


def test_a_folder_without_enough_rows_or_without_a_bag_is_refused_in_words(
    bags: Path, tmp_path: Path
):
    few = tmp_path / "few"
    shutil.copytree(bags / loaded(bags, "all")[1].episodes[0].bag, few / "one")
    with pytest.raises(LoaderError, match=r"rows for training; expected at least the 4000"):
        ask(few, tmp_path, "--batch", "4000")
    (tmp_path / "none").mkdir()
    with pytest.raises(BagError, match="holds no bag"):
        ask(tmp_path / "none", tmp_path)
