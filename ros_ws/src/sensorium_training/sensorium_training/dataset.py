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
from sensorium_core.contract import Contract, tabletop
from sensorium_core.goal import FAMILIES, TOUCH_FAMILIES
from sensorium_core.inputs import Memory
from sensorium_core.kinematics import Kinematics
from sensorium_core.memory import FeltMemory
from sensorium_recording.alignment import AlignedFrame
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.cache_build import Progress
from sensorium_recording.loader import EpisodeDataset, Items
from sensorium_recording.messages import decode_string
from sensorium_recording.row_arm import arm_of
from sensorium_recording.row_layout import Fields, Source
from sensorium_recording.splits import Shares, Split
from sensorium_sim.expert_note import EXPERT_TOPIC, ExpertNote
from sensorium_sim.scene_json import goal_from_json
from sensorium_sim.touch_json import any_scene_from_json, any_state_from_json
from sensorium_sim.touch_scene import TouchScene

from sensorium_training.labels import LABELS, Frame, Rows, label_frames
from sensorium_training.touch_labels import (
    TOUCH_LABELS,
    FeltFrame,
    label_touch_frames,
    widened,
)

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

    def field(self, name: str, indices: NDArray[np.int64]) -> NDArray[np.generic]:
        """One of these arrays of rows `(n, ...)`, or `t_ns`; the others are not read."""

    def episode_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the rows' episodes `(n,)`; rows of one stand together, by time."""


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
        known = _is_told(told) and goal_from_json(told["goal"]).family in FAMILIES
        for frame, tool in frames:
            one = _labelled(frame, tool) if known else None
            usable.append(one is not None)
            labelled += [] if one is None else [one]
        labels = _labels(source, told, labelled) if labelled else {}
        return {
            **_spread(labels, LABELS, np.array(usable, dtype=bool)),
            "usable": np.array(usable),
        }


@dataclass(frozen=True)
class FeltLabels:
    """Labels of `sensorium_training.touch_labels` as columns of the loader: all nine families."""

    name: str = "expert labels of nine families"
    version: int = 2

    @property
    def fields(self) -> Fields:
        """The labels, and whether a row has any."""
        return {**TOUCH_LABELS, "usable": ((), "bool")}

    def compute(
        self, source: Source, frames: Iterator[tuple[AlignedFrame, NDArray[np.float64]]]
    ) -> Rows:
        """Labels of one episode.

        Rows without ground truth or joints are not usable, nor, where touch decides, those at
        which the expert decided nothing.
        """
        told = BagReader(source.bag).metadata().get("episode", {})
        notes, arm = _notes(source.bag), arm_of(source.bag)
        touches = _is_told(told) and goal_from_json(told["goal"]).family in TOUCH_FAMILIES
        labelled: list[FeltFrame] = []
        usable: list[bool] = []
        for frame, tool in frames:
            note = notes.get(frame.t_ns)
            lacks = not _is_told(told) or (touches and note is None)
            one = None if lacks else _felt_frame(frame, tool, note, arm)
            usable.append(one is not None)
            labelled += [] if one is None else [one]
        labels = _felt_labels(source, told, labelled) if labelled else {}
        rows = _spread(labels, TOUCH_LABELS, np.array(usable, dtype=bool))
        return {**rows, "usable": np.array(usable)}


def columns_of(contract: Contract) -> ExpertLabels | FeltLabels:
    """The labels that policies of a contract learn from."""
    return ExpertLabels() if contract.version == 1 else FeltLabels()


def load(
    directory: Path,
    split: Split,
    validation_share: float,
    *,
    cache: Path | None = None,
    workers: int = 1,
    progress: Progress | None = None,
    contract: Contract | None = None,
) -> EpisodeDataset:
    """The labelled rows of the bags below a directory; new bags are taken in first.

    Args:
        directory: of bags, at any depth.
        split: `train`, `validation` or `all`.
        validation_share: of episodes, kept aside by a hash of each, the same in every run.
        cache: where rows are kept; in the directory by default.
        workers: processes that make rows.
        progress: called with how many new bags are done, of how many.
        contract: of the policy to be trained; that of the tabletop by default.
    """
    contract = contract or tabletop()
    return EpisodeDataset(
        directory,
        contract,
        split,
        horizon=1,
        shares=Shares(1.0 - validation_share, validation_share, 0.0),
        tensors=TENSORS,
        columns=columns_of(contract),
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
        any_state_from_json(frame.state),
        tool,
        np.asarray(seen.values["cloud"], dtype=np.float32),
        peak_press=float(frame.memory.vector()[4]),
        press_now=float(now.vector()[4]),
    )


def _labels(source: Source, told: Mapping[str, str], frames: list[Frame]) -> Rows:
    scene, goal = any_scene_from_json(told["scene"]), goal_from_json(told["goal"])
    return label_frames(scene, goal, frames[0].state, frames, _rng(source))


def _felt_frame(
    frame: AlignedFrame, tool: NDArray[np.float64], note: ExpertNote | None, arm: Kinematics
) -> FeltFrame | None:
    plain = _labelled(frame, tool)
    if plain is None:
        return None
    fresh = FeltMemory(arm)
    fresh.feel(frame.observation)
    since, now = (memory.vector()[5:].astype(np.float64) for memory in (frame.memory, fresh))
    return FeltFrame(plain, since, now, note)


def _felt_labels(source: Source, told: Mapping[str, str], frames: list[FeltFrame]) -> Rows:
    scene, goal = any_scene_from_json(told["scene"]), goal_from_json(told["goal"])
    if goal.family in FAMILIES:
        return widened(_labels(source, told, [one.frame for one in frames]), frames)
    assert isinstance(scene, TouchScene)
    return label_touch_frames(scene, goal, frames, _rng(source))


def _notes(bag: Path) -> dict[int, ExpertNote]:
    """The expert's decisions by time; none in bags where there was no such expert."""
    return {
        message.log_time_ns: ExpertNote.from_json(decode_string(message.payload))
        for message in BagReader(bag).messages({EXPERT_TOPIC})
    }


def _is_told(told: Mapping[str, str]) -> bool:
    return told.keys() >= {"scene", "goal"}


def _rng(source: Source) -> np.random.Generator:
    return np.random.default_rng((_STREAM, int(source.sha256[:16], 16), source.episode.number))


def _spread(labels: Rows, fields: Fields, usable: NDArray[np.bool_]) -> Rows:
    """Labels of the usable rows, and zeros in the others."""
    rows: Rows = {}
    for name, (shape, dtype) in fields.items():
        rows[name] = np.zeros((len(usable), *shape), dtype)
        if labels:
            rows[name][usable] = labels[name]
    return rows
