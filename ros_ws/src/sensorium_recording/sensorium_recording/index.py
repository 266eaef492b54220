"""An index of all bags below a directory, kept in `.sensorium/index.jsonl` in it.

Each bag is read once; an entry holds as long as its path, size and time of change do. Entries are
appended as they are made, so that a cut-off pass goes on where it was. One process at a time.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path

from sensorium_core.bounded import parse_json
from sensorium_core.errors import BagError

from sensorium_recording.bag_entry import BagEntry
from sensorium_recording.bag_search import FoundBag, find_bags
from sensorium_recording.survey import survey

FOLDER = ".sensorium"
"""Where an indexed directory keeps what is derived from its bags."""
FORMAT = 3
"""Of entries; those of another are made anew."""
_MOST_BYTES = 256 << 20
"""Of the index; one that is larger is made anew."""
_IN_PROGRESS = "is being recorded, or was cut off: `sensorium repair` recovers what is whole"


class EpisodeIndex:
    """The bags below a directory. `refresh` looks again; entries are in the order of paths."""

    def __init__(
        self,
        directory: Path,
        workers: int = 1,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Bring the index up to date.

        Args:
            directory: searched for rosbag2 directories and bare MCAP files, at any depth.
            workers: processes that read new bags.
            progress: called with how many new bags are read, of how many.

        Raises:
            BagError: no directory, or a bag itself.
        """
        if not directory.is_dir():
            raise BagError(directory, "is no directory", "name one that holds bags")
        if (directory / "metadata.yaml").is_file():
            raise BagError(directory, "is a bag itself", "name the directory that it lies in")
        self.directory, self._workers = directory, workers
        self._progress = progress or (lambda done, total: None)
        self._file = directory / FOLDER / "index.jsonl"
        self.unsaved = ""
        """Why the index could not be kept; it is then made anew each time."""
        self.read = 0
        """Bags that the last refresh had to read."""
        self._entries: dict[str, BagEntry] = {}
        self._torn = False
        self._load()
        self.refresh()

    @property
    def entries(self) -> list[BagEntry]:
        """Every bag that is there now."""
        return list(self._entries.values())

    def refresh(self) -> list[BagEntry]:
        """Look for new, changed and vanished bags; returns the entries."""
        found = sorted(find_bags(self.directory))
        known = {f.path: self._known(f) for f in found}
        todo = [f for f in found if known[f.path] is None]
        self.read = len(todo)
        made: list[BagEntry] = []
        for entry in self._survey(todo):
            self._append(entry)
            made.append(entry)
            self._progress(len(made), len(todo))
        fresh = {entry.path: entry for entry in made}
        self._entries = {f.path: known[f.path] or fresh[f.path] for f in found}
        return self.entries

    def _known(self, found: FoundBag) -> BagEntry | None:
        if found.recording:
            return BagEntry(found.path, "recording", found.size, 0, problem=_IN_PROGRESS)
        entry = self._entries.get(found.path)
        same = entry and (entry.size, entry.mtime_ns) == (found.size, found.mtime_ns)
        return entry if same else None

    def _survey(self, todo: list[FoundBag]) -> Iterator[BagEntry]:
        jobs = [(self.directory, f.path, f.size, f.mtime_ns) for f in todo]
        if self._workers < 2 or len(jobs) < 2 * self._workers:
            yield from map(_job, jobs)
            return
        context = multiprocessing.get_context("spawn")
        with context.Pool(self._workers) as pool:
            yield from pool.imap_unordered(_job, jobs, chunksize=4)

    def _load(self) -> None:
        """Entries on disk, the newest of each path; what is torn or of another format is left."""
        size = self._file.stat().st_size if self._file.is_file() else 0
        if size > _MOST_BYTES:
            self._rewrite()
        text = self._file.read_bytes() if 0 < size <= _MOST_BYTES else b""
        self._torn = bool(text) and not text.endswith(b"\n")
        lines = text.splitlines()
        for line in lines:
            try:
                data = parse_json(line)
                if data.pop("format") == FORMAT:
                    entry = BagEntry.from_json(data)
                    self._entries[entry.path] = entry
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        if len(lines) > 2 * len(self._entries) + 100:
            self._rewrite()

    def _append(self, entry: BagEntry) -> None:
        try:
            self._file.parent.mkdir(exist_ok=True)
            with self._file.open("ab") as file:
                file.write(b"\n" * self._torn + _line(entry))
            self._torn = False
        except OSError as error:
            self.unsaved = f"the index is not kept ({error})"

    def _rewrite(self) -> None:
        """Leave the dead lines out."""
        partial = self._file.with_suffix(".part")
        try:
            partial.write_bytes(b"".join(map(_line, self._entries.values())))
            partial.replace(self._file)
        except OSError as error:
            self.unsaved = f"the index is not kept ({error})"


def _line(entry: BagEntry) -> bytes:
    return (json.dumps({"format": FORMAT, **entry.to_json()}) + "\n").encode()


def _job(job: tuple[Path, str, int, int]) -> BagEntry:
    return survey(*job)
