"""Finds bags below a directory, and tells by size and time whether one has changed."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sensorium_recording.bag_writer import PARTIAL_SUFFIX


class FoundBag(NamedTuple):
    """A bag as the file system shows it."""

    path: str
    """Relative to where the search began."""
    size: int
    """Bytes on disk."""
    mtime_ns: int
    recording: bool
    """Whether it is still being written, or was cut off."""


def find_bags(directory: Path) -> Iterator[FoundBag]:
    """Rosbag2 directories and bare MCAP files at any depth, links included.

    Hidden folders and what lies within a bag are left out; a folder is visited once. What is
    renamed or removed meanwhile is left for the next time.
    """
    visited: set[tuple[int, int]] = set()
    for folder, below, files in os.walk(directory, followlinks=True):
        here = Path(folder)
        try:
            status = here.stat()
        except OSError:
            below.clear()
            continue
        known = (status.st_dev, status.st_ino) in visited
        visited.add((status.st_dev, status.st_ino))
        below[:] = sorted(name for name in below if not name.startswith(".") and not known)
        path = here.relative_to(directory).as_posix()
        if known:
            continue
        if here.name.endswith(PARTIAL_SUFFIX) and here != directory:
            below.clear()
            yield FoundBag(path, _weigh(here, files)[0], 0, True)
        elif "metadata.yaml" in files:
            below.clear()
            yield FoundBag(path, *_weigh(here, files), False)
        else:
            for name in files:
                if name.endswith(".mcap"):
                    place = (here / name).relative_to(directory).as_posix()
                    yield FoundBag(place, *_weigh(here, [name]), False)


def weigh(bag: Path) -> tuple[int, int]:
    """Bytes of a bag's files, and when the last of them changed; zeros when it cannot be seen."""
    try:
        if bag.is_file():
            return _weigh(bag.parent, [bag.name])
        return _weigh(bag, [file.name for file in bag.iterdir()])
    except OSError:
        return 0, 0


def _weigh(folder: Path, names: list[str]) -> tuple[int, int]:
    stats = []
    for name in names:
        try:
            stats.append((folder / name).stat())
        except OSError:
            continue
    return sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
