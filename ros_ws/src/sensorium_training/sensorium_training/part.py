"""Some of the demonstrations: to ask what a training makes of few of them.

Which ones is a matter of a hash of each episode's content, and not of the run: every run with the
same share learns from the same episodes, and a larger share has all those of a smaller one. What
is kept aside for validation is chosen before, by another hash, and is never touched.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import GateConfigError, LoaderError
from sensorium_recording.episode_table import LoadedEpisode
from sensorium_recording.loader import EpisodeDataset, Items

_SALT = "share of the demonstrations"


class Part:
    """The rows of a share of a data set's episodes, in their order."""

    def __init__(self, data: EpisodeDataset, share: float) -> None:
        """Choose.

        Args:
            data: the episodes to choose among.
            share: of the episodes, about; each is in or out by itself. 1: all of them.

        Raises:
            GateConfigError: no share above 0 and at most 1.
            LoaderError: there are episodes, but none is left.
        """
        if not 0 < share <= 1:
            raise GateConfigError("share", share, "above 0 and at most 1", "training")
        kept = [is_in(episode, share) for episode in data.episodes]
        if kept and not any(kept):
            raise LoaderError(
                f"a share of {share:g} that leaves none of {len(kept)} episodes",
                "a larger share, or more demonstrations",
            )
        self.episodes = [e for e, stays in zip(data.episodes, kept, strict=True) if stays]
        """Those that stay."""
        mine = np.array(kept, dtype=bool)[data.episode_of(np.arange(len(data)))]
        self._data, self._items = data, np.flatnonzero(mine)

    def __len__(self) -> int:
        return len(self._items)

    def batch(self, indices: NDArray[np.int64]) -> Items:
        """Rows at once, as those of the whole data set."""
        return self._data.batch(self._items[indices])

    def field(self, name: str, indices: NDArray[np.int64]) -> NDArray[np.generic]:
        """One array of rows, as of the whole data set."""
        return self._data.field(name, self._items[indices])

    def episode_of(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the rows' episodes, as of the whole data set."""
        return self._data.episode_of(self._items[indices])


def is_in(episode: LoadedEpisode, share: float) -> bool:
    """Whether an episode belongs to a share 0..1, by its bag's content and its number in it."""
    digest = hashlib.sha256(f"{_SALT}:{episode.sha256}:{episode.number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share
