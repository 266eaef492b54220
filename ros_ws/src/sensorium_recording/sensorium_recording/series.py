"""Streams thinned for drawing while they go by: fixed memory, and no extreme is lost."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sensorium_recording.statistics import Integers

Array = NDArray[np.float64]
Pixels = NDArray[np.generic]

_FIRST_WIDTH_NS = 1_000_000
_ABSURD = 1e30
"""A number of this size was never measured, and no axis could show the others beside it."""


class Points(NamedTuple):
    """What is left of a series: `m` buckets of time and the extremes in each."""

    t_ns: Integers
    """`(m,)`: the first time in each."""
    low: Array
    """`(m, channels)`; NaN where there was no number."""
    high: Array

    @property
    def middle(self) -> Array:
        """`(m, channels)`."""
        middle: Array = self.low / 2 + self.high / 2
        return middle


class Series:
    """Values of a few channels over time, in buckets that widen as the stream goes on."""

    def __init__(self, channels: int, limit: int = 1500) -> None:
        """Keep `limit` to twice as many buckets."""
        self.channels = channels
        self._limit, self._width_ns = limit, _FIRST_WIDTH_NS
        self._points = Points(
            np.empty(0, np.int64), np.empty((0, channels)), np.empty((0, channels))
        )

    def add(self, t_ns: Integers, values: Array) -> None:
        """Take in samples `(n,)`, `(n, channels)` in the order of the stream."""
        if not len(t_ns):
            return
        values = np.where(np.abs(values) < _ABSURD, values, np.nan)
        old, new = self._points, _bucketed(Points(t_ns, values, values), self._width_ns)
        joined = (np.concatenate([a, b]) for a, b in zip(old, new, strict=True))
        self._points = Points(*joined)
        while len(self._points.t_ns) > 2 * self._limit:
            self._width_ns *= 2
            self._points = _bucketed(self._points, self._width_ns)

    @property
    def points(self) -> Points:
        """What is left."""
        return self._points


def _bucketed(points: Points, width_ns: int) -> Points:
    """One bucket for each run of points that fall into the same stretch of time."""
    keys = points.t_ns // width_ns
    begins = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
    low = np.fmin.reduceat(points.low, begins, axis=0)
    high = np.fmax.reduceat(points.high, begins, axis=0)
    return Points(points.t_ns[begins], low, high)


class Thumbnail(NamedTuple):
    """A small picture and its time."""

    t_ns: int
    picture: Image.Image


class Thumbnails:
    """Evenly spaced small pictures of a video of unknown length."""

    def __init__(self, limit: int = 48, width: int = 240) -> None:
        """Keep `limit` to twice as many, `width` pixels wide."""
        self.kept: list[Thumbnail] = []
        self._limit, self._width, self._spacing_ns = limit, width, 0

    def wants(self, t_ns: int) -> bool:
        """Whether a picture of this time would be kept; decode it only then."""
        return not self.kept or abs(t_ns - self.kept[-1].t_ns) >= self._spacing_ns

    def add(self, t_ns: int, image: Pixels) -> None:
        """Keep a picture `(rows, cols[, 3])` of bytes."""
        picture = Image.fromarray(np.ascontiguousarray(image)).convert("RGB")
        if picture.width > self._width:
            height = round(picture.height * self._width / picture.width)
            picture = picture.resize((self._width, height), Image.Resampling.BOX)
        self.kept.append(Thumbnail(t_ns, picture))
        if len(self.kept) > 2 * self._limit:
            self.kept = self.kept[::2]
            span_ns = self.kept[-1].t_ns - self.kept[0].t_ns
            self._spacing_ns = max(abs(span_ns) // self._limit, 1)

    def nearest(self, t_ns: int) -> Thumbnail | None:
        """The picture nearest a time; None without any."""
        return min(self.kept, key=lambda one: abs(one.t_ns - t_ns), default=None)
