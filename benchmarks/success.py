"""Does the arm do what it is told? Every success table of docs/results.md, from one command.

    .venv/bin/python benchmarks/success.py models/tabletop --episodes 200 --over-ros 30

Scenes and wordings are held out: no training saw them. Rows that name what the arm must not do
(wrong instruction, out of scope) stand beside the rows of what it must.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from results_page import ROOT, commit, table, write_section
from sensorium_cli.commands.evaluate import evaluate_cases
from sensorium_core.policy import Policy
from sensorium_training.evaluation import (
    Case,
    Outcome,
    by_family,
    refusal_cases,
    task_cases,
    wilson,
    wrong_cases,
)
from sensorium_training.matrix.statistics import mcnemar, paired_interval

_LANGUAGE = ROOT / "models" / "language" / "encoder.onnx"
_FAMILIES = ("pick", "push", "press")
_MOVED_M = 0.01


@dataclass
class Bench:
    """Runs cases and keeps what it needs for the report."""

    model: Path
    workers: int
    _known: dict[tuple[object, ...], Outcome] = field(default_factory=dict)
    """Of headless episodes: they repeat exactly, so that none is run twice."""

    def run(
        self,
        cases: list[Case],
        drop: tuple[str, ...] = (),
        over_ros: bool = False,
        gate: bool = True,
    ) -> list[Outcome]:
        """Outcomes of the cases, in order."""
        keys = [(case, drop, gate, over_ros) for case in cases]
        new = [case for case, key in zip(cases, keys, strict=True) if key not in self._known]
        outcomes = evaluate_cases(
            new, self.model, _LANGUAGE, frozenset(drop), over_ros, self.workers, gate
        )
        for outcome in outcomes:
            self._known[outcome.case, drop, gate, over_ros] = outcome
        return [self._known[key] for key in keys]


def share(outcomes: list[Outcome]) -> str:
    """`successes/n = rate (interval)`."""
    n, k = len(outcomes), sum(o.success for o in outcomes)
    low, high = wilson(k, n)
    return f"{k}/{n} = {100 * k / n:.1f} % ({100 * low:.1f} to {100 * high:.1f})"


def held_out(bench: Bench, n: int) -> tuple[list[list[str]], list[Outcome]]:
    """Held-out scenes by family, and held-out wordings over all."""
    rows: list[list[str]] = []
    every: list[Outcome] = []
    for family in _FAMILIES:
        outcomes = bench.run(task_cases(family, n, "heldout", "train"))
        every += outcomes
        rows.append([f"{family}, held-out scenes", share(outcomes), "≥ 95 %"])
    third = -(-n // 3)
    cases = [c for f in _FAMILIES for c in task_cases(f, third, "heldout", "heldout")]
    outcomes = bench.run(cases)
    every += outcomes
    rows.append(["held-out scenes and wordings", share(outcomes), "≥ 92 %"])
    return rows, every


def baselines(bench: Bench, n: int) -> tuple[list[list[str]], list[Outcome]]:
    """What must not happen, and what a policy that did not listen would reach."""
    wrong = bench.run(wrong_cases(n, "heldout"))
    refused = bench.run(refusal_cases(50, "heldout"))
    moved = sum(o.moved_m > _MOVED_M for o in refused)
    rows = [
        ["told another object: does the task it was not told", share(wrong), "≤ 5 %"],
        ["50 out-of-scope instructions: arm moved", f"{moved}/{len(refused)}", "≤ 2"],
        ["trivial baseline: hold still", "0 % by definition of every task", "-"],
    ]
    return rows, wrong + refused


def dead_senses(bench: Bench, n: int) -> tuple[list[list[str]], list[Outcome]]:
    """One sense dead from the start, the same scenes for each."""
    cases = [c for f in _FAMILIES for c in task_cases(f, n, "heldout", "train")]
    rows, every = [], []
    for sense in ("nothing", "wrist_rgb", "scene_rgb", "cloud", "wrench", "pads"):
        outcomes = bench.run(cases, () if sense == "nothing" else (sense,))
        every += outcomes
        by_name = {f: f"{k}/{m}" for f, k, m in by_family(outcomes)}
        peak = max(o.peak_force_n or 0.0 for o in outcomes)
        families = [by_name[f] for f in _FAMILIES]
        rows.append([sense, share(outcomes), *families, f"{peak:.0f}"])
    return rows, every


def over_ros(bench: Bench, n: int) -> tuple[list[list[str]], list[Outcome]]:
    """The same episodes headless and through real nodes."""
    cases = [c for f in _FAMILIES for c in task_cases(f, -(-n // 3), "heldout", "train")][:n]
    headless, real = bench.run(cases), bench.run(cases, over_ros=True)
    difference = abs(sum(o.success for o in headless) - sum(o.success for o in real))
    rows = [
        ["headless", share(headless), "-"],
        ["over real ROS 2 nodes", share(real), f"differs by {difference}; bar ≤ 2"],
    ]
    return rows, headless + real


def gate_on_off(bench: Bench, n: int) -> tuple[str, list[Outcome]]:
    """The same scenes with and without the gate, and everything that the gate did in them."""
    cases = [c for f in _FAMILIES for c in task_cases(f, n, "heldout", "train")]
    off, on = bench.run(cases, gate=False), bench.run(cases)
    rows = []
    for family in (*_FAMILIES, "all"):
        pairs = [(a, b) for a, b in zip(off, on, strict=True) if family in ("all", a.case.family)]
        lost = sum(a.success and not b.success for a, b in pairs)
        won = sum(b.success and not a.success for a, b in pairs)
        low, high = paired_interval(won, lost, len(pairs))
        rows.append(
            [
                family,
                share([a for a, _ in pairs]),
                share([b for _, b in pairs]),
                f"{won} / {lost}",
                f"{100 * (won - lost) / len(pairs):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})",
                f"{mcnemar(won, lost):.2f}",
            ]
        )
    columns = ["family", "gate off", "gate on", "only on / only off", "difference, %", "p"]
    return table(columns, rows) + "\n\n" + gate_events(on), off + on


def gate_events(outcomes: list[Outcome]) -> str:
    """False trips and refusals in episodes in which nothing was wrong, with their reasons."""
    tripped = sum(bool(o.trips or o.refusals) for o in outcomes)
    minutes = sum(o.seconds for o in outcomes) / 60
    text = f"False trips (any hold, stop or refusal) in {len(outcomes)} episodes, "
    text += f"{minutes:.0f} minutes: {tripped} episodes (bar 0)."
    for what in ("trips", "refusals"):
        found = Counter(words.partition(":")[0] for o in outcomes for words in getattr(o, what))
        reasons = ", ".join(f"{reason} {k}" for reason, k in found.most_common()) or "none"
        text += f" {what.capitalize()}: {reasons}."
    return text


def step_latency(model: Path, n: int = 2000) -> list[list[str]]:
    """Milliseconds of one policy step with every sense, one thread."""
    from sensorium_core.contract import tabletop
    from sensorium_training.export import example_inputs

    policy = Policy(model)
    tensors = {k: v.numpy() for k, v in example_inputs(tabletop()).items()}
    spent = []
    for _ in range(n):
        began = time.perf_counter()
        policy.run(tensors)
        spent.append(1e3 * (time.perf_counter() - began))
    p50, p99 = np.percentile(spent[50:], [50, 99])
    return [["policy step, every sense, one thread", f"{p50:.2f} / {p99:.2f} ms", "p50 ≤ 3 ms"]]


@click.command()
@click.argument("model", default="models/tabletop", type=click.Path(path_type=Path, exists=True))
@click.option("--episodes", default=200, show_default=True, help="For each family; 0: none.")
@click.option("--dead", default=20, show_default=True, help="Episodes a family; 0: none.")
@click.option("--over-ros", "ros", default=30, show_default=True, help="Episodes; 0: none.")
@click.option("--gate", "gated", default=200, show_default=True, help="A family; 0: none.")
@click.option("--workers", default=2, show_default=True)
def main(model: Path, episodes: int, dead: int, ros: int, gated: int, workers: int) -> None:
    """Measure MODEL and write docs/results.md and out/success.json."""
    bench, every = Bench(model, workers), []
    facts = f"Policy sha256 `{Policy(model).sha256[:16]}`, commit `{commit()}`, "
    facts += "scene seeds from 1,200,000 (held out), 95 % Wilson intervals. "
    command = f"`python benchmarks/success.py {model}"
    if episodes:
        rows, outcomes = held_out(bench, episodes)
        more, others = baselines(bench, episodes)
        every += outcomes + others
        head = f"## Does it do what it is told?\n\n{facts}{command} --episodes {episodes}`\n\n"
        rows += more + step_latency(model)
        _publish("success", head + table(["what", "measured", "bar"], rows))
    if dead:
        rows, outcomes = dead_senses(bench, dead)
        every += outcomes
        head = f"## With one sense dead from the start\n\n{facts}{command} --dead {dead}`\n\n"
        columns = ["dead", "success", *_FAMILIES, "peak N"]
        _publish("dead senses", head + table(columns, rows))
    if ros:
        rows, outcomes = over_ros(bench, ros)
        every += outcomes
        head = "## The same episodes headless and over ROS 2\n\n"
        head += f"{facts}{command} --over-ros {ros}`\n\n"
        _publish("over ros", head + table(["", "success", ""], rows))
    if gated:
        text, outcomes = gate_on_off(bench, gated)
        every += outcomes
        head = f"## With the gate and without it\n\n{facts}{command} --gate {gated}`. The same "
        head += "scenes both times; p by McNemar's exact test; bar: no loss beyond noise.\n\n"
        _publish("gate on and off", head + text)
    report = {"commit": commit(), "outcomes": [o.as_json() for o in every]}
    (ROOT / "out").mkdir(exist_ok=True)
    (ROOT / "out" / "success.json").write_text(json.dumps(report, indent=1))


def _publish(name: str, text: str) -> None:
    write_section(name, text)
    click.echo(text)


if __name__ == "__main__":
    main()
