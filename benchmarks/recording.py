"""Recording: loss, cost, faults and parity, over real ROS 2 nodes. Tables of docs/results.md.

    .venv/bin/python benchmarks/recording.py --write              # everything, about an hour
    .venv/bin/python benchmarks/recording.py kill faults --kills 5

Needs 45 GB of room for ten minutes at full load, and root for small disks that fill up.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from recording_faults import faults, faults_page
from recording_kill import kills, kills_page
from recording_load import hashes, hashes_page, load, load_page
from recording_parity import parity, parity_page
from recording_replay import replay, replay_page
from results_page import ROOT, commit, write_section

_PARTS = ("load", "hashes", "replay", "kill", "faults", "parity")
_TITLES = {
    "load": "Recording at full native load, beside the running policy",
    "hashes": "Written = read back",
    "replay": "Replay",
    "kill": "Recorder killed",
    "faults": "Recorder and bags under faults",
    "parity": "Live = offline",
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(_PARTS))
@click.option("--minutes", default=10.0, show_default=True, help="Of full load.")
@click.option("--kills", "n_kills", default=50, show_default=True)
@click.option("--episodes", default=100, show_default=True, help="For parity.")
@click.option(
    "--folder", default=ROOT / "out" / "recording", type=click.Path(path_type=Path),
    help="Where bags go meanwhile.",
)  # fmt: skip
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write the numbers.")
@click.option("--write", is_flag=True, help="Write the sections of docs/results.md.")
def main(
    parts: tuple[str, ...],
    minutes: float,
    n_kills: int,
    episodes: int,
    folder: Path,
    json_path: Path | None,
    write: bool,
) -> None:
    """Run PARTS, or all of them."""
    run = {
        "load": (lambda: load(folder, minutes), load_page, f"--minutes {minutes:g}"),
        "hashes": (lambda: hashes(folder, 30.0), hashes_page, ""),
        "replay": (lambda: replay(folder, 20.0), replay_page, ""),
        "kill": (lambda: kills(folder, n_kills), kills_page, f"--kills {n_kills}"),
        "faults": (lambda: faults(folder), faults_page, ""),
        "parity": (lambda: parity(folder, episodes), parity_page, f"--episodes {episodes}"),
    }
    numbers: dict[str, object] = {}
    for part in parts or _PARTS:
        measure, page, options = run[part]
        result = numbers[part] = measure()
        command = f"benchmarks/recording.py {part} {options}".strip()
        text = f"## {_TITLES[part]}\n\n`{command}`, commit {commit()}, {os.cpu_count()} cores.\n\n"
        text += page(result)
        print(text)
        if write:
            write_section(f"recording {part}", text)
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
