"""A run that goes on from a trained policy: what it takes, what it refuses, what it notes."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file, save_file
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import LoaderError, WeightsError
from sensorium_core.hashes import file_sha256
from sensorium_training.card import release
from sensorium_training.commands.train import train
from sensorium_training.encoders import NetConfig
from sensorium_training.network import PolicyNet
from sensorium_training.train import load_network
from sensorium_training.weights import take_weights

PLAIN = NetConfig.for_contract(tabletop())


def write(path: Path, net: PolicyNet, **changed: torch.Tensor) -> Path:
    told = {"config": json.dumps(asdict(net.config))}
    save_file({**net.state_dict(), **changed}, path, metadata=told)
    return path


def test_a_network_takes_every_weight_of_another(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, other = PolicyNet(PLAIN), PolicyNet(PLAIN)
    take_weights(other, write(tmp_path / "w.safetensors", net))
    assert all(map(torch.equal, net.state_dict().values(), other.state_dict().values()))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (NetConfig.for_contract(touch()), r"text_channels 224, here 128.*--contract"),
        (replace(PLAIN, fusion="concatenation"), "fusion concatenation, here weighted.*--fusion"),
    ],
)
def test_weights_of_another_make_are_refused_with_what_differs(
    config: NetConfig, words: str, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match=words):
        take_weights(PolicyNet(PLAIN), write(tmp_path / "w.safetensors", PolicyNet(config)))


def test_what_is_no_weights_is_refused(tmp_path: Path) -> None:
    net, file = PolicyNet(PLAIN), tmp_path / "w.safetensors"
    file.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        take_weights(net, file)
    save_file(net.state_dict(), file, metadata={"config": "[" * 9})
    with pytest.raises(WeightsError, match="cannot be read"):
        take_weights(net, file)
    odd = r"done.bias is \(2,\), here \(1,\): of another version.*train anew"
    with pytest.raises(WeightsError, match=odd):
        take_weights(net, write(file, net, **{"done.bias": torch.zeros(2)}))


def asked(demos: Path, run: Path, *options: object) -> Result:
    common = [demos, "--run", run, "--cache", demos.parent / "rows", "--batch", "8",
              "--workers", "1", "--device", "cpu", "--dagger", "0", *options]  # fmt: skip
    return CliRunner().invoke(train, list(map(str, common)), catch_exceptions=False)


def test_a_released_policy_is_gone_on_from_and_a_run_says_so(demos: Path, tmp_path: Path) -> None:
    assert asked(demos, tmp_path / "a", "--minutes", 0.01).exit_code == 0
    release(tmp_path / "a", tmp_path / "released")
    given = tmp_path / "released" / "weights.safetensors"
    told = asked(demos, tmp_path / "b", "--minutes", 0, "--weights", given)
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "b" / "facts.json").read_text())
    assert (facts["went_on_from"], facts["samples_first"]) == (file_sha256(given), 0)
    first, second = (load_file(tmp_path / run / "weights.safetensors") for run in "ab")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert load_network(given).config == PLAIN
    release(tmp_path / "b", tmp_path / "again")
    assert f"`{file_sha256(given)[:16]}`" in (tmp_path / "again" / "card.md").read_text()
    with pytest.raises(LoaderError, match="began with other weights"):
        asked(demos, tmp_path / "b", "--minutes", 1)
    with pytest.raises(LoaderError, match="began from scratch"):
        asked(demos, tmp_path / "a", "--minutes", 1, "--weights", given)


def test_steps_are_the_budget_where_they_are_told(demos: Path, tmp_path: Path) -> None:
    told = asked(demos, tmp_path, "--steps", 3)
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "facts.json").read_text())
    assert (facts["samples_first"], facts["recipe"]["steps"]) == (3 * 8, 3)
    assert asked(demos, tmp_path, "--steps", 3).exit_code == 0
    with pytest.raises(LoaderError, match="began with steps 3, now it is 4"):
        asked(demos, tmp_path, "--steps", 4)


@pytest.mark.parametrize(
    ("options", "name"), [(("--seed", 1), "seed 0"), (("--learning-rate", 0.1), "learning_rate")]
)
def test_a_run_is_not_told_to_be_of_another_seed_afterwards(
    demos: Path, tmp_path: Path, options: tuple[object, ...], name: str
) -> None:
    """Or one training would pass for two."""
    assert asked(demos, tmp_path, "--steps", 2).exit_code == 0
    with pytest.raises(LoaderError, match=f"began with {name}.*a new --run"):
        asked(demos, tmp_path, "--steps", 2, *options)
    facts = tmp_path / "facts.json"
    older = {k: v for k, v in json.loads(facts.read_text()).items() if k != "began_with"}
    facts.write_text(json.dumps(older))
    if name == "seed 0":
        with pytest.raises(LoaderError, match="began with seed 0, now it is 1"):
            asked(demos, tmp_path, "--steps", 2, *options)
    assert asked(demos, tmp_path, "--steps", 2).exit_code == 0


def test_steps_count_from_given_weights_too(demos: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    given = write(tmp_path / "w.safetensors", PolicyNet(PLAIN))
    told = asked(demos, tmp_path / "run", "--steps", 3, "--minutes", 0, "--weights", given)
    assert told.exit_code == 0, told.output
    facts = json.loads((tmp_path / "run" / "facts.json").read_text())
    assert facts["samples_first"] == 3 * 8
    state = torch.load(tmp_path / "run" / "first" / "last.pt", weights_only=True)
    assert state["step"] == 3


def test_weights_bring_their_network_unless_another_is_asked_for(
    demos: Path, tmp_path: Path
) -> None:
    older = NetConfig(fusion="contact_gate", head=32)
    given = write(tmp_path / "w.safetensors", PolicyNet(older))
    told = asked(demos, tmp_path / "run", "--steps", 1, "--weights", given)
    assert told.exit_code == 0, told.output
    assert load_network(tmp_path / "run" / "weights.safetensors").config == older
    recipe = json.loads((tmp_path / "run" / "facts.json").read_text())["recipe"]
    parts = [recipe[name] for name in ("fusion", "imputation", "head")]
    assert parts == ["contact_gate", "learned", 32]
    for option, value, words in (
        ("--fusion", "film", "fusion contact_gate, here film.*--fusion"),
        ("--head", 48, "head 32, here 48.*--head"),
    ):
        with pytest.raises(WeightsError, match=words):
            asked(demos, tmp_path / "other", "--steps", 1, "--weights", given, option, value)
    torn = tmp_path / "torn.safetensors"
    torn.write_bytes(b"no tensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        asked(demos, tmp_path / "other", "--steps", 1, "--weights", torn)


def test_weights_go_on_with_the_senses_that_they_heard(demos: Path, tmp_path: Path) -> None:
    told = asked(demos, tmp_path / "a", "--steps", 1, "--only", "scene_rgb,cloud,joints")
    assert told.exit_code == 0, told.output
    deaf = tmp_path / "a" / "weights.safetensors"
    with pytest.raises(WeightsError, match="without wrist_rgb,wrench,pads, here without none"):
        asked(demos, tmp_path / "b", "--steps", 1, "--weights", deaf)
    hearing = write(tmp_path / "w.safetensors", PolicyNet(PLAIN))
    with pytest.raises(WeightsError, match="without no sense, here without wrench,pads"):
        take_weights(PolicyNet(PLAIN), hearing, ("wrench", "pads"))
    take_weights(PolicyNet(PLAIN), deaf, ("wrist_rgb", "wrench", "pads"))


def test_an_interrupted_run_goes_on_from_its_checkpoint_not_from_the_weights(
    demos: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    given = write(tmp_path / "w.safetensors", PolicyNet(PLAIN))
    options = ("--steps", 4, "--weights", given)
    assert asked(demos, tmp_path / "run", *options).exit_code == 0
    checkpoint = tmp_path / "run" / "first" / "last.pt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save({**state, "step": 2}, checkpoint)
    assert asked(demos, tmp_path / "run", *options).exit_code == 0
    after = torch.load(checkpoint, weights_only=True)
    assert after["step"] == 4
    moved = [
        (after["net"][k] - state["net"][k]).abs().max() for k in ("done.weight", "head.0.bias")
    ]
    start = [
        (after["net"][k] - load_file(given)[k]).abs().max() for k in ("done.weight", "head.0.bias")
    ]
    assert all(0 < m < s for m, s in zip(moved, start, strict=True))


def test_a_run_starts_from_one_thing(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.touch()
    for options, words in (
        (("--minutes", 0), "untrained"),
        (("--weights", file, "--encoders", file), "--encoders"),
        (("--weights", file, "--blur", 4), "--blur"),
    ):
        told = asked(tmp_path, tmp_path / "run", *options)
        assert told.exit_code == 2
        assert words in told.output
    assert not (tmp_path / "run").exists()
