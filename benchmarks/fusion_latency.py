"""What fusion operators and imputers cost: parameters, and one policy step on one thread.

    .venv/bin/python benchmarks/fusion_latency.py

Exports the policy network with each operator, and with each imputer that goes with it, weights as
they begin, through the real exporter, and runs the files in ONNX Runtime, in turn, over random
inputs of the contract in which a fifth of the senses is missing. In turn, so that what else the
machine does slows all of them alike; ratios are more to be trusted than milliseconds.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from functools import partial
from pathlib import Path

import click
import numpy as np
import torch
from results_page import commit, table
from sensorium_core.codebook import TOKEN_SIZE
from sensorium_core.contract import Contract
from sensorium_core.policy import Policy
from sensorium_training.encoders import NetConfig
from sensorium_training.export import example_inputs, export
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.imputation.names import IMPUTATIONS, fusions_of
from sensorium_training.network import PolicyNet
from sensorium_training.recipe import CONTRACTS, contract_named

_BUDGET_MS = 4.0
_INPUTS = 16
_WARM_UP = 20


def configurations(contract: Contract) -> dict[str, NetConfig]:
    """Every operator with learned tokens, then every legal pair of operator and imputer."""
    made = partial(NetConfig.for_contract, contract)
    plain = {name: made(fusion=name) for name in FUSIONS}
    return plain | {
        f"{fusion} + {imputer}": made(fusion=fusion, imputation=imputer)
        for imputer in IMPUTATIONS[1:]
        for fusion in fusions_of(imputer)
    }


def measure(contract: Contract, steps: int) -> dict[str, dict[str, float]]:
    """By configuration: parameters of its parts and the whole, p50 and p99 [ms], parity."""
    rows: dict[str, dict[str, float]] = {}
    policies: dict[str, Policy] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, config in configurations(contract).items():
            torch.manual_seed(0)
            net = PolicyNet(config)
            path = Path(folder) / f"{name}.onnx"
            parity = export(net, contract, path)
            policies[name] = Policy(path)
            rows[name] = {
                "operator": _numbers(net.mix),
                "imputer": 0 if net.imputer is None else _numbers(net.imputer),
                "network": _numbers(net),
                "parity": parity,
            }
    for name, spent_ms in _timed(contract, policies, steps).items():
        rows[name] |= {f"p{q}": float(np.percentile(spent_ms, q)) for q in (50, 99)}
    return rows


def _numbers(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _timed(contract: Contract, policies: dict[str, Policy], steps: int) -> dict[str, list[float]]:
    """Milliseconds of every step after the first few, the files in turn."""
    words = (NetConfig.for_contract(contract).text_channels // TOKEN_SIZE,)
    feeds = [
        {name: tensor.numpy() for name, tensor in example_inputs(contract, seed, *words).items()}
        for seed in range(_INPUTS)
    ]
    spent: dict[str, list[float]] = {name: [] for name in policies}
    for step in range(steps + _WARM_UP):
        for name, policy in policies.items():
            began = time.perf_counter()
            policy.run(feeds[step % _INPUTS])
            if step >= _WARM_UP:
                spent[name].append((time.perf_counter() - began) * 1e3)
    return spent


def page(rows: dict[str, dict[str, float]], command: str, default: str) -> str:
    """A table for people, ratios to the `default` operator, and whether the budget is kept."""
    reference = rows[default]["p50"]
    cells = [
        [
            name, f"{row['operator']:,}", f"{row['imputer']:,}", f"{row['network']:,}",
            f"{row['p50']:.2f}", f"{row['p99']:.2f}", f"{row['p50'] / reference:.2f}",
            f"{row['parity']:.0e}",
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    head = [
        "operator", "its parameters", "imputer's", "network's", "p50 ms", "p99 ms", "p50 ratio",
        "parity",
    ]  # fmt: skip
    over = [name for name, row in rows.items() if row["p50"] > _BUDGET_MS]
    verdict = f"not met by {', '.join(over)}" if over else "met"
    return "\n\n".join([
        f"`{command}`, commit {commit()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"one thread, batch 1.",
        table(head, cells),
        f"Budget: p50 of a step at most {_BUDGET_MS:g} ms: {verdict}.",
    ])  # fmt: skip


@click.command()
@click.option("--contract", default=CONTRACTS[0], show_default=True, type=click.Choice(CONTRACTS))
@click.option("--steps", default=300, show_default=True, type=click.IntRange(1))
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers.")
def main(contract: str, steps: int, json_path: Path | None) -> None:
    """Measure a step with each fusion operator and imputer."""
    rows = measure(contract_named(contract), steps)
    command = f"benchmarks/fusion_latency.py --contract {contract} --steps {steps}"
    print(page(rows, command, NetConfig.for_contract(contract_named(contract)).fusion))
    if json_path is not None:
        record = {"command": command, "commit": commit(), "operators": rows}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
