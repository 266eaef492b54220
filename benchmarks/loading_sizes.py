"""What the loader costs as a directory grows: index, start-up, access and memory.

Each measurement runs in a process of its own: `loading_sizes.py FOLDER PHASE`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from results_page import table
from sensorium_core.contract import tabletop
from sensorium_recording.index import FOLDER, EpisodeIndex
from sensorium_recording.loader import EpisodeDataset

_ITEMS = 5_000
_PASSES = 5
_CORES = os.cpu_count() or 1


def make_bags(out: Path, count: int) -> Path:
    """Generated episodes, all different; those there are kept."""
    bags = out / "bags"
    words = ["sensorium", "generate", str(bags), "--episodes", str(count)]
    environment = {"MUJOCO_GL": "egl", **os.environ}
    subprocess.run(
        [str(Path(sys.executable).with_name(words[0])), *words[1:]], env=environment, check=True
    )
    return bags


def share_of(bags: Path, count: int) -> Path:
    """A folder with the first `count` bags, by hard links, without what was derived from them."""
    folder = bags.with_name(f"{count}")
    shutil.rmtree(folder, ignore_errors=True)
    for bag in sorted(path.parent for path in bags.glob("*/metadata.yaml"))[:count]:
        shutil.copytree(bag, folder / bag.name, copy_function=os.link)
    return folder


def measure(bags: Path, counts: list[int]) -> list[dict[str, float]]:
    """One row for each count."""
    found = []
    for count in counts:
        folder = share_of(bags, count)
        row = {"bags": float(count)}
        for phase in PHASES:
            words = [sys.executable, __file__, str(folder), phase]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            row |= json.loads(done.stdout.splitlines()[-1])
        found.append(row)
    return found


def index_cold(folder: Path) -> dict[str, float]:
    """Every bag is read."""
    begun_s = time.perf_counter()
    EpisodeIndex(folder, workers=_CORES)
    return {"index_cold_s": time.perf_counter() - begun_s}


def index_warm(folder: Path) -> dict[str, float]:
    """Nothing has changed."""
    begun_s = time.perf_counter()
    EpisodeIndex(folder)
    return {"index_warm_s": time.perf_counter() - begun_s}


def build(folder: Path) -> dict[str, float]:
    """Rows are made of every bag, with all cores."""
    begun_s = time.perf_counter()
    EpisodeDataset(folder, tabletop(), "all", workers=_CORES)
    taken_s = time.perf_counter() - begun_s
    cache = sum(f.stat().st_size for f in (folder / FOLDER).rglob("*") if f.is_file())
    size = sum(f.stat().st_size for f in folder.glob("*/*") if f.is_file())
    return {"build_s": taken_s, "cache_mb": cache / 2**20, "bags_mb": size / 2**20}


def use(folder: Path) -> dict[str, float]:
    """Start-up with everything cached, then random items; memory without the mapped file."""
    before = _memory_mb("RssAnon")
    begun_s = time.perf_counter()
    dataset = EpisodeDataset(folder, tabletop(), "all")
    started_s = time.perf_counter() - begun_s
    started_mb = _memory_mb("RssAnon") - before
    chosen = np.random.default_rng(0).integers(len(dataset), size=_ITEMS).tolist()
    passes = [_pass(dataset, chosen) for _ in range(_PASSES + 1)][1:]
    return {
        "frames": float(len(dataset)),
        "start_s": started_s,
        "item_us": 1e6 * statistics.median(passes) / _ITEMS,
        "started_mb": started_mb,
        "own_mb": _memory_mb("RssAnon"),
        "rss_mb": _memory_mb("VmRSS"),
    }


def _pass(dataset: EpisodeDataset, chosen: list[int]) -> float:
    begun_s = time.perf_counter()
    for i in chosen:
        dataset[i]
    return time.perf_counter() - begun_s


def _memory_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return next(int(r.split()[1]) / 1024 for r in status.splitlines() if r.startswith(field))


PHASES = {"index_cold": index_cold, "index_warm": index_warm, "build": build, "use": use}


def page(rows: list[dict[str, float]]) -> str:
    """The section's text."""
    header = ["bags", "frames", "bags, MB", "index, cold", "index, warm", "rows made", "start-up",
              "one item", "own memory", "RSS with the map", "cache, MB"]  # fmt: skip
    lines = [_line(r) for r in rows]
    return "\n\n".join([
        f"Generated bags, a new process for each column; {_CORES} worker processes where bags are "
        f"read, files in the kernel's cache. An item is `dataset[i]` with every sense and 16 "
        f"actions, at random: the median of {_PASSES} passes over {_ITEMS:,} items after one that "
        "warms the cache.",
        table(header, lines),
        _growth(rows[0], rows[-1]),
        "Own memory is private to the process; RSS has the kernel's pages of the map as well.",
    ])  # fmt: skip


def _growth(small: dict[str, float], large: dict[str, float]) -> str:
    """How each cost grew from the smallest directory to the largest."""
    costs = {"index, cold": "index_cold_s", "index, warm": "index_warm_s", "rows": "build_s",
             "start-up": "start_s", "one item": "item_us", "own memory": "own_mb"}  # fmt: skip
    grown = ", ".join(f"{name} x{large[key] / small[key]:.2g}" for name, key in costs.items())
    return f"From the smallest to the largest (bags x{large['bags'] / small['bags']:g}): {grown}."


def _line(r: dict[str, float]) -> list[str]:
    return [
        f"{r['bags']:.0f}", f"{r['frames']:,.0f}", f"{r['bags_mb']:,.0f}",
        f"{r['index_cold_s']:.2f} s", f"{1e3 * r['index_warm_s']:.0f} ms",
        f"{r['build_s']:.1f} s", f"{1e3 * r['start_s']:.0f} ms", f"{r['item_us']:.0f} us",
        f"{r['own_mb']:.0f} MB", f"{r['rss_mb']:.0f} MB", f"{r['cache_mb']:,.0f}",
    ]  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(PHASES[sys.argv[2]](Path(sys.argv[1]))) + "\n")
