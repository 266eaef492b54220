"""`kill -9` at random moments: every repaired bag opens; how much of the end is missing."""

from __future__ import annotations

import shutil
import signal
import time
from pathlib import Path

import numpy as np
from recording_stack import Recording
from results_page import table
from rosbags.rosbag2 import Reader
from running_cell import Acting
from sensorium_cli.over_ros import RosCell
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.repair import repair


def kills(folder: Path, count: int, seed: int = 0) -> dict[str, object]:
    """Kill a recorder `count` times at full load and repair what it left."""
    rng = np.random.default_rng(seed)
    missing_s: list[float] = []
    opened = between = 0
    with RosCell({"record": "false"}) as cell:
        acting = Acting(cell)
        for number in range(count):
            acting.forget_health()
            with Recording(folder, f"kill_{number}") as recording:
                acting.await_recording()
                acting.act(float(rng.uniform(0.2, 3.0)))
                killed_ns = time.time_ns()
                recording.end(signal.SIGKILL)
            result = repair(folder / f"{recording.name}.partial")
            missing_s.append((killed_ns - result.last_ns) * 1e-9)
            between += sum(result.missing.values())
            opened += _opens(result.bag, result.messages)
            shutil.rmtree(result.bag)
            shutil.rmtree(result.source)
    return {"kills": count, "opened": opened, "missing_s": missing_s, "missing_between": between}


def _opens(bag: Path, messages: int) -> bool:
    with Reader(bag) as reader:
        theirs = sum(1 for _ in reader.messages())
    return theirs == messages == sum(1 for _ in BagReader(bag).messages())


def kills_page(result: dict[str, object]) -> str:
    """The table of kills."""
    missing = np.array(result["missing_s"])
    rows = [
        ["repaired bags that open (ours and rosbags)",
         f"{result['opened']}/{result['kills']}", "all"],
        ["missing at the end, median / worst",
         f"{np.median(missing):.3f} / {missing.max():.3f} s", "≤ 1 s"],
        ["messages missing in between", str(result["missing_between"]), "0"],
    ]  # fmt: skip
    return table(["kill -9", "measured", "bar"], rows)
