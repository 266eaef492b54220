"""Do all senses together beat some of them, and every trivial baseline? The matrix, with its bars.

    .venv/bin/sensorium generate data/heldout --seed 1300000 --episodes 60 --phrasing heldout \
        --still 0
    .venv/bin/python benchmarks/senses.py runs/a/policy.onnx --also runs/b/policy.onnx \
        --also runs/c/policy.onnx --policy concatenation=runs/d/policy.onnx --tasks tabletop \
        --tasks touch --bags data/heldout --episodes 100 --write

Finished trials are kept in out/senses.json and not run again, so that the same command goes on
after an interruption and a larger --episodes adds to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from results_page import ROOT, commit, table, write_section
from sensorium_cli.commands.matrix import Wishes, matrix_options, run_matrix
from sensorium_training.evaluation import wilson
from sensorium_training.matrix.comparing import best_single, difference
from sensorium_training.matrix.measured import Line, Matrix, labelled
from sensorium_training.matrix.report import pages, share
from sensorium_training.matrix.rows import ALL, CLAIM_SEEDS

_NO_FORCE, _NO_TOUCH = "all but wrench + pads", "all but wrench + pads + joints"
_VISUAL = ("pick", "push", "press")
_BY_TOUCH = ("give", "feel")
"""Of two that look alike: chance is one half."""
Bar = list[str]
"""What, measured, bar, verdict."""


def bars(lines: Sequence[Line]) -> list[Bar]:
    """The bars of the study that these lines have figures for."""
    known = labelled(lines)
    if ALL not in known:
        return []
    ours = known[ALL]
    found = [
        _at_least(ours, column, 0.95 if column in _VISUAL else 0.85) for column in ours.results
    ]
    found.append(_at_least(ours, None, 0.92))
    if "insert" in ours.results and _NO_FORCE in known:
        found.append(_insertion(ours, known[_NO_FORCE]))
    if _NO_TOUCH in known:
        found += [_chance(known[_NO_TOUCH], c) for c in _BY_TOUCH if c in ours.results]
    rivals = [line for line in lines if "concatenation" in line.row.label]
    best = best_single(lines)
    return found + [_beats(ours, line) for line in ([best] if best else []) + rivals]


def _at_least(line: Line, column: str | None, bar: float) -> Bar:
    successes, n = line.counts(column)
    what = f"{line.row.label}, {column or 'mean of tasks'}"
    return [
        what,
        share((successes, n)),
        f"≥ {100 * bar:.0f} %",
        _verdict(successes >= bar * n, line),
    ]


def _insertion(ours: Line, blind: Line) -> Bar:
    (k, n), (j, m) = ours.counts("insert"), blind.counts("insert")
    low, high = difference(ours, blind, "insert").interval
    measured = f"{share((k, n))} against {share((j, m))}, {100 * low:+.0f} to {100 * high:+.0f}"
    met = k >= 0.85 * n and j <= 0.5 * m and low > 0
    return ["insertion, all senses against no force", measured,
            "≥ 85 % against ≤ 50 %, significant", _verdict(met, ours, blind)]  # fmt: skip


def _chance(blind: Line, column: str) -> Bar:
    low, high = wilson(*blind.counts(column))
    return [f"{blind.row.label}, {column}", share(blind.counts(column)), "interval holds 50 %",
            _verdict(low <= 0.5 <= high, blind)]  # fmt: skip


def _beats(ours: Line, other: Line) -> Bar:
    apart = wilson(*ours.counts())[0] > wilson(*other.counts())[1]
    measured = f"{share(ours.counts())} against {share(other.counts())}"
    return [f"all senses against {other.row.label}", measured, "higher, intervals apart",
            _verdict(apart, ours, other)]  # fmt: skip


def _verdict(met: bool, *lines: Line) -> str:
    """Whether a bar is met, and whether the training seeds are enough to say so."""
    claim = all(line.row.is_claim for line in lines)
    return ("met" if met else "not met") + ("" if claim else f", under {CLAIM_SEEDS} seeds")


def text(matrix: Matrix, command: str) -> str:
    """The section of docs/results.md."""
    lines = matrix.lines()
    commits = ", ".join(dict.fromkeys(c for line in lines for c in line.commits))
    n, load = matrix.plan.n, os.getloadavg()[0]
    parts = [
        "## Senses, alone and together",
        f"`{command}`. {n} held-out scenes a task and training seed, wordings: "
        f"{matrix.plan.phrasing}. Trials at commit {commits}; tables at {commit()}, "
        f"{os.cpu_count()} cores, load {load:.1f}. How to read it: docs/evaluation.md.",
    ]
    measured = bars(lines)
    if measured:
        parts.append(table(["what", "measured", "bar", ""], measured))
    for page in pages(matrix):
        parts += [f"### {page.title}", table([*page.header], [[*row] for row in page.rows])]
        parts += [page.note] if page.note else []
    return "\n\n".join(parts)


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True))
@click.option("--episodes", default=100, show_default=True, type=click.IntRange(1))
@click.option(
    "--phrasing", default="heldout", show_default=True, type=click.Choice(["train", "heldout"])
)
@click.option("--language", default=ROOT / "models" / "language" / "encoder.onnx",
              type=click.Path(path_type=Path))  # fmt: skip
@click.option("--fast-policy", type=click.Path(path_type=Path),
              help="A fast half, for policies that say what to feel.")  # fmt: skip
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option("--json", "kept", default=ROOT / "out" / "senses.json",
              type=click.Path(path_type=Path), help="What was measured; taken up.")  # fmt: skip
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
@matrix_options
def main(
    model: Path,
    episodes: int,
    phrasing: str,
    language: Path,
    fast_policy: Path | None,
    workers: int,
    kept: Path,
    write: bool,
    **wishes: Any,
) -> None:
    """Run the matrix around MODEL and compare it with the bars."""
    wishes.pop("matrix")
    asked = Wishes(**wishes)
    matrix = run_matrix(model, asked, episodes, phrasing, language, workers, kept, fast_policy)
    section = text(matrix, " ".join(["benchmarks/senses.py", *sys.argv[1:]]))
    click.echo(section)
    if write:
        write_section("senses", section)


if __name__ == "__main__":
    main()
