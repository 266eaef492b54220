"""Writes a LeRobotDataset v3.0, frame by frame; knows nothing of bags.

Memory holds one batch of frames and the statistics, never an episode. One thread.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from sensorium_recording.lerobot import layout
from sensorium_recording.lerobot.features import COUNTERS, Feature, Row
from sensorium_recording.lerobot.statistics import (
    ImageStatistics,
    Result,
    Statistics,
    VectorStatistics,
)
from sensorium_recording.lerobot.tables import TableFiles, frames_table, write_tasks
from sensorium_recording.lerobot.videos import VideoFiles

_BATCH = 128
"""Frames in a row group."""
_EPISODE_BATCH = 50
"""Episodes in a row group."""


class DatasetWriter:
    """One dataset: `begin_episode`, `add` frames, `end_episode`; `finish`; `close` in any case."""

    def __init__(self, root: Path, features: tuple[Feature, ...], fps: int, robot: str) -> None:
        self._root, self._fps, self._robot = root, fps, robot
        self._features = (*features, *COUNTERS)
        self._data = TableFiles(root, layout.DATA)
        self._episodes = TableFiles(root, layout.EPISODES)
        self._videos = {
            f.name: VideoFiles(root, f.name, fps, f.shape) for f in features if f.dtype == "video"
        }
        self._tasks: dict[str, int] = {}
        self._whole = _statistics(self._features)
        self._batch: list[Row] = []
        self._done: list[dict[str, object]] = []
        self._episode: _Episode | None = None
        self.episodes = self.frames = 0

    def begin_episode(self, expected_s: float) -> None:
        """Start an episode of about this length; it is not empty."""
        self._episode = _Episode(self._data.begin(), _statistics(self._features))
        for video in self._videos.values():
            video.begin(expected_s)

    def add(self, row: Row, task: str) -> None:
        """Append a frame to the present episode."""
        episode = self._episode
        assert episode is not None, "no episode has begun"
        number = self._tasks.setdefault(task, len(self._tasks))
        episode.tasks.setdefault(task)
        counters = (episode.length, self.episodes, self.frames, number)
        names = ("frame_index", "episode_index", "index", "task_index")
        for name, value in zip(names, counters, strict=True):
            row[name] = np.array([value])
        row["timestamp"] = np.array([episode.length / self._fps], dtype=np.float32)
        for key, video in self._videos.items():
            video.add(row[key])
        self._batch.append(row)
        episode.length += 1
        self.frames += 1
        if len(self._batch) >= _BATCH:
            self._flush()

    def end_episode(self, facts: dict[str, object]) -> None:
        """Finish the present episode; `facts` become columns of its row, the same for all."""
        episode = self._episode
        assert episode is not None, "no episode has begun"
        self._flush()
        row: dict[str, object] = {
            "episode_index": self.episodes,
            "tasks": list(episode.tasks),
            "length": episode.length,
            **_prefixed("data", episode.place),
            "dataset_from_index": self.frames - episode.length,
            "dataset_to_index": self.frames,
        }
        for key, video in self._videos.items():
            row |= _prefixed(f"videos/{key}", video.end())
        for name, statistics in episode.statistics.items():
            row |= _prefixed(f"stats/{name}", _plain(statistics.result()))
        self._done.append(row | facts)
        if len(self._done) >= _EPISODE_BATCH:
            self._flush_episodes()
        self.episodes += 1
        self._episode = None

    def finish(self) -> None:
        """Write what describes the whole; the dataset can be loaded from then on."""
        self._flush_episodes()
        self.close()
        write_tasks(self._root / "meta" / "tasks.parquet", list(self._tasks))
        found = {name: _plain(s.result()) for name, s in self._whole.items()}
        self._write("stats.json", found)
        self._write("info.json", self._info())

    def close(self) -> None:
        """Close every file, whatever is in them. May be called again."""
        self._data.close()
        self._episodes.close()
        for video in self._videos.values():
            video.close()

    def _flush(self) -> None:
        """Move the batch to Parquet and into the statistics."""
        if not self._batch or self._episode is None:
            return
        for name, statistics in self._episode.statistics.items():
            frames = np.stack([row[name] for row in self._batch])
            statistics.update(frames)
            self._whole[name].update(frames)
        self._data.write(frames_table(self._features, self._batch))
        self._batch.clear()

    def _flush_episodes(self) -> None:
        if self._done:
            where = _prefixed("meta/episodes", self._episodes.begin())
            self._episodes.write(pa.Table.from_pylist([row | where for row in self._done]))
            self._done.clear()

    def _write(self, name: str, content: object) -> None:
        path = self._root / "meta" / name
        path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")

    def _info(self) -> dict[str, object]:
        features = {f.name: f.info() for f in self._features}
        for key, video in self._videos.items():
            features[key]["info"] = video.info()
        return {
            "codebase_version": layout.VERSION,
            "robot_type": self._robot,
            "total_episodes": self.episodes,
            "total_frames": self.frames,
            "total_tasks": len(self._tasks),
            "chunks_size": layout.FILES_PER_CHUNK,
            "data_files_size_in_mb": layout.DATA_FILE_MB,
            "video_files_size_in_mb": layout.VIDEO_FILE_MB,
            "fps": self._fps,
            "splits": {"train": f"0:{self.episodes}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEO if self._videos else None,
            "features": features,
        }


class _Episode:
    """What is known of the episode in progress."""

    def __init__(self, place: dict[str, int], statistics: dict[str, Statistics]) -> None:
        self.place, self.statistics = place, statistics
        self.tasks: dict[str, None] = {}
        self.length = 0


def _statistics(features: tuple[Feature, ...]) -> dict[str, Statistics]:
    return {
        f.name: ImageStatistics() if f.visual else VectorStatistics(f.shape[0]) for f in features
    }


def _plain(result: Result) -> dict[str, object]:
    return {name: value.tolist() for name, value in result.items()}


def _prefixed(prefix: str, values: Mapping[str, object]) -> dict[str, object]:
    return {f"{prefix}/{name}": value for name, value in values.items()}
