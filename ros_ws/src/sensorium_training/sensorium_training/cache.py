"""A directory of memory-mapped arrays, one row per step: what training reads."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import CacheError

GOALS = 6
"""Goals labelled per row: the episode's own, three others that are there, two that are not."""
PRESENT_GOALS = 4
THINGS = 7

FIELDS: dict[str, tuple[tuple[int, ...], str]] = {
    "scene_rgb": ((96, 128, 3), "uint8"),
    "wrist_rgb": ((96, 128, 3), "uint8"),
    "cloud": ((512, 7), "float32"),
    "wrench": ((32, 6), "float32"),
    "touch_left": ((16, 3), "float32"),
    "touch_right": ((16, 3), "float32"),
    "joints": ((14,), "float32"),
    "reference": ((5,), "float32"),
    "valid": ((6,), "float32"),
    "episode": ((), "int32"),
    "things": ((THINGS, 4), "float32"),
    "classes": ((THINGS, 2), "int8"),
    "goal": ((GOALS, 4), "int8"),
    "memory": ((GOALS, 5), "float32"),
    "chunk": ((GOALS, 8, 5), "float32"),
    "target": ((GOALS, 4), "float32"),
    "heading": ((GOALS, 3), "float32"),
    "flags": ((GOALS, 2), "float32"),
}
"""Shape of a row and type of each array; `flags` are present and done."""

Rows = dict[str, NDArray[np.generic]]


class Cache:
    """Read-only view of a finished cache; arrays by field name."""

    def __init__(self, path: Path) -> None:
        index = path / "index.json"
        if not index.is_file():
            raise CacheError(path, "is not a finished cache", "run `sensorium train` to build it")
        self.index = json.loads(index.read_text())
        self._arrays = {
            name: np.memmap(
                path / f"{name}.bin", dtype=dtype, mode="r", shape=(self.index["rows"], *shape)
            )
            for name, (shape, dtype) in FIELDS.items()
        }

    def __len__(self) -> int:
        return int(self.index["rows"])

    def __getitem__(self, name: str) -> NDArray[np.generic]:
        return self._arrays[name]


class CacheWriter:
    """Appends rows; the index is written last, so a cut-off cache is not mistaken for a whole."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "index.json").unlink(missing_ok=True)
        self._path = path
        self._files = {name: (path / f"{name}.bin").open("wb") for name in FIELDS}
        self._rows = 0

    def append(self, rows: Rows) -> None:
        """Add `n` rows of every field."""
        n = len(rows["episode"])
        for name, (shape, dtype) in FIELDS.items():
            array = np.ascontiguousarray(rows[name], dtype=dtype)
            if array.shape != (n, *shape):
                raise CacheError(self._path, f"{name} is {array.shape}", f"needs {(n, *shape)}")
            array.tofile(self._files[name])
        self._rows += n

    def close(self, **facts: object) -> None:
        """Finish; `facts` (data hash, episodes) go into the index."""
        for file in self._files.values():
            file.close()
        index = {"rows": self._rows, **facts}
        (self._path / "index.json").write_text(json.dumps(index, indent=1))
