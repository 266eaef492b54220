"""Earlier rows of the same episodes: what a sense that is late or frozen gives."""

import numpy as np
from numpy.typing import NDArray

from sensorium_training.dataset import RowSource

_SLACK_NS = 1_000_000
"""So much less than asked for counts as long enough: seconds are no whole nanoseconds."""


def earlier_rows(
    source: RowSource, rows: NDArray[np.int64], seconds: NDArray[np.floating]
) -> NDArray[np.int64]:
    """The newest row at least so long before each `(n,)`, in its episode; else that one's first.

    Rows of an episode stand together, by time.
    """
    episode = source.episode_of(rows)
    wanted = source.field("t_ns", rows).astype(np.int64) - np.round(seconds * 1e9).astype(np.int64)
    found = np.array(rows, dtype=np.int64)
    while True:
        too_new = source.field("t_ns", found).astype(np.int64) > wanted + _SLACK_NS
        previous = np.maximum(found - 1, 0)
        goes = too_new & (found > 0) & (source.episode_of(previous) == episode)
        if not goes.any():
            return found
        found = np.where(goes, previous, found)
