"""The study's recipes are what `sensorium train` takes; what is finished is not trained again."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sensorium_core.hashes import file_sha256
from sensorium_training.commands.recipe_options import recipe_of
from sensorium_training.commands.train import train
from sensorium_training.pretraining.config import DEFAULT, load_objectives

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import study

ASKED = {
    "demos": "demos", "cache": "rows", "steps": "5", "batch": "4", "precision": "bfloat16",
    "threads": "1", "data_hash": "h",
}  # fmt: skip


def test_its_pretraining_is_the_default_and_what_words_add() -> None:
    ours = load_objectives(study.ROOT / "benchmarks" / "study_pretraining.yaml")
    usual = load_objectives(DEFAULT)
    assert {label: ours.get(label) for label in usual} == usual
    added = [ours[label]["objective"] for label in ours if label not in usual]
    assert added == ["matching", "transport"]


@pytest.mark.parametrize("name", study.RECIPES)
def test_a_recipe_is_one_that_can_be_trained(name: str, tmp_path: Path) -> None:
    encoders = tmp_path / "encoders.safetensors"
    encoders.touch()
    options = [part.format(encoders=encoders) for part in study.RECIPES[name]]
    told = train.make_context("train", [str(tmp_path), "--contract", "touch", *options]).params
    names = ("contract", "fusion", "imputation", "blur", "corrupt", "drop", "only", "share")
    recipe = recipe_of({key: told[key] for key in names})
    unheard = {
        "vision alone": {"wrench", "pads"},
        "force alone": {"scene_rgb", "cloud", "wrist_rgb"},
    }
    assert set(recipe.dead) == unheard.get(name, set())
    assert (recipe.share < 1) == name.startswith("a tenth")


def test_a_policy_that_is_there_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    encoders = tmp_path / "encoders"
    encoders.write_bytes(b"pretrained")

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        ran.append(command[1:])
        if command[1] == "export":
            Path(command[3]).mkdir()
            (Path(command[3]) / "policy.onnx").touch()
            recipe = {"steps": 5, "precision": "bfloat16", "share": 0.1}
            facts = {"recipe": recipe, "samples_first": 20, "data_hash_demos": "h",
                     "encoders": {"sha256": file_sha256(encoders)}}  # fmt: skip
            (Path(command[2]) / "facts.json").write_text(json.dumps(facts))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(study.subprocess, "run", run)
    asked = {**ASKED, "encoders": str(encoders)}
    path = study.make("a tenth, pretrained", 2, asked, tmp_path)
    assert path == tmp_path / "a-tenth-pretrained-2" / "release" / "policy.onnx"
    assert [command[0] for command in ran] == ["train", "export"]
    assert ran[0][-4:] == ["--share", "0.1", "--encoders", str(encoders)]
    assert " --seed 2 " in " ".join(ran[0])
    assert study.make("a tenth, pretrained", 2, asked, tmp_path) == path
    assert len(ran) == 2
    for other, name in (
        ({"steps": "6"}, "recipe"),
        ({"precision": "float32"}, "recipe"),
        ({"batch": "8"}, "samples_first"),
        ({"data_hash": "g"}, "data_hash_demos"),
    ):
        with pytest.raises(click.ClickException, match=f"with {name} .*other --runs"):
            study.make("a tenth, pretrained", 2, {**asked, **other}, tmp_path)
    monkeypatch.setitem(study.RECIPES, "a tenth, pretrained", ("--encoders", "{encoders}"))
    with pytest.raises(click.ClickException, match=r"with recipe .*'share': 0.1.*other --runs"):
        study.make("a tenth, pretrained", 2, asked, tmp_path)
    monkeypatch.undo()
    encoders.write_bytes(b"pretrained again")
    with pytest.raises(click.ClickException, match=r"with encoders .*other --runs"):
        study.make("a tenth, pretrained", 2, asked, tmp_path)


def test_a_training_that_fails_is_named_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(study.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(click.ClickException, match=r"concatenation, seed 1: see .*out\.log"):
        study.make("concatenation", 1, ASKED, tmp_path)


def test_the_seeds_of_our_recipe_are_judged_together_and_others_by_label() -> None:
    made = {name: [Path(f"{name}{k}") for k in range(2)] for name in (study.OURS, "vision alone")}
    told = study.judged(made, Path("data/touch"))
    ours = ".venv/bin/python benchmarks/senses.py"
    assert told.startswith(f"{ours} 'all senses0' --also 'all senses1' --policy")
    assert "--policy 'vision alone=vision alone1'" in told
    assert "--trained-on data/touch" in told
    assert told.endswith("--section study --write")
    assert "train 'all senses'" in study.judged({"vision alone": [Path("a")]}, Path("data"))


def test_pretrained_encoders_that_are_not_there_are_missed_at_once(tmp_path: Path) -> None:
    told = CliRunner().invoke(
        study.main, [str(tmp_path), "--encoders", "none", "--recipe", "a tenth, pretrained"]
    )
    assert told.exit_code == 2
    assert "no pretrained encoders at none" in told.output
