"""Statistics of a feature over any number of frames, in bounded memory.

Minimum, maximum, mean and standard deviation are exact. So are quantiles of images, which come
from histograms of their 256 levels, and those of vectors up to `KEPT_NUMBERS`; beyond, quantiles
are those of every second, fourth, ... frame.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Result = dict[str, NDArray[np.generic]]

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}
KEPT_NUMBERS = 1 << 18
"""Entries of all frames that are kept of a vector for its quantiles."""
_FEWEST = 256
"""Frames that are kept at least, however wide."""


class Statistics(Protocol):
    """What a feature's frames amount to so far."""

    def update(self, frames: NDArray[np.generic]) -> None:
        """Take in a batch of frames, the first axis of which counts them; it is not empty."""

    def result(self) -> Result:
        """`min`, `max`, `mean`, `std`, `count` and quantiles; raises nothing after one frame."""


class VectorStatistics:
    """Of vectors `(n,)`, entry by entry."""

    def __init__(self, width: int) -> None:
        self._rows = 0
        self._mean = self._squares = self._low = self._high = np.zeros(0)
        self._thinned = _Thinned(max(KEPT_NUMBERS // width, _FEWEST))

    def update(self, frames: NDArray[np.generic]) -> None:
        """Take in frames `(n_frames, n)`."""
        rows = frames.astype(np.float64)
        mean, low, high = rows.mean(0), rows.min(0), rows.max(0)
        squares = ((rows - mean) ** 2).sum(0)
        if self._rows:
            # Chan, Golub and LeVeque (1983): joining two sets without cancellation.
            total, shift = self._rows + len(rows), mean - self._mean
            squares = self._squares + squares + shift**2 * (self._rows * len(rows) / total)
            mean = self._mean + shift * (len(rows) / total)
            low, high = np.minimum(self._low, low), np.maximum(self._high, high)
        self._mean, self._squares, self._low, self._high = mean, squares, low, high
        self._rows += len(rows)
        self._thinned.push(rows)

    def result(self) -> Result:
        """Arrays `(n,)`."""
        quantiles = np.quantile(self._thinned.rows(), list(QUANTILES.values()), axis=0)
        return {
            "min": self._low,
            "max": self._high,
            "mean": self._mean,
            "std": np.sqrt(self._squares / self._rows),
            "count": np.array([self._rows]),
            **dict(zip(QUANTILES, quantiles, strict=True)),
        }


class _Thinned:
    """Every k-th row of a series, k a power of two that grows with the series."""

    def __init__(self, limit: int) -> None:
        self._limit, self._stride, self._seen = limit, 1, 0
        self._kept: list[Array] = []

    def push(self, rows: Array) -> None:
        self._kept.append(rows[-self._seen % self._stride :: self._stride])
        self._seen += len(rows)
        while sum(map(len, self._kept)) > self._limit:
            self._kept = [self.rows()[::2].copy()]
            self._stride *= 2

    def rows(self) -> Array:
        return np.concatenate(self._kept)


class ImageStatistics:
    """By channel of uint8 images `(rows, cols, channels)`, scaled to 0..1."""

    def __init__(self) -> None:
        self._frames = 0
        self._histogram = np.zeros((0, 256), dtype=np.int64)

    def update(self, frames: NDArray[np.generic]) -> None:
        """Take in frames `(n_frames, rows, cols, channels)`."""
        levels = np.moveaxis(frames, -1, 0).reshape(frames.shape[-1], -1)
        counts = np.stack([np.bincount(channel, minlength=256) for channel in levels])
        self._histogram = self._histogram + counts if self._frames else counts
        self._frames += len(frames)

    def result(self) -> Result:
        """Arrays `(channels, 1, 1)`, as lerobot's normaliser broadcasts them."""
        counts, levels = self._histogram, np.arange(256) / 255.0
        total, below = counts.sum(1), counts.cumsum(1)
        mean = counts @ levels / total
        variance = (counts * (levels - mean[:, None]) ** 2).sum(1) / total
        found = {
            "min": levels[(counts > 0).argmax(1)],
            "max": levels[255 - (counts[:, ::-1] > 0).argmax(1)],
            "mean": mean,
            "std": np.sqrt(variance),
            **{q: levels[(below >= p * total[:, None]).argmax(1)] for q, p in QUANTILES.items()},
        }
        shaped: Result = {name: value[:, None, None] for name, value in found.items()}
        return {**shaped, "count": np.array([self._frames])}
