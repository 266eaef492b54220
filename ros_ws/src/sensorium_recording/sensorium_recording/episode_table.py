"""Which rows of a cache belong to which episode of a split."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sensorium_recording.built_bag import BuiltBag
from sensorium_recording.splits import Shares, Split

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class LoadedEpisode:
    """One episode of a dataset."""

    bag: str
    """Path relative to the directory."""
    sha256: str
    number: int
    """In its bag."""
    first: int
    """Row in the store."""
    rows: int
    instruction: str
    outcome: str
    family: str


class EpisodeTable:
    """The episodes of one split."""

    def __init__(self, split: Split, shares: Shares) -> None:
        self._split, self._shares = split, shares
        self.episodes: list[LoadedEpisode] = []
        self._texts: list[tuple[str, ...]] = []

    def add(self, path: str, first: int, built: BuiltBag) -> None:
        """Take in those episodes of a bag that are of the split; its rows begin at `first`."""
        for episode in built.episodes:
            home = self._shares.split_of(built.sha256, episode.number)
            if episode.rows and self._split in ("all", home):
                loaded = LoadedEpisode(
                    path, built.sha256, episode.number, first, episode.rows,
                    episode.instruction, episode.outcome, episode.family,
                )  # fmt: skip
                self.episodes.append(loaded)
                self._texts.append(built.texts)
            first += episode.rows

    def arrange(self, columns: NDArray[np.void] | None) -> tuple[Numbers, Numbers, Numbers]:
        """By item: its row, the last row of its episode, and its episode.

        Rows that `columns` calls not usable are no items.
        """
        counts = np.array([e.rows for e in self.episodes], dtype=np.int64)
        firsts = np.array([e.first for e in self.episodes], dtype=np.int64)
        episode = np.repeat(np.arange(len(counts)), counts)
        begun = np.cumsum(counts) - counts
        row = np.arange(len(episode)) + np.repeat(firsts - begun, counts)
        last = np.repeat(firsts + counts - 1, counts)
        if columns is None or "usable" not in (columns.dtype.names or ()):
            return row, last, episode
        usable = columns["usable"][row].astype(bool)
        return row[usable], last[usable], episode[usable]

    def instruction(self, episode: int, told: int) -> str:
        """The text that rows call `told`; before anything was said, the episode's."""
        return self._texts[episode][told] or self.episodes[episode].instruction
