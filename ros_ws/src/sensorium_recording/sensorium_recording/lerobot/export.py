"""From bags to a LeRobotDataset: frames of a constant rate, each observed by the one aligner.

A frame's action is where the commands send the joints by the next frame, so that what a policy
predicts lies ahead of what it sees. Streams: one batch of frames is in memory at a time.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.cdr import NS
from sensorium_core.contract import Contract
from sensorium_core.errors import BagError, ExportError

from sensorium_recording.alignment import AlignedFrame, Span, aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.grid import Grid, nominal_rate
from sensorium_recording.lerobot.dataset import DatasetWriter
from sensorium_recording.lerobot.features import (
    Images,
    Row,
    action_row,
    exported,
    sensed_features,
    sensed_row,
)
from sensorium_recording.pending import stamp_of

_LOOK = 200
"""Images whose stamps tell the rate."""
_GIVE_TASK = "say with --task what was done"


@dataclass(frozen=True)
class Source:
    """One episode to export."""

    bag: Path
    span: Span | None = None
    """None: all of it."""
    outcome: str = ""
    task: str = ""
    """For frames at which no instruction is in force; empty: these are left out."""


@dataclass(frozen=True)
class Settings:
    """How to export."""

    contract: Contract
    fps: int | None = None
    """Frames a second; None: the rate of the first bag's depth camera."""
    images: Images = "video"
    cloud: bool = False
    """Whether the coloured cloud goes out as well."""
    namespace: str = ""
    """Of the robot in the bags."""
    only: tuple[str, ...] = ()
    """Modalities that go out; none named: all of them."""


@dataclass
class Exported:
    """What was written."""

    path: Path
    fps: int
    episodes: int = 0
    frames: int = 0
    empty: int = 0
    """Episodes in which no frame had an instruction and known joints."""
    cut: int = 0
    """Episodes that end early, at a gap in the images or where the clock was set back."""


def export(
    sources: Iterable[Source],
    out: Path,
    settings: Settings,
    progress: Callable[[Path], None] = lambda bag: None,
) -> Exported:
    """Write a dataset to `out`, which must not exist; it takes its name when it is whole.

    Raises:
        ExportError: `out` exists, or nothing could be exported.
        ContractError: `settings.only` names what is no modality.
        BagError: a bag is damaged or holds no topic of the contract.
    """
    sources = list(sources)
    if not sources:
        raise ExportError(out, "would be empty: there is no episode", "check the filters")
    with _folder(out) as partial:
        fps, lag_ns = _rate(sources[0], settings)
        made = Exported(out, fps)
        contract = settings.contract
        features = sensed_features(
            contract, exported(contract, settings.only), settings.images, settings.cloud
        )
        with closing(DatasetWriter(partial, features, fps, contract.robot)) as writer:
            for bag, parts in groupby(sources, lambda source: source.bag):
                progress(bag)
                _write_bag(writer, list(parts), (fps, lag_ns), settings, made)
            made.episodes, made.frames = writer.episodes, writer.frames
            if not made.episodes:
                raise ExportError(out, "would be empty: no frame has an instruction", _GIVE_TASK)
            writer.finish()
    return made


@contextmanager
def _folder(out: Path) -> Iterator[Path]:
    """A new folder that becomes `out` when all went well, and else vanishes."""
    partial = out.with_name(out.name + ".partial")
    for path in (out, partial):
        if path.exists():
            raise ExportError(path, "exists", "name another folder, or remove it first")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ExportError(out, f"cannot be written ({error})", "name another folder") from None
    try:
        yield partial
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_bag(
    writer: DatasetWriter,
    parts: list[Source],
    rate: tuple[int, int],
    settings: Settings,
    made: Exported,
) -> None:
    """All episodes of one bag, which are in the order of time, in one pass."""
    spans = [(p.span.start_ns, p.span.end_ns) for p in parts if p.span]
    whole = Span(spans[0][0], spans[-1][1]) if spans else None
    grid = Grid(*rate, spans or None)
    frames = aligned_frames(
        parts[0].bag, settings.contract, namespace=settings.namespace, span=whole, grid=grid
    )
    told = 0
    for place, some in groupby(frames, lambda frame: grid.place(frame.t_ns)):
        told += _write_episode(writer, parts[place], some, settings)
    made.cut += grid.cuts
    made.empty += len(parts) - told


def _write_episode(
    writer: DatasetWriter, source: Source, frames: Iterator[AlignedFrame], settings: Settings
) -> bool:
    """Whether there was anything. Where the instruction is empty for a while, there are two."""
    before = writer.episodes
    for told, run in groupby(frames, lambda frame: bool(frame.instruction or source.task)):
        start_ns: int | None = None
        for frame, row in rows(run, settings) if told else ():
            if start_ns is None:
                start_ns = frame.t_ns
                writer.begin_episode((source.span.end_ns - start_ns) / NS if source.span else 0.0)
            writer.add(row, frame.instruction or source.task)
        if start_ns is not None:
            bag = source.bag.name
            writer.end_episode({"bag": bag, "start_ns": start_ns, "outcome": source.outcome})
    return writer.episodes > before


def rows(frames: Iterator[AlignedFrame], settings: Settings) -> Iterator[tuple[AlignedFrame, Row]]:
    """Frames with their values; the last of them is only where the one before leads."""
    modalities = exported(settings.contract, settings.only)
    action: NDArray[np.float32] | None = None
    ready: tuple[AlignedFrame, Row] | None = None
    waiting: AlignedFrame | None = None
    for frame in frames:
        action = _action(frame, settings.contract, action)
        if action is None:
            continue
        if waiting is not None:
            if ready is not None:
                yield ready
            row = sensed_row(settings.contract, modalities, waiting.observation, settings.cloud)
            ready = waiting, {**row, "action": action, "next.done": np.array([False])}
        waiting = frame
    if ready is not None:
        ready[1]["next.done"] = np.array([True])
        yield ready


def _action(
    frame: AlignedFrame, contract: Contract, before: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """Commanded joints, else the measured ones, else those of the frame before."""
    measured = all(
        frame.observation.valid[m.name] for m in contract.modalities if m.kind == "joints"
    )
    if frame.setpoint is None and not measured:
        return before
    return action_row(contract, frame.observation, frame.setpoint)


def _rate(source: Source, settings: Settings) -> tuple[int, int]:
    """Frames a second, and the lag of the grid behind the first image [ns]."""
    depth = next(m for m in settings.contract.modalities if m.kind == "depth")
    topic = "/".join(("", *filter(None, (settings.namespace, depth.topic))))
    images = BagReader(source.bag).messages({topic})
    stamps = [stamp_of(message.payload) for message in islice(images, _LOOK)]
    if len(stamps) < 2:
        raise BagError(source.bag, f"has {len(stamps)} images on {topic}", "two are needed")
    fps, lag_ns = nominal_rate(stamps)
    return (fps, lag_ns) if settings.fps is None else (settings.fps, lag_ns)
