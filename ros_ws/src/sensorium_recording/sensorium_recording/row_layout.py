"""How one aligned frame lies on disk: a record of fixed size, derived from the contract.

All that a frame holds is contiguous, so that reading it is one copy.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.content_watch import ContentConfig
from sensorium_core.contract import Contract
from sensorium_core.errors import CacheError
from sensorium_core.hashes import text_sha256
from sensorium_description import load_urdf

from sensorium_recording.alignment import AlignedFrame
from sensorium_recording.bag_entry import EpisodeEntry

VERSION = 4
"""Of what the loader writes; a change makes new caches."""
TOOL = 5
"""Commanded tool: x, y, z [m], yaw [rad] in base_link, open fraction 0..1."""
_ALIGN = 64
Array = NDArray[np.generic]
Fields = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and type of each array of a row."""


@dataclass(frozen=True)
class Source:
    """Where the rows of one episode come from."""

    bag: Path
    sha256: str
    """Of the bag's content."""
    episode: EpisodeEntry


class Columns(Protocol):
    """More arrays for each row, such as labels; stored beside the senses.

    Travels to worker processes, so it must be picklable.
    """

    @property
    def name(self) -> str:
        """Together with the version it says what was computed; a change makes a new cache."""

    @property
    def version(self) -> int:
        """Grows with each change of the computation."""

    @property
    def fields(self) -> Fields:
        """What is computed. Rows whose `usable` is false, where there is one, are left out."""

    def compute(
        self, source: Source, frames: Iterator[tuple[AlignedFrame, NDArray[np.float64]]]
    ) -> Mapping[str, Array]:
        """One row for each frame; with a frame comes the commanded tool `(5,)`."""


@dataclass(frozen=True)
class RowLayout:
    """What a store's rows hold."""

    contract: Contract
    tensors: tuple[str, ...]
    """Modalities, and `cloud`, that are stored."""
    namespace: str = ""
    columns: Columns | None = None
    content: ContentConfig = field(default_factory=ContentConfig)
    """What counts as a frozen sense."""

    @classmethod
    def of(
        cls,
        contract: Contract,
        tensors: tuple[str, ...] | None = None,
        namespace: str = "",
        columns: Columns | None = None,
        content: ContentConfig | None = None,
    ) -> "RowLayout":
        """The layout for a contract, with all of its tensors unless some are named."""
        known = (*(m.name for m in contract.modalities), "cloud")
        unknown = sorted(set(tensors or ()) - set(known))
        if unknown:
            raise CacheError(contract.name, f"has no tensors {unknown}", f"name some of {known}")
        return cls(contract, tensors or known, namespace, columns, content or ContentConfig())

    @property
    def key(self) -> str:
        """Name of all that decides the bytes of a row; provenance does not."""
        columns = self.columns
        facts = {
            "version": VERSION,
            "contract": self.contract.model_copy(update={"provenance": {}}).to_json(),
            "tensors": self.tensors,
            "namespace": self.namespace,
            "columns": None if columns is None else [columns.name, columns.version],
            "content": asdict(self.content),
            "urdf": text_sha256(load_urdf()),
        }
        return text_sha256(json.dumps(facts, sort_keys=True))[:16]

    @property
    def rows(self) -> np.dtype[np.void]:
        """The record of `rows.bin`."""
        fields: dict[str, tuple[tuple[int, ...], str]] = {
            "t_ns": ((), "int64"),
            "told": ((), "int32"),
            "valid": ((len(self.contract.senses),), "float32"),
            "age_s": ((len(self.contract.modalities),), "float32"),
        }
        for name in self.tensors:
            fields[name] = self._tensor(name)
        return record(fields)

    @property
    def width(self) -> int:
        """Numbers of a row of `actions.bin`: commanded joints, commanded tool."""
        return len(self.contract.action.joints) + TOOL

    @property
    def extra(self) -> np.dtype[np.void] | None:
        """The record of `columns.bin`."""
        return None if self.columns is None else record(self.columns.fields)

    def _tensor(self, name: str) -> tuple[tuple[int, ...], str]:
        if name == "cloud":
            return (self.contract.cloud.points, 7), "float32"
        modality = self.contract.modality(name)
        return modality.shape, modality.dtype


def record(fields: Fields) -> np.dtype[np.void]:
    """A structured type whose fields begin at multiples of 8 and which ends at one of 64."""
    offsets, end = [], 0
    for shape, dtype in fields.values():
        offsets.append(end)
        size = int(np.prod(shape, dtype=int)) * np.dtype(dtype).itemsize
        end += -(-size // 8) * 8
    return np.dtype(
        {
            "names": list(fields),
            "formats": [(dtype, shape) for shape, dtype in fields.values()],
            "offsets": offsets,
            "itemsize": -(-end // _ALIGN) * _ALIGN,
        }
    )
