"""How long do random rows take that are on disk and not in memory, asked for at once or in turn?

    .venv/bin/sensorium generate data/few --episodes 60 --families all
    .venv/bin/python benchmarks/cold_rows.py data/few --write

Training reads rows in random order. Where a cache is larger than memory nearly each is read from
disk. Before every batch the system is told to forget the file (`POSIX_FADV_DONTNEED`).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import click
import numpy as np
from results_page import commit, table, write_section
from sensorium_core.contract import touch
from sensorium_recording.loader import EpisodeDataset
from sensorium_recording.mapped_rows import MappedRows
from sensorium_training.dataset import load

_BATCH, _BATCHES = 96, 15


def forget(cache: Path) -> None:
    """No page of the rows is in memory afterwards."""
    for file in cache.rglob("rows.bin"):
        with file.open("rb") as opened:
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def milliseconds(data: EpisodeDataset, cache: Path, seed: int) -> list[float]:
    """Of batches of random rows, each cold."""
    rng, spent = np.random.default_rng(seed), []
    for _ in range(_BATCHES):
        rows = np.sort(rng.integers(len(data), size=_BATCH))
        forget(cache)
        began = time.monotonic()
        data.batch(rows)
        spent.append(1000 * (time.monotonic() - began))
    return spent


@click.command()
@click.argument("demos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--cache", default="data/few-cache", show_default=True, type=Path)
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
def main(demos: Path, cache: Path, write: bool) -> None:
    """Read batches of the rows of DEMOS."""
    data = load(demos, "all", 0.0, cache=cache, contract=touch())
    at_once, rows = MappedRows._ask_for, []
    for way, asking in [("in turn", lambda *_: None), ("at once", at_once)] * 2:
        MappedRows._ask_for = asking  # type: ignore[method-assign]
        spent = milliseconds(data, cache, len(rows))
        rows.append([way, f"{np.median(spent):.0f}", f"{min(spent):.0f} to {max(spent):.0f}"])
    head = (
        f"`benchmarks/cold_rows.py DEMOS --write`, commit {commit()}. {_BATCHES} batches of "
        f"{_BATCH} random rows of {len(data)}, none of them in memory; load "
        f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. The loader asks at once."
    )
    columns = ["rows are asked for", "ms a batch, median", "least to most"]
    text = f"## Rows from a cold disk\n\n{head}\n\n" + table(columns, rows)
    click.echo(text)
    if write:
        write_section("cold rows", text)


if __name__ == "__main__":
    main()
