"""Rows of many bags in a few files that only grow: what the loader maps into memory.

`rows.bin`, `actions.bin` and `columns.bin` hold rows of one size; `bags.jsonl` says which rows
are whose and is written last, so that what was cut off is not mistaken for a row. Rows of bags
that are gone stay until they are the most; then the files are written anew. One writer at a time,
any number of readers.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sensorium_core.errors import CacheError

from sensorium_recording.built_bag import BuiltBag, part_file
from sensorium_recording.mapped_rows import MappedRows
from sensorium_recording.row_layout import RowLayout

_KINDS = ("rows", "actions", "columns")


class RowStore:
    """One cache folder."""

    def __init__(self, folder: Path, layout: RowLayout) -> None:
        """Open what is there."""
        self.folder, self.layout = folder, layout
        self.parts = folder / "parts"
        extra = layout.extra
        self._sizes = {
            "rows": layout.rows.itemsize,
            "actions": 4 * layout.width,
            "columns": 0 if extra is None else extra.itemsize,
        }
        self.reload()

    def reload(self) -> None:
        """Look again at what is committed."""
        generations = sorted(self.folder.glob("g[0-9]*[0-9]"))
        self._here = generations[-1] if generations else self.folder / "g000001"
        self.bags: dict[str, tuple[int, BuiltBag]] = {}
        """First row and facts by content hash, in the order of rows."""
        self.count = self._committed = 0
        """Rows that are committed, and the bytes of the index that say so."""
        for line in _lines(self._here / "bags.jsonl"):
            try:
                bag = BuiltBag.from_json(line)
            except (ValueError, TypeError, KeyError):
                break
            self.bags[bag.sha256] = (self.count, bag)
            self.count += bag.rows
            self._committed += len(line) + 1
        if self.count and self._is_short():
            self.bags, self.count, self._committed = {}, 0, 0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the store for writing. Raises `CacheError` when another process does."""
        self.parts.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CacheError(
                    self.folder, "is being built by another process", "wait until that is done"
                ) from None
            self.reload()
            self._tidy()
            yield
            shutil.rmtree(self.parts)

    def take_in(self, bags: list[BuiltBag]) -> None:
        """Append the parts of these bags and commit them together; the parts are removed."""
        for kind, size in self._sizes.items():
            with (self._here / f"{kind}.bin").open("r+b") as out:
                out.seek(self.count * size)
                for bag in bags:
                    part = part_file(self.parts, bag.sha256, kind)
                    self._check(part, bag.rows * size)
                    with part.open("rb") as source:
                        shutil.copyfileobj(source, out, 1 << 20)
                out.flush()
                os.fsync(out.fileno())
        with (self._here / "bags.jsonl").open("ab") as index:
            index.write("".join(bag.to_json() + "\n" for bag in bags).encode())
            index.flush()
            os.fsync(index.fileno())
        for bag in bags:
            self.bags[bag.sha256] = (self.count, bag)
            self.count += bag.rows
            for kind in (*_KINDS, "json"):
                part_file(self.parts, bag.sha256, kind).unlink(missing_ok=True)

    def is_mostly_dead(self, live: Collection[str]) -> bool:
        """Whether more rows belong to other bags than to these."""
        return 2 * sum(bag.rows for sha, (_, bag) in self.bags.items() if sha in live) < self.count

    def compact(self, live: Collection[str]) -> None:
        """Write the files anew without rows of other bags, when those are the most."""
        if not self.is_mostly_dead(live):
            return
        kept = {sha: facts for sha, facts in self.bags.items() if sha in live}
        number = int(self._here.name[1:]) + 1
        partial = self.folder / f"g{number:06d}.part"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for kind, size in self._sizes.items():
            name = f"{kind}.bin"
            with (self._here / name).open("rb") as old, (partial / name).open("wb") as new:
                for first, bag in kept.values():
                    _copy(old, new, first * size, bag.rows * size)
        lines = [bag.to_json() + "\n" for _, bag in kept.values()]
        (partial / "bags.jsonl").write_text("".join(lines))
        for file in (*partial.iterdir(), partial):
            _sync(file)
        partial.rename(self.folder / f"g{number:06d}")
        _sync(self.folder)
        shutil.rmtree(self._here)
        self.reload()

    def map(self) -> MappedRows:
        """The committed rows, readable.

        Where another process wrote the files anew since `reload`, what it committed.
        """
        try:
            return MappedRows(self._here, self.layout, self.count)
        except FileNotFoundError:
            self.reload()
            return MappedRows(self._here, self.layout, self.count)

    def _tidy(self) -> None:
        """Leave only the newest generation, and nothing in it beyond what is committed."""
        for other in self.folder.glob("g*"):
            if other != self._here:
                shutil.rmtree(other)
        self._here.mkdir(exist_ok=True)
        for kind, size in self._sizes.items():
            with (self._here / f"{kind}.bin").open("ab") as file:
                file.truncate(self.count * size)
        index = self._here / "bags.jsonl"
        index.touch()
        os.truncate(index, self._committed)

    def _is_short(self) -> bool:
        """Whether rows are missing that the index promises."""
        files = {kind: self._here / f"{kind}.bin" for kind in _KINDS}
        return any(_size(file) < self.count * self._sizes[kind] for kind, file in files.items())

    def _check(self, part: Path, size: int) -> None:
        if part.stat().st_size != size:
            raise CacheError(part, f"is not the {size} bytes that it should be", "remove it")


def _lines(path: Path) -> list[bytes]:
    """Whole lines of a file, if there is one."""
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return []
    return text[: text.rfind(b"\n") + 1].splitlines()


def _size(path: Path) -> int:
    """Bytes of a file; less than none when there is none."""
    try:
        return path.stat().st_size
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: BinaryIO, target: BinaryIO, offset: int, size: int) -> None:
    source.seek(offset)
    while size > 0:
        block = source.read(min(size, 1 << 20))
        target.write(block)
        size -= len(block)
