"""Rows of a cache in memory maps, of which little stays resident. Copies come out."""

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import CacheError

from sensorium_recording.row_layout import RowLayout

_RESIDENT = 8 << 20
"""Bytes read after which mapped pages are handed back; they stay in the system's cache."""


class MappedRows:
    """Committed rows of one generation of a cache."""

    def __init__(self, folder: Path, layout: RowLayout, count: int) -> None:
        self._dtype = layout.rows
        self._map, rows = _mapped(folder / "rows.bin", self._dtype.itemsize, count)
        self._bytes = rows.reshape(count, self._dtype.itemsize)
        _, actions = _mapped(folder / "actions.bin", 4 * layout.width, count)
        self.actions = actions.view(np.float32).reshape(count, layout.width)
        self.columns: NDArray[np.void] | None = None
        if layout.extra is not None:
            _, columns = _mapped(folder / "columns.bin", layout.extra.itemsize, count)
            self.columns = columns.view(layout.extra)
        self._read = 0

    def row(self, row: int) -> NDArray[np.void]:
        """A copy of one row `()`."""
        taken: NDArray[np.void] = self._bytes[row].copy().view(self._dtype)
        self._hand_back(taken.nbytes)
        return taken

    def rows(self, rows: NDArray[np.int64]) -> NDArray[np.void]:
        """Copies of rows `(n,)`."""
        self._ask_for(rows)
        taken: NDArray[np.void] = np.take(self._bytes, rows, axis=0).view(self._dtype)[:, 0]
        self._hand_back(taken.nbytes)
        return taken

    def field(self, name: str, rows: NDArray[np.int64]) -> NDArray[np.generic]:
        """Copies of one field or column of rows `(n, ...)`."""
        if self.columns is not None and name in (self.columns.dtype.names or ()):
            told: NDArray[np.generic] = self.columns[name][rows]
            return told
        taken: NDArray[np.generic] = self._bytes.view(self._dtype)[:, 0][name][rows]
        self._hand_back(taken.nbytes)
        return taken

    def _ask_for(self, rows: NDArray[np.int64]) -> None:
        """Let the disk read all of them at once, instead of each when it is copied."""
        if self._map is None or len(rows) < 2:
            return
        size = self._dtype.itemsize
        for row in rows.tolist():
            start = row * size // mmap.PAGESIZE * mmap.PAGESIZE
            self._map.madvise(mmap.MADV_WILLNEED, start, (row + 1) * size - start)

    def _hand_back(self, size: int) -> None:
        self._read += size
        if self._read > _RESIDENT and self._map is not None:
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0


def _mapped(path: Path, size: int, count: int) -> tuple[mmap.mmap | None, NDArray[np.uint8]]:
    if count == 0:
        return None, np.empty(0, np.uint8)
    if path.stat().st_size < count * size:
        raise CacheError(path, "is shorter than its index says", "remove the cache folder")
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), count * size, prot=mmap.PROT_READ)
    return mapped, np.frombuffer(mapped, np.uint8)
