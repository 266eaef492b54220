"""LeRobot's half of `loading.py`; runs in lerobot's environment, so it imports nothing of ours.

    python lerobot_side.py access ROOT --indices FILE [--chunk 16] [--backend torchcodec]

Reads a word a line: `time` loads every item of FILE, in order, and answers with the seconds;
`show N` writes the first N of them to SHOWN.npz beside FILE. Answers are lines of JSON.
"""

import argparse
import importlib.metadata
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import torch  # noqa: E402
from lerobot.datasets.lerobot_dataset import LeRobotDataset  # noqa: E402

VERSIONS = ("lerobot", "torch", "torchvision", "torchcodec", "datasets", "av", "numpy")


def main() -> None:
    """Answer until the input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--indices", type=Path, required=True)
    parser.add_argument("--chunk", type=int, default=0)
    parser.add_argument("--backend", default="pyav")
    options = parser.parse_args()
    begun_s = time.perf_counter()
    dataset = open_dataset(options.root, options.chunk, options.backend)
    opened_s = time.perf_counter() - begun_s
    indices = np.load(options.indices).tolist()
    dataset[indices[0]]
    versions = {name: importlib.metadata.version(name) for name in VERSIONS}
    answer(frames=len(dataset), opened_s=opened_s, versions=versions)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "time":
            answer(seconds=timed(dataset, indices), max_rss_kb=rss_kb())
        elif word == "show":
            path = options.indices.with_name("shown.npz")
            np.savez(path, **shown(dataset, indices[: int(rest[0])]))
            answer(path=str(path))


def open_dataset(root: Path, chunk: int, backend: str) -> LeRobotDataset:
    """A local dataset whose items have chunks of this many actions; 0: the present one only."""
    fps = json.loads((root / "meta/info.json").read_text())["fps"]
    ahead = {"action": [i / fps for i in range(chunk)]} if chunk else None
    return LeRobotDataset(
        "sensorium/export", root=root, delta_timestamps=ahead, video_backend=backend
    )


def timed(dataset: LeRobotDataset, indices: list[int]) -> float:
    """Seconds to load these items one after another."""
    begun_s = time.perf_counter()
    for i in indices:
        dataset[i]
    return time.perf_counter() - begun_s


def shown(dataset: LeRobotDataset, indices: list[int]) -> dict[str, np.ndarray]:
    """Items as arrays by name, stacked."""
    items = [dataset[i] for i in indices]
    tensors = [name for name, value in items[0].items() if isinstance(value, torch.Tensor)]
    return {name: torch.stack([item[name] for item in items]).numpy() for name in tensors}


def rss_kb() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def answer(**values: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
