"""Is the learned fast half as good as the textbook's? Scripted experts, held-out scenes.

    .venv/bin/python benchmarks/fast_head.py --n 100

The slow half is the expert of `insert` and `hold`. The fast half is none, damping control with one
gain (`Admittance`), the teacher that knows the spring pressed, or the file. Where the gate's force
watch would have stopped the arm the episode ends and has failed. `--gate` puts the whole gate
between both halves and the arm: see docs/fast_correction.md.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from experts import HEADER, Felt, Result, Row, line
from fast_gated import GatedDriver
from numpy.typing import NDArray
from results_page import ROOT, commit, table, write_section
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import Goal
from sensorium_sim.fast_correction import Admittance, FastCorrection, FastInput, Intent
from sensorium_sim.layout import heldout_seed
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_episode import attempt_touch
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import TouchState
from sensorium_training.fast.runs import FAMILIES
from sensorium_training.fast.teacher import teacher_of

NONE, TEXTBOOK, TEACHER, LEARNED = "none", "one gain (textbook)", "knows the spring", "learned"
HEADS = (NONE, TEXTBOOK, TEACHER, LEARNED)
_STEPS, _BUDGET_MS = 2000, 2.0


def head(mode: str, file: Path, goal: Goal, state: TouchState) -> FastCorrection | None:
    """The fast half of a row."""
    if mode == LEARNED:
        return FastPolicy(file)
    return {NONE: None, TEXTBOOK: Admittance(), TEACHER: teacher_of(goal, state)}[mode]


def run(
    cell: TouchCell, row: Row, index: int, file: Path, gated: bool
) -> tuple[Result, GatedDriver | None]:
    """The episode of one held-out scene, and who drove it through the gate."""
    scene, goal = touch_scene(row.family, heldout_seed(index), row.clearance_m)
    cell.reset(scene)
    felt, fast = Felt(), head(row.mode, file, goal, cell.ground_truth())
    driver: GatedDriver | None = None
    if gated:
        end, driver = GatedDriver.attempt(cell, scene, goal, fast, felt)
    else:
        end = attempt_touch(cell, scene, goal, True, fast, felt)
    done = end.outcome.success is True and not felt.stopped
    peaks = (felt.peak_n, felt.filtered_n, felt.stopped)
    return Result(scene.seed, goal.text, done, end.outcome.reason, end.duration_s, *peaks), driver


def judged(drivers: list[GatedDriver]) -> str:
    """What the gate made of the proposals of a row, and its processor time for each."""
    n = sum(d.proposals for d in drivers)
    refusals = Counter(words.partition(":")[0] for d in drivers for words in d.guard.refusals)
    trips = Counter(words.partition(":")[0] for d in drivers for words in d.guard.trips)
    each_ms = 1e3 * sum(d.judging_s for d in drivers) / n
    return (
        f"    {n} proposals, {each_ms:.1f} ms each; refused {dict(refusals)}; held {dict(trips)}"
    )


def latency(file: Path, n: int) -> NDArray[np.float64]:
    """Times [ms] of a step in contact on one thread, p50 and p99: by the wall, of the thread."""
    policy = FastPolicy(file)
    wrench = np.tile([1.0, 0.5, -6.0, 0.1, 0.1, 0.0], (32, 1))
    given = FastInput(wrench, np.zeros((32, 2, 3)), np.zeros((32, 14)), Intent(8.0, 1.0))
    for _ in range(100):
        policy(given)
    wall, own = np.empty(n), np.empty(n)
    for i in range(n):
        wall[i], own[i] = time.perf_counter(), time.thread_time()
        policy(given)
        wall[i], own[i] = time.perf_counter() - wall[i], time.thread_time() - own[i]
    return 1e3 * np.array([np.percentile(values, (50, 99)) for values in (wall, own)])


def page(told: NDArray[np.float64], steps: int) -> str:
    """The section of the results on a step of the fast half."""
    (wall50, wall99), own = told
    load = os.getloadavg()[0]
    met = "met" if wall99 <= _BUDGET_MS else "not met"
    rows = [
        ["by the wall", f"{wall50:.3f}", f"{wall99:.3f}", f"p99 ≤ {_BUDGET_MS:g}: {met}"],
        ["of the processor", *(f"{value:.3f}" for value in own), "-"],
    ]
    return "\n\n".join([
        "## A step of the fast half",
        f"`benchmarks/fast_head.py --n 0 --write`, commit {commit()}, {os.cpu_count()} cores, "
        f"load {load:.1f}. {steps} steps in contact on one thread; a tick is 10 ms.",
        table(["time [ms]", "p50", "p99", "bar"], rows),
    ])  # fmt: skip


def report(row: Row, results: list[Result], seconds: float, gate: bool, out: Path) -> list[str]:
    """Writes one row down and prints it; its line of the table."""
    words = line(row, results)
    name = f"{row.name} {row.mode}{' gate' if gate else ''}".replace(",", "").replace(" ", "_")
    record = {"commit": commit(), "row": asdict(row), "results": [asdict(r) for r in results]}
    (out / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    print(f"{' | '.join(words)}  [{seconds:.0f} s]", flush=True)
    failures = Counter(r.stopped or r.reason for r in results if not r.success)
    for reason, count in failures.most_common(3):
        print(f"    {count} x {reason}")
    return words


@click.command()
@click.option(
    "--n", default=100, show_default=True, help="Held-out scenes of each row; 0: latency."
)
@click.option("--first", default=0, show_default=True, help="Index of the first scene.")
@click.option("--family", multiple=True, type=click.Choice(FAMILIES), default=FAMILIES)
@click.option("--head", "heads", multiple=True, type=click.Choice(HEADS), default=HEADS)
@click.option("--clearance-mm", default="1", show_default=True, type=click.Choice(["1", "0.5"]))
@click.option("--file", default=ROOT / "models" / "fast", type=click.Path(path_type=Path))
@click.option("--gate", is_flag=True, help="Through the whole gate, at 50 proposals a second.")
@click.option("--out", default=ROOT / "out" / "fast_head", type=click.Path(path_type=Path))
@click.option("--write", is_flag=True, help="Also write the latency into docs/results.md.")
def main(
    n: int,
    first: int,
    family: tuple[str, ...],
    heads: tuple[str, ...],
    clearance_mm: str,
    file: Path,
    gate: bool,
    out: Path,
    write: bool,
) -> None:
    """Run the rows, print the table and the latency."""
    cell, lines = TouchCell(cameras=()), []
    out.mkdir(parents=True, exist_ok=True)
    rows = [Row(f, 1e-3 * float(clearance_mm), head) for f in family for head in heads]
    for row in rows if n else ():
        began = time.monotonic()
        runs = [run(cell, row, first + i, file, gate) for i in range(n)]
        results = [result for result, _ in runs]
        lines.append(report(row, results, time.monotonic() - began, gate, out))
        if gate:
            print(judged([driver for _, driver in runs if driver is not None]), flush=True)
    if lines:
        print(table(HEADER, lines))
    told = page(latency(file, _STEPS), _STEPS)
    print(told)
    if write:
        write_section("fast half", told)


if __name__ == "__main__":
    main()
