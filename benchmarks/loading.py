"""Loading for training: our loader beside LeRobotDataset, cost against size, and the export.

    .venv/bin/python benchmarks/loading.py --write

Generates bags into a cache folder and installs lerobot into an environment of its own; both are
kept for the next run. Sizes are measured first, so that nothing is cached for them.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click
import loading_access
import loading_export
import loading_sizes
from lerobot_environment import LeRobot, default_folder
from results_page import ROOT, commit, write_section

PARTS = ("sizes", "access", "export")


@click.command()
@click.option("--bags", default="10,100,1000", show_default=True, help="Sizes of directories.")
@click.option("--items", default=1000, show_default=True, type=click.IntRange(1),
              help="Items a repetition.")  # fmt: skip
@click.option("--repeats", default=5, show_default=True, type=click.IntRange(1))
@click.option("--native", default="20,120", show_default=True,
              help="Seconds of the bags with 640x480 images that are exported.")  # fmt: skip
@click.option("--steps", default=20, show_default=True, type=click.IntRange(1),
              help="Steps of ACT.")  # fmt: skip
@click.option("--part", "parts", multiple=True, type=click.Choice(PARTS), default=PARTS)
@click.option("--cache", default=ROOT / "out" / "loading", type=click.Path(path_type=Path))
@click.option("--environment", default=default_folder(), type=click.Path(path_type=Path),
              help="Where lerobot is installed.")  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers.")
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
def main(
    bags: str,
    items: int,
    repeats: int,
    native: str,
    steps: int,
    parts: tuple[str, ...],
    cache: Path,
    environment: Path,
    json_path: Path | None,
    write: bool,
) -> None:
    """Measure loading."""
    counts = sorted(int(n) for n in bags.split(","))
    lerobot = LeRobot(environment.resolve())
    folder = loading_sizes.make_bags(cache, counts[-1])
    compared = cache / str(counts[min(1, len(counts) - 1)])
    found: dict[str, object] = {}
    if "sizes" in parts:
        found["sizes"] = loading_sizes.measure(folder, counts)
    if not compared.is_dir():
        loading_sizes.share_of(folder, int(compared.name))
    if "access" in parts:
        found["access"] = loading_access.measure(compared, cache, lerobot, items, repeats)
    if "export" in parts:
        long = [native_folder(cache, int(n)) for n in native.split(",") if n]
        found["export"] = loading_export.measure([compared, *long], cache, lerobot, steps)
    command = " ".join(["benchmarks/loading.py", *sys.argv[1:]])
    text = page(found, command)
    print(text)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        record = {"command": command, "commit": commit(), **found}
        json_path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if write:
        write_section("loading", text)


def native_folder(cache: Path, seconds: int) -> Path:
    """A folder with one bag of so many seconds."""
    folder = cache / f"640x480 {seconds} s"
    loading_export.native_bag(folder / "bag", seconds)
    return folder


def page(found: dict[str, object], command: str) -> str:
    """The section of docs/results.md."""
    parts = {
        "access": ("Random access", loading_access.page),
        "sizes": ("Cost against size", loading_sizes.page),
        "export": ("Export to LeRobot", loading_export.page),
    }
    head = f"`{command}`, commit {commit()}, {os.cpu_count()} cores."
    texts = [
        f"### {title}\n\n{text(found[n])}" for n, (title, text) in parts.items() if n in found
    ]
    return "\n\n".join(["## Loading", head, *texts])


if __name__ == "__main__":
    main()
