"""Do all senses together beat some of them, and every trivial baseline? The matrix, with its bars.

    .venv/bin/sensorium generate data/heldout --seed 1300000 --episodes 90 --phrasing heldout \
        --still 0 --families all
    .venv/bin/python benchmarks/senses.py runs/a/policy.onnx --also runs/b/policy.onnx \
        --also runs/c/policy.onnx --policy concatenation=runs/d/policy.onnx --tasks tabletop \
        --tasks touch --fast-policy models/fast --bags data/heldout --episodes 100 --write

Bags for policies of the tabletop families alone: without `--families all`. Single rows by --row:
bars are told for the rows that are there.

Finished trials are kept in out/senses.json and not run again, so that the same command goes on
after an interruption and a larger --episodes adds to it.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from results_page import ROOT, commit, table, write_section
from sensorium_cli.commands.matrix import Wishes, matrix_options, run_matrix
from sensorium_training.matrix.bars import bars, lee
from sensorium_training.matrix.measured import Matrix
from sensorium_training.matrix.report import Page, pages

TITLES = {
    "senses": "Senses, alone and together",
    "study": "Recipes trained from scratch",
    "vision": "Trained without force, or with it",
    "camera": "Trained from scratch, the wrist camera dead",
    "robustness": "Senses that are missing",
    "spoilt": "Senses that go wrong",
    "fresh": "Scenes by which nothing was chosen",
}
"""By name, sections of docs/results.md: the shipped policy, what benchmarks/study.py made (in
parts, of more trials or fewer), the shipped one in rows of fewer trials, and in other scenes."""


def text(matrix: Matrix, command: str, title: str = TITLES["senses"]) -> str:
    """A section of docs/results.md."""
    lines, columns = matrix.lines(), matrix.plan.columns
    commits = ", ".join(dict.fromkeys(c for line in lines for c in line.commits))
    n, load = matrix.plan.n, os.getloadavg()[0]
    after = f", after the first {matrix.plan.skip}" if matrix.plan.skip else ""
    parts = [
        f"## {title}",
        f"`{command}`. {n} held-out scenes a task and training seed{after}, "
        f"wordings: {matrix.plan.phrasing}. Trials at commit {commits}; tables at {commit()}, "
        f"{os.cpu_count()} cores, load {load:.1f}. How to read it: docs/evaluation.md.",
    ]
    measured = bars(lines, columns, matrix.footprints())
    if measured:
        parts.append(table(["what", "measured", "bar", ""], [[*bar] for bar in measured]))
    beside = lee(lines, columns)
    for page in [*([beside] if beside is not None else []), *pages(matrix)]:
        parts += _told(page)
    return "\n\n".join(parts)


def _told(page: Page) -> list[str]:
    made = table([*page.header], [[*row] for row in page.rows])
    return [f"### {page.title}", made, *([page.note] if page.note else [])]


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
@click.option("--section", default="senses", show_default=True, type=click.Choice(list(TITLES)),
              help="Which one --write writes.")  # fmt: skip
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
    section: str,
    **wishes: Any,
) -> None:
    """Run the matrix around MODEL and compare it with the bars."""
    wishes.pop("matrix")
    asked = Wishes(**wishes)
    matrix = run_matrix(model, asked, episodes, phrasing, language, workers, kept, fast_policy)
    told = text(
        matrix,
        shlex.join([".venv/bin/python", "benchmarks/senses.py", *sys.argv[1:]]),
        TITLES[section],
    )
    click.echo(told)
    if write:
        write_section(section, told)


if __name__ == "__main__":
    main()
