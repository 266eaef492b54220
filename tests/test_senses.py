"""benchmarks/senses.py for a policy of nine families: chosen rows, a fast half, the bars."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from sensorium_core.codebook import SLOTS, TOKEN_SIZE
from sensorium_core.contract import touch
from sensorium_core.hashes import file_sha256
from sensorium_training.export import export
from sensorium_training.matrix.bars import NO_FORCE, VISION
from sensorium_training.matrix.measured import Plan
from sensorium_training.matrix.rows import ALL, EXPERT, LIFTED, POLICY, chosen, standard_rows
from sensorium_training.matrix.running import units_of
from sensorium_training.matrix.store import MatrixStore, Result
from sensorium_training.network import NetConfig, PolicyNet

ROOT = Path(__file__).resolve().parents[1]
LANGUAGE, FAST = ROOT / "models/language/encoder.onnx", ROOT / "models/fast"
ROWS = (ALL, NO_FORCE, VISION, f"{VISION}, {LIFTED}", EXPERT)
TASKS = ("tabletop", "touch")
REAL = (ALL, "press")
"""The one trial that is run here; of the others a file tells what came of them."""
WRONG = {
    "give": "the block that is not the heavier one was given",
    "feel": "the one that is not soft was lifted",
}


@pytest.fixture(scope="module")
def senses():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import senses

        yield senses
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))


@pytest.fixture(scope="module")
def policy(tmp_path_factory):
    """Untrained, of contract version 2."""
    path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    export(PolicyNet(NetConfig(version=2, text_channels=len(SLOTS) * TOKEN_SIZE)), touch(), path)
    return path


@pytest.fixture
def kept(policy, tmp_path):
    rows = chosen(standard_rows((policy,), {}, touch()), ROWS)
    plan = Plan(tuple(rows), TASKS, 1, LANGUAGE, "heldout", FAST)
    store = MatrixStore(tmp_path / "kept.json")
    for row in rows:
        for name, trials in plan.trials.items():
            for unit in units_of(row, name, LANGUAGE, FAST):
                for trial in unit.trials(trials):
                    good = row.label in (ALL, EXPERT)
                    words = "" if good else WRONG.get(trial.family, "not done yet after 30 s")
                    if (row.label, trial.family) != REAL:
                        result = Result(good, words, "acting", 1.0, 0.1, 5.0, 0)
                        store.put(unit.settings, trial, result, "a1")
    store.save()
    return store.path


def test_a_policy_of_nine_families_is_judged_by_the_rows_that_are_there(
    senses, policy, kept, tmp_path, monkeypatch
):
    page = tmp_path / "results.md"
    monkeypatch.setattr(senses, "write_section", partial(senses.write_section, page=page))
    words = [policy, "--fast-policy", FAST, "--episodes", 1, "--workers", 1, "--json", kept]
    words += [word for name in TASKS for word in ("--tasks", name)]
    words += [word for label in ROWS for word in ("--row", label)]
    told = CliRunner().invoke(senses.main, [*map(str, words), "--write"], catch_exceptions=False)
    assert told.exit_code == 0, told.output
    data = json.loads(kept.read_text())
    found = {line["row"]: line for line in data["summary"]["lines"]}
    lifted = f"{VISION}, {LIFTED}"
    assert set(found) == {ALL, EXPERT, NO_FORCE, VISION, lifted}
    assert found[ALL]["success"]["mean"]["by_seed"] == [[8, 9]]
    units = [one["settings"] for one in data["units"].values()]
    fast = {(one["actor"], one["tasks"]) for one in units if "fast" in one}
    assert fast == {(POLICY, "tabletop"), (POLICY, "touch"), (EXPERT, "touch")}
    assert {one.get("fast") for one in units} == {None, file_sha256(FAST / "correction.onnx")}
    text = page.read_text()
    bars = text[: text.index("###")]
    assert f"| {ALL}, hold | 1/1" in bars
    assert f"| insertion, all senses against {NO_FORCE} | 1/1" in bars
    for leak in (f"{NO_FORCE}, give", f"{NO_FORCE}, hold", f"{lifted}, feel", f"{lifted}, hold"):
        assert f"| {leak} | 0/1" in bars
    assert f"{VISION}, give" not in bars
    assert "concatenation" not in bars
    assert "### Insertion beside Lee et al." in text
    assert f"| {lifted} | 0/1" in text
    assert "Success, theirs" in text
