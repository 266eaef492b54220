"""Random access side by side: our loader and LeRobotDataset, the same frames in the same order."""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from lerobot_environment import LeRobot
from results_page import table
from sensorium_core.contract import tabletop
from sensorium_recording.lerobot.export import Settings, export
from sensorium_recording.lerobot.features import Images
from sensorium_recording.lerobot.sources import choose
from sensorium_recording.loader import EpisodeDataset

CHUNK = 16
_BATCH = 64
_ROUNDS = 5
"""Our loader goes over the items this often in a repetition, since once takes no time."""
_SHOWN = 32
_PERIOD_NS = 100_000_000
"""Of the cameras of generated bags."""
_FEW = ("scene_rgb", "wrist_rgb", "joints")
_ALL: tuple[str, ...] = ()
BAR_ITEMS_S, BAR_RATIO = 10_000, 10
Contenders = dict[str, Callable[[], float]]
"""Items a second of one repetition."""


@dataclass
class Case:
    """One LeRobotDataset and how it is read."""

    name: str
    only: tuple[str, ...]
    images: Images
    chunk: int
    backend: str = "pyav"

    @property
    def folder(self) -> str:
        """Name of the dataset's folder."""
        return f"{self.images}_{'few' if self.only else 'all'}"


def cases(backend: str) -> list[Case]:
    """What is compared. lerobot reads whole rows for each action of a chunk, images included, so
    that an item without a chunk shows what the format itself costs."""
    return [
        Case("images in Parquet", _ALL, "image", CHUNK),
        Case(f"video ({backend})", _ALL, "video", CHUNK, backend),
        Case("images in Parquet, images, joints and action only", _FEW, "image", CHUNK),
        Case(f"video ({backend}), images, joints and action only", _FEW, "video", CHUNK, backend),
        Case("images in Parquet, images and joints, one action and no chunk", _FEW, "image", 0),
    ]


def export_all(bags: Path, out: Path, wanted: list[Case]) -> dict[str, Path]:
    """Every dataset that the cases need, by the name of its folder, written anew."""
    found: dict[str, Path] = {}
    for case in wanted:
        if case.folder not in found:
            path = out / f"{bags.name}_{case.folder}"
            shutil.rmtree(path, ignore_errors=True)
            settings = Settings(tabletop(), images=case.images, only=case.only)
            export(choose(bags, failed_too=True).sources, path, settings)
            found[case.folder] = path
    return found


def matching(root: Path, ours: EpisodeDataset) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the frames that both hold, theirs and ours."""
    episodes = pq.read_table(
        root / "meta/episodes/chunk-000/file-000.parquet",
        columns=["bag", "start_ns", "dataset_from_index", "length"],
    ).to_pylist()
    place = {}
    for first in range(0, len(ours), 1000):
        indices = np.arange(first, min(first + 1000, len(ours)))
        items = ours.batch(indices)
        for i, number, t_ns in zip(indices, items["episode"], items["t_ns"], strict=True):
            place[Path(ours.episodes[number].bag).name, int(t_ns)] = i
    pairs = []
    for row in episodes:
        for k in range(row["length"]):
            i = place.get((row["bag"], row["start_ns"] + k * _PERIOD_NS))
            if i is not None:
                pairs.append((row["dataset_from_index"] + k, i))
    theirs, mine = np.array(pairs).T
    return theirs, mine


def measure(
    bags: Path, out: Path, lerobot: LeRobot, items: int, repeats: int
) -> dict[str, object]:
    """Interleaved repetitions of every contender over the same random frames, warm."""
    wanted = cases(lerobot.backend())
    roots = export_all(bags, out, wanted)
    ours = EpisodeDataset(bags, tabletop(), "all", CHUNK)
    few = EpisodeDataset(bags, tabletop(), "all", CHUNK, tensors=_FEW)
    theirs, mine = matching(roots[wanted[0].folder], ours)
    chosen = np.random.default_rng(0).integers(len(theirs), size=items)
    file = out / "indices.npy"
    np.save(file, theirs[chosen])
    with ExitStack() as stack:
        readers = {
            case.name: stack.enter_context(
                lerobot.reader(roots[case.folder], file, case.chunk, case.backend)
            )
            for case in wanted
        }
        first = readers[wanted[0].name]
        compare(np.load(str(first.ask(f"show {_SHOWN}")["path"])), ours, mine[chosen[:_SHOWN]])
        contenders = our_contenders(ours, few, mine[chosen]) | {
            f"LeRobotDataset, {name}": lambda reader=reader: items / reader.ask("time")["seconds"]
            for name, reader in readers.items()
        }
        rates = interleaved(contenders, repeats)
        versions = first.about["versions"]
    return {"frames": len(theirs), "items": items, "repeats": repeats, "bags": len(ours.episodes),
            "items_per_s": rates, "versions": versions}  # fmt: skip


def compare(shown: dict[str, np.ndarray], ours: EpisodeDataset, indices: np.ndarray) -> None:
    """Check that both sides mean the same frames: same pixels, joints and commands."""
    items = ours.batch(indices)
    for camera in ("scene", "wrist"):
        pixels = np.round(shown[f"observation.images.{camera}"] * 255).transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(pixels, items[f"{camera}_rgb"])
    np.testing.assert_array_equal(shown["observation.state"], items["joints"])
    both = ~shown["action_is_pad"] & ~items["action_is_pad"] & np.isfinite(items["action"][..., 0])
    np.testing.assert_array_equal(shown["action"][both], items["action"][both])


def our_contenders(ours: EpisodeDataset, few: EpisodeDataset, indices: np.ndarray) -> Contenders:
    """Our loader in several manners."""
    numbers = indices.tolist()
    batches = [indices[k : k + _BATCH] for k in range(0, len(indices), _BATCH)]
    return {
        "ours, `dataset[i]`, every sense": _timed(
            len(indices), lambda: [_drop(ours[i]) for i in numbers]
        ),
        "ours, `dataset[i]`, every sense, images as float32 `(3, 96, 128)`": _timed(
            len(indices), lambda: [_as_float(ours[i]) for i in numbers]
        ),
        "ours, `dataset[i]`, images, joints and action only": _timed(
            len(indices), lambda: [_drop(few[i]) for i in numbers]
        ),
        f"ours, `dataset.batch` of {_BATCH}, every sense": _timed(
            len(indices), lambda: [_drop(ours.batch(part)) for part in batches]
        ),
    }


def _drop(item: dict[str, object]) -> None:
    """Hold nothing."""


def _as_float(item: dict[str, object]) -> None:
    """Convert the images as lerobot does."""
    for camera in ("scene_rgb", "wrist_rgb"):
        item[camera] = np.ascontiguousarray(item[camera].transpose(2, 0, 1), np.float32) / 255


def _timed(items: int, run: Callable[[], object]) -> Callable[[], float]:
    def rate() -> float:
        begun_s = time.perf_counter()
        for _ in range(_ROUNDS):
            run()
        return _ROUNDS * items / (time.perf_counter() - begun_s)

    return rate


def interleaved(contenders: Contenders, repeats: int) -> dict[str, list[float]]:
    """Each contender once untimed, so that caches are warm, then all of them in turn."""
    for run in contenders.values():
        run()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, run in contenders.items():
            rates[name].append(run())
    return rates


def page(result: dict[str, object]) -> str:
    """The section's text."""
    rates: dict[str, list[float]] = result["items_per_s"]
    median = {name: statistics.median(values) for name, values in rates.items()}
    ours = median["ours, `dataset[i]`, every sense"]
    rows = [
        [name, f"{median[name]:,.0f}", f"{min(values):,.0f} to {max(values):,.0f}",
         f"{ours / median[name]:,.1f}"]
        for name, values in rates.items()
    ]  # fmt: skip
    rivals = [m for n, m in median.items() if "LeRobot" in n and "no chunk" not in n]
    met = ours >= BAR_ITEMS_S and ours >= BAR_RATIO * max(rivals)
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items())
    return "\n\n".join([
        f"{result['items']:,} random frames of {result['bags']} episodes ({result['frames']:,} "
        f"frames), the same ones in the same order for all; two 96x128 images and {CHUNK} actions "
        f"an item, one process each, warm, {result['repeats']} interleaved repetitions. Pixels, "
        f"joints and actions of {_SHOWN} items were compared first and are equal. The bar is "
        f"{BAR_ITEMS_S:,} items/s and {BAR_RATIO} times LeRobotDataset: "
        f"{'met' if met else 'not met'}.",
        table(["loader", "items/s, median", "range", "ours is so many times as fast"], rows),
        f"LeRobot: {versions}. It decodes the images of all {CHUNK} rows of a chunk and keeps "
        "those of one; the last row shows it without.",
    ])  # fmt: skip
