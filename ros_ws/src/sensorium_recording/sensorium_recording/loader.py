"""Random access to the aligned frames and action chunks of every episode below a directory.

Bags become rows once, by `aligned_frames`, in worker processes; from then on an item is one copy
from a memory map. No torch here, and nothing is held open for each bag. One dataset may serve
several processes that only read.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.content_watch import ContentConfig
from sensorium_core.contract import Contract
from sensorium_core.errors import LoaderError
from sensorium_core.hashes import text_sha256

from sensorium_recording.cache_build import Progress, build
from sensorium_recording.episode_table import EpisodeTable, LoadedEpisode
from sensorium_recording.index import FOLDER, EpisodeIndex
from sensorium_recording.row_layout import TOOL, Array, Columns, RowLayout
from sensorium_recording.row_store import RowStore
from sensorium_recording.splits import Shares, Split, require_split

Items = dict[str, Array]


class EpisodeDataset:
    """Frames of one split, as `dataset[i]` or many at once by `batch`.

    An item holds, for the frame at `t_ns`: each tensor by its name in the contract and `cloud`;
    `valid` `(n_senses,)`, `age_s` `(n_modalities,)`; `setpoint` `(n_joints,)` and `tool` `(5,)`
    commanded then, NaN when unknown; `action` `(horizon, n_joints)` and `action_tool`
    `(horizon, 5)`, the same at the frames that follow, the last one repeated where
    `action_is_pad`; `episode`, a number in `episodes`; `instruction`; the columns, if any.
    """

    def __init__(
        self,
        directory: Path,
        contract: Contract,
        split: Split = "train",
        horizon: int = 16,
        *,
        shares: Shares | None = None,
        tensors: tuple[str, ...] | None = None,
        namespace: str = "",
        columns: Columns | None = None,
        content: ContentConfig | None = None,
        cache: Path | None = None,
        workers: int = 1,
        progress: Progress | None = None,
    ) -> None:
        """Index the directory and make rows of the bags that are new.

        Args:
            directory: searched for bags at any depth.
            split: whose episodes; `all` is every one of them.
            horizon: length of the action chunks.
            tensors: which to keep; all by default.
            namespace: of the robot in the bags, without slashes at the ends.
            columns: more arrays to compute for each row.
            content: what counts as a frozen sense: as in the policy loop by default.
            cache: where rows are kept; in the directory by default.
            progress: called with how many new bags are done, of how many; for the index, then for
                the rows.

        Raises:
            BagError: no directory.
            CacheError: the cache cannot be written, or another process is building it.
        """
        require_split(split)
        if horizon < 1:
            raise LoaderError(f"horizon {horizon}", "at least 1")
        self.contract, self.split, self.horizon = contract, split, horizon
        self._shares, self._workers = shares or Shares(), workers
        self._progress = progress or (lambda done, total: None)
        self.index = EpisodeIndex(directory, workers, progress)
        layout = RowLayout.of(contract, tensors, namespace, columns, content)
        key = layout.key if cache is None else f"{directory.resolve().name}-{layout.key}"
        self._store = RowStore((cache or directory / FOLDER / "cache") / key, layout)
        self._joints = layout.width - TOOL
        self._open()

    def refresh(self) -> None:
        """Take in what was added to the directory since."""
        self.index.refresh()
        self._open()

    def _open(self) -> None:
        live = {e.sha256: e for e in self.index.entries if e.state == "whole" and e.episodes}
        left = build(
            self._store, self.index.directory, list(live.values()), self._workers, self._progress
        )
        self._rows = self._store.map()
        self.problems = {e.path: e.problem for e in self.index.entries if e.problem}
        """Bags that gave no rows, and why."""
        self.notes: dict[str, str] = {}
        """What to know of bags that gave rows."""
        self._table = EpisodeTable(self.split, self._shares)
        for sha256, entry in live.items():
            if sha256 not in self._store.bags:
                self.problems[entry.path] = left.get(sha256, "has no rows yet; refresh")
                continue
            first, built = self._store.bags[sha256]
            if built.problem:
                self.problems[entry.path] = built.problem
            if built.note:
                self.notes[entry.path] = built.note
            self._table.add(entry.path, first, built)
        self._row, self._last, self._episode = self._table.arrange(self._rows.columns)

    @property
    def episodes(self) -> list[LoadedEpisode]:
        """The episodes of this split, by bag and number."""
        return self._table.episodes

    @property
    def data_hash(self) -> str:
        """SHA-256 over the content of the bags of this split, whatever their names."""
        hashes = sorted({e.sha256 for e in self.episodes})
        return text_sha256("".join(hashes))

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, i: int) -> dict[str, object]:
        """One item; arrays are copies. Raises `IndexError` beyond the ends."""
        row, last, number = int(self._row[i]), int(self._last[i]), int(self._episode[i])
        taken = self._rows.row(row)
        item: dict[str, object] = {name: taken[name][0] for name in self._names(taken)}
        ahead = np.arange(row + 1, row + 1 + self.horizon)
        actions = self._rows.actions[np.minimum(ahead, last)]
        now = self._rows.actions[row]
        item["setpoint"], item["tool"] = now[: self._joints].copy(), now[self._joints :].copy()
        item["action"], item["action_tool"] = (
            actions[:, : self._joints],
            actions[:, self._joints :],
        )
        item["action_is_pad"] = ahead > last
        item["episode"] = number
        item["instruction"] = self._table.instruction(number, int(taken["told"][0]))
        if self._rows.columns is not None:
            extra = self._rows.columns[row]
            item |= {name: extra[name].copy() for name in extra.dtype.names or ()}
        return item

    def batch(self, indices: NDArray[np.integer]) -> Items:
        """Items `(n,)` at once, each array with a leading axis; the arrays share one block."""
        rows, last = self._row[indices], self._last[indices]
        taken = self._rows.rows(rows)
        items: Items = {name: taken[name] for name in self._names(taken)}
        ahead = rows[:, None] + np.arange(1, 1 + self.horizon)
        actions = self._rows.actions[np.minimum(ahead, last[:, None])]
        now = self._rows.actions[rows]
        items["setpoint"], items["tool"] = now[:, : self._joints], now[:, self._joints :]
        items["action"] = actions[..., : self._joints]
        items["action_tool"] = actions[..., self._joints :]
        items["action_is_pad"] = ahead > last[:, None]
        items["episode"] = self._episode[indices]
        if self._rows.columns is not None:
            extra = self._rows.columns[rows]
            items |= {name: extra[name] for name in extra.dtype.names or ()}
        return items

    def instructions(self, indices: NDArray[np.integer]) -> list[str]:
        """What was asked for in each item."""
        told = self._rows.field("told", self._row[indices])
        numbers = self._episode[indices]
        return [
            self._table.instruction(int(n), int(t)) for n, t in zip(numbers, told, strict=True)
        ]

    def field(self, name: str, indices: NDArray[np.integer]) -> Array:
        """Copies `(n, ...)` of one stored array of items, such as `t_ns`; others are not read."""
        return self._rows.field(name, self._row[indices])

    def episode_of(self, indices: NDArray[np.integer]) -> NDArray[np.int64]:
        """Numbers in `episodes` of items `(n,)`."""
        return self._episode[indices]

    @staticmethod
    def _names(taken: NDArray[np.void]) -> Iterator[str]:
        return (name for name in taken.dtype.names or () if name != "told")
