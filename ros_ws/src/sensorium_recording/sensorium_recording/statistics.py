"""Statistics of endless streams in a fixed amount of memory. Not thread safe."""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Histogram = NDArray[np.int64]

_RATIO = math.log(1.01)
_SIDE = 4500
"""Bins of 1 % from 1 to 2e19, which is more than an int64 holds."""


class Spread:
    """Quantiles of integers to 1 %; exact count, extremes, mean and deviation."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0
        self._low = self._high = 0
        self._bins = np.zeros(2 * _SIDE + 1, np.int64)

    def add(self, values: Integers) -> None:
        """Take in a batch `(n,)`."""
        if not len(values):
            return
        low, high = int(values.min()), int(values.max())
        self._low = min(self._low, low) if self.count else low
        self._high = max(self._high, high) if self.count else high
        n, total = len(values), self.count + len(values)
        mean = float(values.mean())
        step = mean - self.mean
        self._squares += float(values.var()) * n + step * step * self.count * n / total
        self.mean += step * n / total
        self.count = total
        self._bins += np.bincount(_bins_of(values), minlength=len(self._bins))

    @property
    def low(self) -> int | None:
        """The smallest value; None without values."""
        return self._low if self.count else None

    @property
    def high(self) -> int | None:
        """The largest value; None without values."""
        return self._high if self.count else None

    @property
    def deviation(self) -> float:
        """Standard deviation; 0 without values."""
        return math.sqrt(self._squares / self.count) if self.count else 0.0

    def quantile(self, q: float) -> float | None:
        """Value below which a share `q` lies, within 1 %; None without values."""
        if not self.count:
            return None
        rank = min(int(q * self.count), self.count - 1)
        index = int(np.searchsorted(np.cumsum(self._bins), rank, side="right"))
        return min(max(_middle(index), self._low), self._high)

    def beyond(self, limit: float) -> tuple[int, float]:
        """Count and sum of the values above `limit`, counted by bins of 1 %."""
        first = int(_bins_of(np.array([int(limit)]))[0]) + 1
        counts = self._bins[first:]
        full = np.flatnonzero(counts)
        return int(counts.sum()), sum(float(counts[i]) * _middle(first + int(i)) for i in full)


def _bins_of(values: Integers) -> Integers:
    size = np.maximum(np.abs(values.astype(np.float64)), 1.0)
    steps = np.minimum(np.log(size) / _RATIO, _SIDE - 1).astype(np.int64) + 1
    bins: Integers = _SIDE + np.sign(values).astype(np.int64) * steps
    return bins


def _middle(index: int) -> float:
    steps = abs(index - _SIDE)
    return math.copysign(math.exp((steps - 0.5) * _RATIO), index - _SIDE) if steps else 0.0


class Longest:
    """The longest of many stretches of time, with where they begin."""

    def __init__(self, keep: int = 256) -> None:
        self._keep = keep
        self._at_ns = np.empty(0, np.int64)
        self._length_ns = np.empty(0, np.int64)

    def add(self, at_ns: Integers, length_ns: Integers) -> None:
        """Take in stretches that begin at `at_ns` `(n,)` and last `length_ns` `(n,)`."""
        if len(self._length_ns) >= self._keep:
            news = length_ns > self._length_ns.min()
            at_ns, length_ns = at_ns[news], length_ns[news]
        if len(length_ns):
            at = np.concatenate([self._at_ns, at_ns])
            length = np.concatenate([self._length_ns, length_ns])
            best = np.argsort(-length, kind="stable")[: self._keep]
            self._at_ns, self._length_ns = at[best], length[best]

    def above(self, limit_ns: float) -> tuple[tuple[int, int], ...]:
        """`(at_ns, length_ns)` of the kept ones longer than a limit, longest first."""
        pairs = zip(self._at_ns.tolist(), self._length_ns.tolist(), strict=True)
        return tuple((at, length) for at, length in pairs if length > limit_ns)


class Stillness:
    """How often a message repeats the one before, and the longest stretch of that."""

    def __init__(self) -> None:
        self.repeats = 0
        self.longest_ns = 0
        self.longest_count = 0
        self.at_ns = 0
        """Log time at which the longest stretch begins."""
        self._run: tuple[int, int, int] | None = None

    def add(self, log_ns: Integers, stamps_ns: Integers, repeats: Flags) -> None:
        """A batch `(n,)` in order; `repeats` says which payloads equal the one before."""
        self.repeats += int(repeats.sum())
        news = np.flatnonzero(~repeats)
        edges = [0, *news.tolist(), len(repeats)]
        for begin, end in pairwise(edges):
            if begin == end:
                continue
            if self._run is None or not repeats[begin]:
                self._run = int(log_ns[begin]), int(stamps_ns[begin]), 0
            at_ns, since_ns, count = self._run
            self._run = at_ns, since_ns, count + end - begin
            length = int(stamps_ns[end - 1]) - since_ns
            if length > self.longest_ns:
                self.longest_ns, self.at_ns = length, at_ns
                self.longest_count = self._run[2]


def entropy_bits(histogram: Histogram) -> float:
    """Shannon entropy of counts [bits]; 0 for a constant and for nothing at all."""
    counts = histogram[histogram > 0].astype(np.float64)
    if len(counts) < 2:
        return 0.0
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum())
