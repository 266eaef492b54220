"""A pretraining run: it goes on bit for bit, trains what it names and nothing else, and learns."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sensorium_core.errors import GateConfigError, LoaderError, UnknownNameError, WeightsError
from sensorium_training.encoders import NetConfig
from sensorium_training.network import PolicyNet
from sensorium_training.pretraining.config import DEFAULT, load_objectives
from sensorium_training.pretraining.records import HOW_TO_GET_TENSORBOARD, RunLog
from sensorium_training.pretraining.rows import following
from sensorium_training.pretraining.trainer import Pretrainer
from sensorium_training.pretraining.transfer import take_encoders
from sensorium_training.pretraining.views import Views

from .synthetic_rows import LENGTH, OBJECTIVES, Made, config, rows_of, speak

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def data() -> Made:
    return Made()


def trainer(data: Made, folder: Path, resume: Path | None = None, **settings) -> Pretrainer:
    asked = config(**settings)
    rows = rows_of(data, asked.objectives)
    return Pretrainer(rows, rows_of(Made(4, 1), asked.objectives), folder, asked, resume=resume)


def run(data: Made, folder: Path, resume: Path | None = None, **settings) -> Pretrainer:
    made = trainer(data, folder, resume, **settings)
    made.run(lambda *told: None)
    return made


def log(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "steps_per_s"} for row in rows]


def test_a_run_that_goes_on_from_any_checkpoint_is_the_one_that_was_never_cut_off(data, tmp_path):
    whole = run(data, tmp_path / "whole", steps=6)
    weights = (tmp_path / "whole" / "encoders.safetensors").read_bytes()
    told = log(tmp_path / "whole")
    for step in (2, 4):
        checkpoint = tmp_path / "whole" / "checkpoints" / f"{step:08d}.pt"
        again = run(data, tmp_path / "whole", checkpoint, steps=6)
        for name, value in whole.net.state_dict().items():
            assert torch.equal(value, again.net.state_dict()[name]), name
        assert (tmp_path / "whole" / "encoders.safetensors").read_bytes() == weights
        assert log(tmp_path / "whole") == told
    assert [row["step"] for row in told if row["kind"] == "train"] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_is_done_goes_on_from_its_newest_checkpoint_and_has_nothing_to_do(
    data, tmp_path
):
    first = run(data, tmp_path)
    again = trainer(data, tmp_path)
    assert again.step == first.step == 4


def test_a_checkpoint_of_other_settings_or_rows_is_refused_with_the_difference(data, tmp_path):
    run(data, tmp_path, steps=2)
    with pytest.raises(LoaderError, match=r"seed = 0 and not 7.*another run"):
        trainer(data, tmp_path, steps=2, seed=7)
    (tmp_path / "checkpoints" / "00000002.pt").write_bytes(b"no checkpoint")
    with pytest.raises(LoaderError, match="cannot be read as a checkpoint"):
        trainer(data, tmp_path, steps=2)


def test_a_checkpoint_from_before_a_setting_of_the_network_counts_as_its_default(data, tmp_path):
    run(data, tmp_path, steps=2)
    path = tmp_path / "checkpoints" / "00000002.pt"
    state = torch.load(path, weights_only=True)
    settings = json.loads(state["config"])

    def kept(net: dict) -> None:
        torch.save({**state, "config": json.dumps({**settings, "net": net})}, path)

    kept({name: value for name, value in settings["net"].items() if name != "imputation"})
    assert trainer(data, tmp_path, steps=2).step == 2
    kept({**settings["net"], "rank": 5})
    with pytest.raises(LoaderError, match=r"net = .*'rank': 5.*another run"):
        trainer(data, tmp_path, steps=2)


def test_a_checkpoint_of_another_version_of_the_network_is_refused(data, tmp_path):
    run(data, tmp_path, steps=2)
    path = tmp_path / "checkpoints" / "00000002.pt"
    state = torch.load(path, weights_only=True)
    net = dict(state["net"])
    name = next(name for name in net if name.endswith("wrench.project.bias"))
    torch.save({**state, "net": {**net, name: net[name][:3]}}, path)
    with pytest.raises(WeightsError, match=r"wrench.project.bias is \(3,\), here"):
        trainer(data, tmp_path, steps=2)


def test_every_trained_parameter_changes_and_no_other_does(data, tmp_path):
    made = trainer(data, tmp_path, weight_decay=0.0)
    before = {name: p.detach().clone() for name, p in made.net.named_parameters()}
    for _ in range(4):
        made.train_step()
    moved = {n for n, p in made.net.named_parameters() if not torch.equal(p, before[n])}
    trained = {n for n, p in made.net.named_parameters() if p.requires_grad}
    assert moved == trained
    untouched = {name.split(".")[1] for name in before.keys() - trained}
    assert untouched == {"cloud", "wrist_rgb"}
    assert any(name.startswith("objectives.") for name in moved)


def test_the_result_holds_the_trained_encoders_and_loads_into_the_policy(data, tmp_path):
    made = run(data, tmp_path)
    file = tmp_path / "encoders.safetensors"
    torch.manual_seed(3)
    net = PolicyNet()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    taken = take_encoders(net, file)
    trained = ("scene_rgb", "wrench", "pads", "joints")
    assert taken.senses == trained
    assert "from scratch: cloud, wrist_rgb, all that is no encoder" in taken.in_words()
    assert taken.told["objectives"] == OBJECTIVES
    assert (taken.told["seed"], taken.told["data_hash"]) == (0, "made")
    pretrained = made.net.encoders.state_dict()
    for name, value in net.state_dict().items():
        ours = name.split(".")[0] in trained
        assert torch.equal(value, pretrained[name] if ours else before[name]), name
    assert set(taken.parameters) == {
        n for n, _ in net.named_parameters() if n.split(".")[0] in trained
    }


def test_a_file_that_is_not_of_these_encoders_is_refused(data, tmp_path):
    run(data, tmp_path, steps=1)
    good = tmp_path / "encoders.safetensors"
    with pytest.raises(WeightsError, match=r"is \(24\), here|is \(.*\), here .*width"):
        take_encoders(PolicyNet(NetConfig(width=64)), good)
    weights = load_file(good)
    bad = tmp_path / "bad.safetensors"
    save_file(weights, bad)
    with pytest.raises(WeightsError, match="say neither"):
        take_encoders(PolicyNet(), bad)
    weights.pop("wrench.first.bias")
    save_file(weights, bad, metadata={"sensorium-encoders-1": "{}"})
    with pytest.raises(WeightsError, match=r"lacks wrench\.first\.bias"):
        take_encoders(PolicyNet(), bad)


def test_what_is_unknown_in_a_config_is_refused(tmp_path):
    file = tmp_path / "config.yaml"
    for text, error, match in (
        ("a: {objective: infonse}", UnknownNameError, "unknown objective of 'a' 'infonse'"),
        ("a: {objective: masked, sense: pads, depth: 3}", UnknownNameError, "'depth'"),
        ("a: {objective: masked, sense: smell}", UnknownNameError, "'smell'.*scene_rgb"),
        ("a: [1, 2]", GateConfigError, "labels with settings"),
        ("a: {objective", GateConfigError, "YAML"),
        ("{}", GateConfigError, "one entry at least"),
    ):
        file.write_text(text)
        with pytest.raises(error, match=match):
            load_objectives(file)
    with pytest.raises(UnknownNameError, match="float8"):
        config(precision="float8")


SAID = {
    "infonce": {"pairs": [["wrench", "pads"], ["scene_rgb", "instruction"]]},
    "binding": {"anchor": "scene_rgb", "senses": ["wrench", "instruction"]},
    "bound to words": {"anchor": "instruction", "senses": ["wrench"]},
    "vse": {"pairs": [["instruction", "scene_rgb"]]},
}


@pytest.mark.parametrize("name", SAID)
def test_words_are_no_sense_like_others_unless_said_so(name, data, tmp_path):
    """Rows told the same words must not be negatives of each other by oversight."""
    objective = "binding" if name == "bound to words" else name
    told = {"said": {"objective": objective, **SAID[name]}}
    match = rf"'said' \({objective}\) setting instruction = None.*`instruction: instruction`"
    with pytest.raises(GateConfigError, match=match):
        config(objectives=told)
    (tmp_path / "config.yaml").write_text(json.dumps(told))
    with pytest.raises(GateConfigError, match=match):
        load_objectives(tmp_path / "config.yaml")
    told["said"]["instruction"] = "instruction"
    data.instructions = lambda indices: ["push the cube"] * len(indices)
    terms = trainer(data, tmp_path, objectives=told).train_step()
    pair = next(name for name in terms if "instruction" in name and name.endswith("/loss"))
    assert terms[pair] == pytest.approx(0, abs=1e-6), "there is nothing to tell apart"


def test_moments_of_an_episode_are_not_told_apart_by_its_words():
    told = {"said": {"objective": "alignment", "pair": ["wrench", "instruction"]}}
    with pytest.raises(GateConfigError, match=r"'said' \(alignment\) setting pair.*`matching`"):
        config(objectives=told)


def test_too_few_rows_are_refused_in_words(data, tmp_path):
    with pytest.raises(LoaderError, match=r"48 rows for training; expected at least the 64"):
        trainer(data, tmp_path, batch=64)
    data.arrays["t_ns"][:] = np.arange(len(data)) * 10**10
    with pytest.raises(LoaderError, match="without one row whose next step is there"):
        trainer(data, tmp_path)


def test_the_next_step_is_of_the_same_episode_and_a_step_later():
    episode = np.array([0, 0, 0, 0, 1, 1, 2])
    t = np.array([0, 33, 67, 100, 0, 250, 0]) * 10**6
    assert following(episode, t, 100_000_000).tolist() == [3, -1, -1, -1, -1, -1, -1]
    assert following(episode, t, 33_000_000).tolist() == [1, 2, 3, -1, -1, -1, -1]


def test_a_batch_has_no_row_twice_and_several_of_an_episode(data):
    rows, chance = rows_of(data), torch.Generator().manual_seed(0)
    for size in (16, len(data)):
        drawn = rows.draw(size, 3, chance)
        assert len(set(drawn.tolist())) == len(drawn) == size
    counts = np.bincount(rows.draw(16, 3, chance) // LENGTH)
    assert sorted(counts[counts > 0].tolist())[-3:] >= [3, 3, 3]


def test_what_lies_in_an_invalid_row_reaches_nothing(data, tmp_path):
    made = trainer(data, tmp_path / "a")
    first = made.train_step()
    for i, names in enumerate((["scene_rgb"], ["cloud"], ["wrist_rgb"], ["wrench"])):
        for name in names:
            fill = 99 if name.endswith("rgb") else np.nan
            data.arrays[name][data.arrays["valid"][:, i] < 0.5] = fill
    assert trainer(data, tmp_path / "b").train_step() == first


def test_a_share_of_a_batch_is_changed_as_the_whole_batch_is(data):
    objectives = {"all": {"objective": "binding", "anchor": "cloud", "senses": [
        "scene_rgb", "wrist_rgb", "wrench", "pads", "joints"]}}  # fmt: skip
    samples = rows_of(data, objectives).take(np.arange(8)).samples
    whole = Views()(samples, 8, slice(0, 8), torch.Generator().manual_seed(1))
    half = {name: value[4:] for name, value in samples.items()}
    share = Views()(half, 8, slice(4, 8), torch.Generator().manual_seed(1))
    for name, value in share.items():
        assert torch.equal(value, whole[name][4:]), name
        assert not torch.equal(value, half[name]), name


def test_every_objective_takes_the_rows_and_leaves_finite_numbers(data, tmp_path):
    told = {
        "bound": {"objective": "binding", "anchor": "scene_rgb", "senses": ["cloud", "joints"]},
        "words": {"objective": "matching", "instruction": "instruction",
                  "senses": ["scene_rgb", "cloud", "wrench"]},
        "moved": {"objective": "transport", "words": "instruction", "patches": "wrist_rgb"},
        "said": {"objective": "vse", "pairs": [["instruction", "scene_rgb"]],
                 "instruction": "instruction"},
        "parts": {"objective": "factorcl", "pair": ["scene_rgb", "wrench"]},
        "flow": {"objective": "flow", "image": "wrist_rgb", "senses": ["wrist_rgb", "joints"]},
        "pixels": {"objective": "masked", "sense": "scene_rgb"},
        **OBJECTIVES,
    }  # fmt: skip
    for precision in ("float32", "bfloat16", "float64"):
        made = trainer(data, tmp_path / precision, objectives=told, precision=precision)
        terms = made.train_step()
        assert all(np.isfinite(value) for value in terms.values())
        assert {name.split("/")[0] for name in terms} == {*told, "loss", "learning_rate"}
        assert "touch/scene_rgb~wrench/bound_nats" in terms
        expected = torch.float64 if precision == "float64" else torch.float32
        assert {p.dtype for p in made.net.parameters()} == {expected}
        for name, p in made.net.named_parameters():
            if p.requires_grad:
                assert p.grad is not None, name
                assert torch.isfinite(p.grad).all(), name


def test_the_shipped_config_is_legal_and_trains_every_sense(data, tmp_path):
    made = trainer(data, tmp_path, objectives=load_objectives(DEFAULT))
    assert len(made.net.needs.senses) == 6
    assert np.isfinite(made.train_step()["loss"])


def test_without_tensorboard_a_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    one = RunLog(tmp_path, 0)
    one.write(1, "train", {"loss": 1.0})
    one.close()
    assert one.missing == HOW_TO_GET_TENSORBOARD
    assert "pip install tensorboard" in one.missing
    assert log(tmp_path) == [{"step": 1, "kind": "train", "loss": 1.0}]


def test_words_are_tokens_of_the_instruction_and_silence_is_invalid(data):
    data.instructions = lambda indices: ["" if i < 3 else "do 1" for i in indices]
    objectives = {"said": {"objective": "matching", "instruction": "instruction",
                           "senses": ["scene_rgb"]}}  # fmt: skip
    rows = rows_of(data, objectives).take(np.array([0, 2, 5]))
    assert rows.valid["instruction"].tolist() == [False, False, True]
    assert torch.equal(rows.words[2], torch.from_numpy(speak(["do 1"])[0]))
    assert rows.words[:2].abs().sum() == 0


def test_tokens_are_local_and_an_image_in_one_place_is_its_token():
    torch.manual_seed(0)
    encoder = PolicyNet().scene_rgb
    image = torch.randint(0, 255, (1, 96, 128, 3), dtype=torch.uint8)
    other = image.clone()
    other[:, :16, :16] = 0
    before, after = (encoder.places(encoder.maps(one)) for one in (image, other))
    changed = (before != after).any(-1).reshape(6, 8)
    assert before.shape == (1, 48, 96)
    assert changed[0, 0]
    assert not changed[3:].any()
    assert not changed[:, 3:].any()
    peak = torch.full((1, 32, 12, 16), -50.0)
    peak[..., 4:6, 6:8] = 0.0
    there = peak.clone()
    there[..., 4:6, 6:8] = 1.0
    where = encoder.places(there)[0, 2 * 8 + 3] - encoder.project.weight[:, 64:].sum(1)
    told = encoder.summary(peak)[0] - encoder.project.weight[:, 64:] @ peak.mean((2, 3))[0]
    torch.testing.assert_close(where, told, rtol=0, atol=1e-4)


def test_the_same_seed_gives_the_same_run_and_another_one_does_not(data, tmp_path):
    runs = [run(data, tmp_path / str(i), steps=2, seed=s) for i, s in enumerate((0, 0, 1))]
    losses = [[row["loss"] for row in log(made.directory)] for made in runs]
    assert losses[0] == losses[1] != losses[2]
    assert replace(runs[0].config, seed=1) == runs[2].config
