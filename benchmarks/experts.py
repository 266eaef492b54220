"""Can the touch tasks be done with feeling, and not without? Scripted experts, held-out scenes.

    .venv/bin/python benchmarks/experts.py --n 100 --family insert --family hold

For each task: both halves of the expert (slow at 10 Hz, fast at 100 Hz), the slow half alone where
the fast one matters, and an expert that feels nothing. Where the gate's force watch would have
stopped the arm (50 N behind its low-pass, 150 N in one sample) the episode ends and has failed.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
from results_page import ROOT, commit, table
from sensorium_control.force import ForceWatch
from sensorium_control.limits import GateConfig
from sensorium_core.goal import TOUCH_FAMILIES
from sensorium_sim.fast_correction import Admittance
from sensorium_sim.layout import heldout_seed
from sensorium_sim.readings import Readings
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_episode import attempt_touch
from sensorium_sim.touch_layout import touch_scene
from sensorium_training.evaluation import wilson

BOTH, SLOW, BLIND = "slow and fast half", "slow half alone", "feels nothing"


@dataclass(frozen=True)
class Row:
    """One kind of expert on one task."""

    family: str
    clearance_m: float
    mode: str

    @property
    def name(self) -> str:
        """Task in words."""
        gap = f", {1e3 * self.clearance_m:g} mm" if self.family == "insert" else ""
        return f"{self.family}{gap}"


@dataclass(frozen=True)
class Result:
    """How one episode went."""

    seed: int
    text: str
    success: bool
    reason: str
    duration_s: float
    peak_n: float
    """Largest single sample of force."""
    filtered_n: float
    """Largest force behind the gate's low-pass."""
    stopped: str
    """Why the gate would have stopped the arm; empty if it would not."""


ROWS = (
    *(Row("insert", gap, mode) for gap in (0.001, 0.0005) for mode in (BOTH, SLOW, BLIND)),
    *(Row("hold", 0.001, mode) for mode in (BOTH, SLOW, BLIND)),
    *(Row(family, 0.001, mode) for family in ("give", "feel") for mode in (BOTH, BLIND)),
    *(Row(family, 0.001, BOTH) for family in ("put", "stack")),
)


class Felt:
    """What the gate would have felt in one episode."""

    def __init__(self) -> None:
        self._watch = ForceWatch(GateConfig())
        self.peak_n = self.filtered_n = 0.0
        self.stopped = ""

    def __call__(self, readings: Readings) -> bool:
        """Takes in the readings of one move; whether the gate would stop the arm."""
        for stamp, wrench in zip(readings.stamps_ns.tolist(), readings.wrench, strict=True):
            refusal = self._watch.feel(stamp, wrench.tolist())
            if refusal is not None and not self.stopped:
                self.stopped = f"{refusal.reason.name}: {refusal.detail}"
            self.filtered_n = max(self.filtered_n, self._watch.force_n)
        self.peak_n = max(self.peak_n, float(np.linalg.norm(readings.wrench[:, :3], axis=1).max()))
        return bool(self.stopped)


def run(cell: TouchCell, row: Row, index: int) -> Result:
    """The episode of one held-out scene."""
    scene, goal = touch_scene(row.family, heldout_seed(index), row.clearance_m)
    felt = Felt()
    fast = Admittance() if row.mode == BOTH else None
    end = attempt_touch(cell, scene, goal, row.mode != BLIND, fast, felt)
    return Result(
        scene.seed, goal.text, end.outcome.success is True and not felt.stopped,
        end.outcome.reason, end.duration_s, felt.peak_n, felt.filtered_n, felt.stopped,
    )  # fmt: skip


def line(row: Row, results: list[Result]) -> list[str]:
    """One line of the table."""
    n, k = len(results), sum(r.success for r in results)
    low, high = wilson(k, n)
    peaks, filtered = [r.peak_n for r in results], [r.filtered_n for r in results]
    times = [r.duration_s for r in results if r.success]
    return [
        row.name,
        row.mode,
        f"{k}/{n} ({100 * low:.0f} to {100 * high:.0f} %)",
        f"{np.median(peaks):.0f} / {max(peaks):.0f}",
        f"{np.median(filtered):.0f} / {max(filtered):.0f}",
        str(sum(bool(r.stopped) for r in results)),
        f"{np.median(times):.1f}" if times else "",
    ]


HEADER = ["task", "expert", "success (95 % interval)", "peak force, median / largest [N]",
          "filtered, median / largest [N]", "gate would stop", "median time [s]"]  # fmt: skip


@click.command()
@click.option("--n", default=100, show_default=True, help="Held-out scenes of each row.")
@click.option("--first", default=0, show_default=True, help="Index of the first scene.")
@click.option("--family", multiple=True, type=click.Choice(TOUCH_FAMILIES), help="Default: all.")
@click.option(
    "--mode", multiple=True, type=click.Choice((BOTH, SLOW, BLIND)), help="Default: all."
)
@click.option("--out", default=ROOT / "out" / "experts", type=click.Path(path_type=Path))
def main(n: int, first: int, family: tuple[str, ...], mode: tuple[str, ...], out: Path) -> None:
    """Run the experts and print the table."""
    cell = TouchCell(cameras=())
    lines: list[list[str]] = []
    out.mkdir(parents=True, exist_ok=True)
    for row in ROWS:
        if (family and row.family not in family) or (mode and row.mode not in mode):
            continue
        began = time.monotonic()
        results = [run(cell, row, first + i) for i in range(n)]
        lines.append(line(row, results))
        name = f"{row.name} {row.mode}".replace(",", "").replace(" ", "_")
        record = {"commit": commit(), "row": asdict(row), "results": [asdict(r) for r in results]}
        (out / f"{name}.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        failures = Counter(r.stopped or r.reason for r in results if not r.success)
        print(f"{' | '.join(lines[-1])}  [{time.monotonic() - began:.0f} s]", flush=True)
        for reason, count in failures.most_common(3):
            print(f"    {count} x {reason}")
    print(table(HEADER, lines))


if __name__ == "__main__":
    main()
