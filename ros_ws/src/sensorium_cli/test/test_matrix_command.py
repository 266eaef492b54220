"""The matrix as its user asks for it: options that fit, and errors before anything is run."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sensorium_cli.commands.evaluate import evaluate
from sensorium_cli.commands.matrix import warn_of_half_a_policy
from sensorium_core.errors import SensoriumError

ROOT = Path(__file__).resolve().parents[4]
SENSES, FAST = ROOT / "models/senses", ROOT / "models/fast"
MODEL, LANGUAGE = str(ROOT / "models/tabletop"), str(ROOT / "models/language/encoder.onnx")


def invoke(*words):
    return CliRunner().invoke(evaluate, [MODEL, "--language", LANGUAGE, *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--also", MODEL), "--also needs --matrix"),
        (("--matrix", "--drop", "pads"), "--drop does not go with --matrix"),
        (("--matrix", "--over-ros"), "--over-ros does not go with --matrix"),
        (("--matrix", "--policy", "concatenation"), "expected LABEL=PATH, got 'concatenation'"),
        (("--matrix", "--corrupt", "wrench"), "a colon, one of dropped"),
        (("--matrix", "--corrupt", "smell:noisy"), "a sense of scene_rgb"),
        (("--matrix", "--level", "2"), "0<=x<=1"),
    ],
)
def test_options_that_do_not_fit_are_refused(words, said):
    result = invoke(*words)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--row", "nonsense"), "unknown row 'nonsense'"),
        (("--tasks", "juggling"), "unknown task set 'juggling'; allowed: tabletop, touch"),
        (("--policy", "mine=absent.onnx"), "does not exist"),
        (("--policy", "cloud alone=" + MODEL), "two rows called 'cloud alone'"),
        (("--trained-on", str(ROOT / "models" / "tabletop" / "card.md")), "no directory"),
    ],
)
def test_rows_and_tasks_that_do_not_exist_are_named_before_anything_runs(words, said):
    result = invoke("--matrix", "--episodes", "1", *words)
    assert isinstance(result.exception, SensoriumError)
    assert said in str(result.exception)


def test_bags_that_are_of_no_use_are_refused_before_anything_runs(tmp_path):
    kept, bags = tmp_path / "kept.json", tmp_path / "bags"
    bags.mkdir()
    result = invoke("--matrix", "--episodes", "1", "--row", "hold still", "--bags", str(bags),
                    "--json", str(kept))  # fmt: skip
    assert isinstance(result.exception, SensoriumError)
    assert "no bags" in str(result.exception)
    assert not kept.exists()


@pytest.mark.parametrize("words", [(), ("--matrix",)])
def test_a_fast_half_that_is_none_is_refused_before_anything_runs(words):
    result = invoke(*words, "--fast-policy", MODEL + "/policy.onnx")
    assert isinstance(result.exception, SensoriumError)
    assert "carries no contract of a fast correction" in str(result.exception)


def test_a_language_that_is_not_there_is_named_before_anything_runs(tmp_path):
    kept = tmp_path / "kept.json"
    words = ("--matrix", "--episodes", "1", "--row", "hold still", "--json", str(kept))
    result = CliRunner().invoke(evaluate, [MODEL, "--language", str(tmp_path / "none"), *words])
    assert isinstance(result.exception, SensoriumError)
    assert "no such file" in str(result.exception)
    assert not kept.exists()


@pytest.mark.parametrize(
    ("model", "fast", "words"),
    [(MODEL, None, 0), (SENSES, FAST, 0), (SENSES, None, 1)],
)
def test_half_a_policy_is_judged_and_called_so(model, fast, words, capsys):
    warn_of_half_a_policy([Path(model)] * 2, ["tabletop", "touch"], fast)
    assert capsys.readouterr().err.count("judged without a fast half") == words
    warn_of_half_a_policy([Path(model)], ["tabletop"], None)
    assert capsys.readouterr().err == ""


def test_a_matrix_prints_its_tables_and_keeps_its_figures(tmp_path):
    kept = tmp_path / "kept.json"
    words = ("--matrix", "--episodes", "1", "--row", "expert", "--workers", "1")
    first = invoke(*words, "--json", str(kept))
    assert first.exit_code == 0, first.output
    assert "Success" in first.output
    data = json.loads(kept.read_text())
    line = data["summary"]["lines"][0]
    assert (line["row"], line["success"]["mean"]["by_seed"]) == ("expert", [[3, 3]])
    commits = [unit["commits"] for unit in data["units"].values()]
    assert len(commits) == 1
    again = invoke(*words, "--json", str(kept))
    assert again.exit_code == 0
    assert json.loads(kept.read_text())["units"] == data["units"]
