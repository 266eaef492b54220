"""One bag becomes rows: a part of the cache, written by a worker process, whole or not at all."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import BagError, CacheError, SensoriumError
from sensorium_core.inputs import reference_pose
from sensorium_core.kinematics import JOINTS
from sensorium_core.observation import sense_validity

from sensorium_recording.alignment import AlignedFrame, Span, aligned_frames
from sensorium_recording.bag_entry import BagEntry, EpisodeEntry
from sensorium_recording.bag_search import weigh
from sensorium_recording.built_bag import BuiltBag, BuiltEpisode, part_file
from sensorium_recording.row_arm import arm_of
from sensorium_recording.row_layout import TOOL, Columns, RowLayout, Source

Array = NDArray[Any]
_BUFFERED = 32


@dataclass(frozen=True)
class PartJob:
    """One bag to be built; travels to a worker."""

    directory: Path
    entry: BagEntry
    layout: RowLayout
    folder: Path
    """Where the part is written."""


def build_part(job: PartJob) -> BuiltBag | None:
    """Rows, actions and columns of one bag as files in `job.folder`; the facts come last.

    A bag from which no rows can be made leaves its problem in words, unless that may pass: then
    nothing is left. One that is no longer what the index saw gives None.
    """
    facts = part_file(job.folder, job.entry.sha256, "json")
    if facts.is_file():
        return BuiltBag.from_json(facts.read_text())
    try:
        built = _PartWriter(job).write()
    except SensoriumError as error:
        for kind in ("rows", "actions", "columns"):
            part_file(job.folder, job.entry.sha256, kind).write_bytes(b"")
        may_pass = isinstance(error.__cause__, OSError)
        built = BuiltBag(job.entry.sha256, (), (), str(error), may_pass)
    if weigh(job.directory / job.entry.path) != (job.entry.size, job.entry.mtime_ns):
        return None
    if built.may_pass:
        return built
    partial = facts.with_suffix(".part")
    partial.write_text(built.to_json())
    partial.replace(facts)
    return built


class _PartWriter:
    """Writes one bag's rows as its frames come."""

    def __init__(self, job: PartJob) -> None:
        self._job, self._layout = job, job.layout
        self._rows = np.zeros(_BUFFERED, job.layout.rows)
        self._actions = np.zeros((_BUFFERED, job.layout.width), np.float32)
        self._filled = self._written = self._live = self._lacking = 0
        self._bag = job.directory / job.entry.path
        self._texts: dict[str, int] = {}
        self._doubted = Counter[str]()
        known = job.layout.contract.action.joints == JOINTS
        self._arm = arm_of(self._bag) if known else None

    def write(self) -> BuiltBag:
        """All episodes of the bag."""
        with ExitStack() as stack:
            kinds = ("rows", "actions", "columns")
            files = tuple(stack.enter_context(self._open(kind)) for kind in kinds)
            built = tuple(self._episode(e, frames, files) for e, frames in self._episodes())
        return BuiltBag(
            self._job.entry.sha256, built, tuple(self._texts),
            live=self._live, lacking=self._lacking, doubted=dict(self._doubted),
        )  # fmt: skip

    def _open(self, kind: str) -> BinaryIO:
        return part_file(self._job.folder, self._job.entry.sha256, kind).open("wb")

    def _episodes(self) -> Iterator[tuple[EpisodeEntry, Iterator[AlignedFrame]]]:
        """Every episode with its frames, to be taken in turn: the bag is read once."""
        episodes = sorted(self._job.entry.episodes, key=lambda e: e.start_ns)
        span = Span(episodes[0].start_ns, max(e.end_ns for e in episodes))
        layout = self._layout
        frames = aligned_frames(
            self._bag, layout.contract, namespace=layout.namespace, span=span,
            content=layout.content,
        )  # fmt: skip
        frames = _read(self._bag, frames)
        ahead: list[AlignedFrame] = []
        for episode in episodes:
            yield episode, _within(episode, frames, ahead)

    def _episode(
        self, episode: EpisodeEntry, frames: Iterator[AlignedFrame], files: tuple[BinaryIO, ...]
    ) -> BuiltEpisode:
        columns, begun = self._layout.columns, self._written
        steps = self._steps(frames, files)
        if columns is None:
            for _ in steps:
                pass
        else:
            source = Source(self._bag, self._job.entry.sha256, episode)
            extra = columns.compute(source, steps)
            files[2].write(self._extra(columns, extra, self._written - begun))
        self._flush(files)
        return BuiltEpisode(
            episode.number, self._written - begun, episode.instruction, episode.outcome,
            episode.family,
        )  # fmt: skip

    def _steps(
        self, frames: Iterator[AlignedFrame], files: tuple[BinaryIO, ...]
    ) -> Iterator[tuple[AlignedFrame, Array]]:
        """The frames with the commanded tool; each is written as it goes by."""
        for frame in frames:
            tool = self._tool(frame)
            self._put(frame, tool, files)
            self._written += 1
            self._live += frame.as_live is not None
            self._lacking += frame.as_live is False
            self._doubted.update(frame.faults.values())
            yield frame, tool

    def _extra(self, columns: Columns, arrays: Mapping[str, Array], count: int) -> bytes:
        assert self._layout.extra is not None
        rows = np.zeros(count, self._layout.extra)
        for name, (shape, _) in columns.fields.items():
            if arrays[name].shape != (count, *shape):
                got, needed = arrays[name].shape, (count, *shape)
                raise CacheError(columns.name, f"computed {name} as {got}", f"needs {needed}")
            rows[name] = arrays[name]
        return rows.tobytes()

    def _put(self, frame: AlignedFrame, tool: Array, files: tuple[BinaryIO, ...]) -> None:
        row, seen = self._rows[self._filled], frame.observation
        row["t_ns"] = frame.t_ns
        row["told"] = self._texts.setdefault(frame.instruction, len(self._texts))
        row["valid"] = sense_validity(self._layout.contract, seen)
        row["age_s"] = list(seen.age_s.values())
        for name in self._layout.tensors:
            row[name] = seen.values[name]
        actions = self._actions[self._filled]
        actions[:-TOOL] = np.nan if frame.setpoint is None else frame.setpoint
        actions[-TOOL:] = tool
        self._filled += 1
        if self._filled == _BUFFERED:
            self._flush(files)

    def _flush(self, files: tuple[BinaryIO, ...]) -> None:
        files[0].write(self._rows[: self._filled].tobytes())
        files[1].write(self._actions[: self._filled].tobytes())
        self._filled = 0

    def _tool(self, frame: AlignedFrame) -> Array:
        """Commanded tool; that of the measured joints before any command; else NaN."""
        known = frame.setpoint is not None or frame.observation.valid.get("joints", False)
        if self._arm is None or not known:
            return np.full(TOOL, np.nan)
        return reference_pose(frame.setpoint, frame.observation, self._arm)[1]


def _read(bag: Path, frames: Iterator[AlignedFrame]) -> Iterator[AlignedFrame]:
    """The frames; a disk that fails is the bag's problem, not that of the rows."""
    try:
        yield from frames
    except OSError as error:
        raise BagError(bag, f"cannot be read ({error})", "check the disk") from error


def _within(
    episode: EpisodeEntry, frames: Iterator[AlignedFrame], ahead: list[AlignedFrame]
) -> Iterator[AlignedFrame]:
    """Frames of an episode; the first one after it waits in `ahead` for the next episode."""
    for frame in chain(ahead[:], frames):
        ahead.clear()
        if frame.t_ns > episode.end_ns:
            ahead.append(frame)
            return
        if frame.t_ns >= episode.start_ns:
            yield frame
