"""Bags as training data: the loader's rows, and beside them what the expert would have done.

Each image of the scene's depth camera is one row. Labels come from the ground truth in the bag,
so bags without one (of real robots, say) give rows that are not usable here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import tabletop
from sensorium_core.inputs import Memory
from sensorium_recording.alignment import AlignedFrame
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.cache_build import Progress
from sensorium_recording.loader import EpisodeDataset, Items
from sensorium_recording.row_layout import Fields, Source
from sensorium_recording.splits import Shares, Split
from sensorium_sim.scene_json import goal_from_json, scene_from_json, state_from_json

from sensorium_training.labels import LABELS, Frame, Rows, label_frames

TENSORS = (
    "scene_rgb", "wrist_rgb", "cloud", "wrench", "touch_left", "touch_right", "joints",
)  # fmt: skip
_STREAM = 7


class RowSource(Protocol):
    """What training draws from: an `EpisodeDataset`, or arrays in a test."""

    def __len__(self) -> int:
        """Number of rows."""

    def batch(self, indices: NDArray[np.int64]) -> Items:
        """Rows by name of array: the senses, `valid`, `tool` and the labels."""


@dataclass(frozen=True)
class ExpertLabels:
    """Labels of `sensorium_training.labels` as columns of the loader."""

    name: str = "expert labels"
    version: int = 1

    @property
    def fields(self) -> Fields:
        """The labels, and whether a row has any."""
        return {**LABELS, "usable": ((), "bool")}

    def compute(
        self, source: Source, frames: Iterator[tuple[AlignedFrame, NDArray[np.float64]]]
    ) -> Rows:
        """Labels of one episode; rows without ground truth or joints are not usable."""
        told = BagReader(source.bag).metadata().get("episode", {})
        labelled: list[Frame] = []
        usable: list[bool] = []
        for frame, tool in frames:
            one = _labelled(frame, tool) if told.keys() >= {"scene", "goal"} else None
            usable.append(one is not None)
            labelled += [] if one is None else [one]
        labels = _labels(source, told, labelled) if labelled else {}
        return {**_spread(labels, np.array(usable, dtype=bool)), "usable": np.array(usable)}


def load(
    directory: Path,
    split: Split,
    validation_share: float,
    *,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
) -> EpisodeDataset:
    """The labelled rows of the bags below a directory; new bags are taken in first.

    Args:
        directory: of bags, at any depth.
        split: `train`, `validation` or `all`.
        validation_share: of episodes, kept aside by a hash of each, the same in every run.
        cache: where rows are kept; in the directory by default.
        workers: processes that make rows.
        progress: called with how many new bags are done, of how many.
    """
    return EpisodeDataset(
        directory,
        tabletop(),
        split,
        horizon=1,
        shares=Shares(1.0 - validation_share, validation_share, 0.0),
        tensors=TENSORS,
        columns=ExpertLabels(),
        cache=cache,
        workers=workers,
        progress=progress,
    )


def _labelled(frame: AlignedFrame, tool: NDArray[np.float64]) -> Frame | None:
    seen = frame.observation
    if frame.state is None or not seen.valid["joints"]:
        return None
    now = Memory()
    now.feel(seen)
    return Frame(
        state_from_json(frame.state),
        tool,
        np.asarray(seen.values["cloud"], dtype=np.float32),
        peak_press=float(frame.memory.vector()[4]),
        press_now=float(now.vector()[4]),
    )


def _labels(source: Source, told: Mapping[str, str], frames: list[Frame]) -> Rows:
    scene, goal = scene_from_json(told["scene"]), goal_from_json(told["goal"])
    rng = np.random.default_rng((_STREAM, int(source.sha256[:16], 16), source.episode.number))
    return label_frames(scene, goal, frames[0].state, frames, rng)


def _spread(labels: Rows, usable: NDArray[np.bool_]) -> Rows:
    """Labels of the usable rows, and zeros in the others."""
    rows: Rows = {}
    for name, (shape, dtype) in LABELS.items():
        rows[name] = np.zeros((len(usable), *shape), dtype)
        if labels:
            rows[name][usable] = labels[name]
    return rows
