"""Releases a policy: contract with provenance inside, and a card for people beside it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium_core.contract import Contract
from sensorium_core.errors import PolicyFileError
from sensorium_core.goal import families_of

from sensorium_training.encoders import contract_of
from sensorium_training.export import export
from sensorium_training.provenance import git_commit
from sensorium_training.recipe import PRECISIONS
from sensorium_training.train import load_network


def release(run: Path, out: Path) -> float:
    """Export a run's final weights; returns the largest difference between ONNX and torch."""
    weights, facts = run / "weights.safetensors", run / "facts.json"
    for file in (weights, facts):
        if not file.is_file():
            raise PolicyFileError(file, "does not exist", "let `sensorium train` finish first")
    known: dict[str, Any] = json.loads(facts.read_text())
    net = load_network(weights)
    known["parameters"] = sum(p.numel() for p in net.parameters())
    known["git_commit"] = git_commit()
    known["fusion"] = net.config.fusion
    known["head"] = net.config.head
    known["imputation"] = net.config.imputation
    plain = contract_of(net.config)
    contract = Contract.parse({**plain.model_dump(), "provenance": known}, plain.name)
    only = known.get("recipe", {}).get("only", [])
    dead = tuple(sense for sense in plain.senses if only and sense not in only)
    difference = export(net, contract, out / "policy.onnx", dead)
    kept = out / "weights.safetensors"
    if not (kept.exists() and kept.samefile(weights)):
        shutil.copy(weights, kept)
    (out / "card.md").write_text(_card(contract, known, difference))
    return difference


def _rows(values: Mapping[str, object]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in values.items())


def _provenance(facts: dict[str, Any], difference: float) -> dict[str, str]:
    """Where the weights come from, by what a person calls it."""
    return {
        "parameters": f"{facts['parameters']:,}",
        "fusion operator": f"{facts['fusion']}",
        "units of each layer of the head": f"{facts['head']}",
        "in place of a missing sense": f"{facts['imputation']}",
        "demonstrations": f"{facts.get('episodes_demos')} episodes by scripted experts, "
        "none by people",
        "rollouts labelled by the expert (DAgger)": f"{facts.get('episodes_dagger', 0)}",
        "success of those with every sense, by round, before they were used": _successes(facts),
        **_recipe(facts.get("recipe", {})),
        "went on from weights": _short(facts.get("went_on_from")) or "none: from scratch",
        "data hash": f"`{str(facts.get('data_hash_demos'))[:16]}`",
        "training seed": f"{facts.get('seed')}",
        "exported at commit": f"`{facts['git_commit']}`",
        "largest difference ONNX - torch": f"{difference:.1e}",
    }


def _short(sha256: str | None) -> str:
    return f"`{sha256[:16]}`" if sha256 else ""


def _successes(facts: dict[str, Any]) -> str:
    rounds = sorted(
        (k, v) for k, v in facts.items() if k.startswith("rollout_success") and v is not None
    )
    return ", ".join(f"{value:.2f}" for _, value in rounds) or "not measured"


def _recipe(told: dict[str, Any]) -> dict[str, str]:
    """What the run could choose and noted; runs of before it could tell nothing."""
    if not told:
        return {}
    odds = ", ".join(f"{sense} {share:g}" for sense, share in told["drop"].items())
    return {
        "share of the demonstrations learnt from": f"{told['share']:g}",
        "precision of the training's arithmetic": told.get("precision", PRECISIONS[0]),
        "share of the rollouts without force": f"{told.get('deaf', 0):g}",
        "share of a batch drawn where something is to be felt": f"{told.get('felt', 0):g}",
        "steps of the first training": f"{told.get('steps') or 'by time'}",
        "hears these senses alone": ", ".join(told["only"]) or "no: on all",
        "odds of a sense dead in a row": odds,
        "share of rows in which a sense goes wrong": f"{told['corrupt']:g}",
        "blur of vision at the start [pixels]": f"{told['blur']:g}",
    }


def _card(contract: Contract, facts: dict[str, Any], difference: float) -> str:
    """The card in Markdown: what it does, what it came from, its errors, its limits."""
    senses = ", ".join(contract.senses)
    metrics = {name: f"{value:.4g}" for name, value in facts.get("validation", {}).items()}
    times = {k: v for k, v in facts.items() if k.endswith("_s") and isinstance(v, (int, float))}
    told = ", ".join(families_of(contract.version))
    return f"""# {contract.name}

Moves a {contract.robot} as told: {told}. Senses: {senses}, and text.
Without {" and ".join(contract.required)} it holds still.

| | |
|---|---|
{_rows(_provenance(facts, difference))}

Errors on episodes kept aside, of demonstrations and, in equal parts, of rollouts where there are
any (see `sensorium_training/losses.py` for the units):

| term | value |
|---|---|
{_rows(metrics)}

Wall-clock seconds by stage:

| stage | s |
|---|---|
{_rows(times)}

Closed-loop results and the commands that reproduce them: `docs/results.md`.

## Limits

Trained in simulation only, on one table, with the objects and buttons of the cell. It has never
moved a real arm. Colour and depth of the scene camera are required: with
either dead the arm holds still.
"""
