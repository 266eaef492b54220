"""Does pretraining on two processes give the loss curve of one, and how much faster is it?

    .venv/bin/python benchmarks/pretraining.py data/demos --steps 100 --json out/pretraining.json

Runs `sensorium pretrain` with the same seed alone and under torchrun, with the same number of
threads in each process, and compares `log.jsonl` step by step. The first run makes the rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from results_page import ROOT, commit, table, write_section

_MODULE = "sensorium_training.commands.pretrain"
_TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
"""Before its `--`, without which it takes `--run` for an option of its own."""
_BAR = 1e-5
"""Largest difference of the curves that is still rounding."""


@dataclass(frozen=True)
class Run:
    """One run of the command."""

    processes: int
    losses: list[float]
    """Of every step."""
    rows_per_s: float
    """Over all processes and steps; validation is not counted."""


def measure(
    demos: Path, processes: int, steps: int, batch: int, threads: int, cache: Path, precision: str
) -> Run:
    """Pretrain on so many processes; raises `CalledProcessError` when that fails."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = [*_TORCHRUN, str(processes), "-m", "--"] if processes > 1 else ["-m"]
        options = {
            "--run": folder, "--cache": cache, "--steps": steps, "--batch": batch,
            "--threads": threads, "--log-steps": 1, "--checkpoint-steps": steps, "--device": "cpu",
            "--precision": precision,
        }  # fmt: skip
        told = [str(part) for option in options.items() for part in option]
        subprocess.run(
            [sys.executable, *launcher, _MODULE, str(demos), *told],
            check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)}, cwd=ROOT,
        )  # fmt: skip
        lines = (Path(folder) / "log.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["kind"] == "train"]
    return Run(processes, [row["loss"] for row in rows], rows[-1]["steps_per_s"] * batch)


def page(one: Run, two: Run, batch: int, threads: int, command: str) -> str:
    """A table for people, and whether the curves agree."""
    apart = max(abs(a - b) for a, b in zip(one.losses, two.losses, strict=True))
    cells = [
        [
            str(run.processes), f"{run.losses[0]:.4f}", f"{run.losses[-1]:.4f}",
            f"{run.rows_per_s:.0f}", f"{run.rows_per_s / one.rows_per_s:.2f}",
        ]
        for run in (one, two)
    ]  # fmt: skip
    head = ["processes", "first loss", "last loss", "rows/s", "ratio"]
    verdict = "met" if apart <= _BAR else "not met"
    return "\n\n".join([
        f"`{command}`, commit {commit()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"{len(one.losses)} steps of {batch} rows, {threads} threads a process.",
        table(head, cells),
        f"Curves differ by at most {apart:.1e}; bar {_BAR:g}: {verdict}, in the precision of the "
        "command. Learning magnifies rounding; what float32 makes of it: docs/pretraining.md.",
    ])  # fmt: skip


@click.command()
@click.argument("demos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--steps", default=100, show_default=True, type=click.IntRange(2))
@click.option("--batch", default=192, show_default=True, type=click.IntRange(4))
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1))
@click.option(
    "--precision", default="float64", show_default=True,
    type=click.Choice(("float32", "bfloat16", "float64")),
    help="float64 tells rounding, which learning magnifies, from a difference of the method.",
)  # fmt: skip
@click.option(
    "--cache", default="data/cache", show_default=True, type=click.Path(path_type=Path),
    help="Rows of the bags.",
)  # fmt: skip
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers.")
def main(
    demos: Path,
    steps: int,
    batch: int,
    threads: int,
    cache: Path,
    precision: str,
    write: bool,
    json_path: Path | None,
) -> None:
    """Compare one process with two on the bags in DEMOS."""
    one, two = (
        measure(demos.resolve(), n, steps, batch, threads, cache.resolve(), precision)
        for n in (1, 2)
    )
    command = f"benchmarks/pretraining.py {demos} --steps {steps} --batch {batch}"
    command += f" --threads {threads} --precision {precision}"
    text = page(one, two, batch, threads, command)
    print(text)
    if write:
        write_section("pretraining processes", f"## Pretraining on two processes\n\n{text}")
    if json_path is not None:
        record = {"command": command, "commit": commit(), "runs": [asdict(one), asdict(two)]}
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
