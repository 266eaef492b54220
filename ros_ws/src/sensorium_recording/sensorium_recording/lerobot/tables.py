"""Parquet files of a LeRobotDataset: frames, episodes and tasks."""

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from sensorium_recording.lerobot.features import Feature
from sensorium_recording.lerobot.layout import DATA_FILE_MB, create, place

_TASK_COLUMN = "__index_level_0__"


class TableFiles:
    """Numbered Parquet files of one kind; a new one begins where the last is large enough."""

    def __init__(self, root: Path, pattern: str) -> None:
        self._root, self._pattern = root, pattern
        self._number = -1
        self._path: Path | None = None
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> dict[str, int]:
        """Say which file the next rows go to: they stay together until the next `begin`."""
        if self._path is None or self._path.stat().st_size >= DATA_FILE_MB * 2**20:
            self.close()
            self._number += 1
            self._path = create(self._root, self._pattern, self._number)
            self._path.touch()
        return place(self._number)

    def write(self, table: pa.Table) -> None:
        """Append rows, as one row group."""
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, table.schema, compression="snappy")
        self._writer.write_table(table)

    def close(self) -> None:
        """Finish the present file, if any."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def frames_table(
    features: Sequence[Feature], rows: Sequence[Mapping[str, NDArray[np.generic]]]
) -> pa.Table:
    """Columns of the features that Parquet holds; videos lie elsewhere."""
    stored = [feature for feature in features if feature.dtype != "video"]
    columns = [_column(f, [row[f.name] for row in rows]) for f in stored]
    return pa.Table.from_arrays(columns, names=[f.name for f in stored])


def _column(feature: Feature, values: Sequence[NDArray[np.generic]]) -> pa.Array:
    if feature.dtype == "image":
        return pa.array([{"bytes": _png(v), "path": None} for v in values], type=_IMAGE)
    flat = pa.array(np.concatenate([v.reshape(-1) for v in values]))
    if feature.shape == (1,):
        return flat
    return pa.FixedSizeListArray.from_arrays(flat, feature.shape[0])


_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _png(image: NDArray[np.generic]) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(stream, "PNG", compress_level=6)
    return stream.getvalue()


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Instructions with their numbers, indexed by text as pandas would write it."""
    table = pa.table({"task_index": range(len(tasks)), _TASK_COLUMN: pa.array(tasks, pa.string())})
    pandas = {
        "index_columns": [_TASK_COLUMN],
        "column_indexes": [],
        "columns": [
            _pandas_column("task_index", "task_index", "int64", "int64"),
            _pandas_column(None, _TASK_COLUMN, "unicode", "object"),
        ],
        "pandas_version": "2.2.0",
    }
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(pandas)}), path)


def _pandas_column(name: str | None, field: str, pandas: str, numpy: str) -> dict[str, object]:
    return {"name": name, "field_name": field, "pandas_type": pandas, "numpy_type": numpy,
            "metadata": None}  # fmt: skip
