"""The one aligner's building block: a time-indexed ring of one modality.

Messages go in by capture stamp; what was known at a time comes out. Causal, sized in time and not
in messages. Not thread safe: the thread that pushes also samples.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NS = 1_000_000_000


class Push(Enum):
    """What became of a pushed message."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    LATE = "late"
    CLOCK_RESET = "clock_reset"


Part = tuple[int, NDArray[np.generic]]
"""Stamp and value of one pushed message."""


@dataclass(frozen=True)
class Sample:
    """A value as known at a time, and the capture stamp of its newest ingredient."""

    stamp_ns: int
    value: NDArray[np.generic]
    parts: tuple[Part, ...]
    """The messages that it was made of, oldest first; a stream of these alone gives it again."""


class Stream:
    """Ring of `(stamp_ns, array)` that keeps `horizon_s` seconds.

    A message older than the newest by less than `reset_s` is late: dropped and counted. One older
    by more means that the clock jumped back (bag loop, simulator reset): the ring starts anew.
    """

    def __init__(self, horizon_s: float, reset_s: float = 1.0) -> None:
        self._horizon_ns = round(horizon_s * _NS)
        self._reset_ns = round(reset_s * _NS)
        self._stamps: list[int] = []
        self._values: list[NDArray[np.generic]] = []
        self.counts = dict.fromkeys(Push, 0)

    def push(self, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Add one message. The array is kept as it is and must not be written to afterwards."""
        outcome = self._judge(stamp_ns)
        self.counts[outcome] += 1
        if outcome is Push.CLOCK_RESET:
            self.clear()
        if outcome in (Push.ACCEPTED, Push.CLOCK_RESET):
            self._stamps.append(stamp_ns)
            self._values.append(value)
            self._trim()
        return outcome

    def _judge(self, stamp_ns: int) -> Push:
        if not self._stamps or stamp_ns > self._stamps[-1]:
            return Push.ACCEPTED
        if stamp_ns == self._stamps[-1]:
            return Push.DUPLICATE
        if self._stamps[-1] - stamp_ns > self._reset_ns:
            return Push.CLOCK_RESET
        return Push.LATE

    def _trim(self) -> None:
        """Drop what is older than the horizon, in batches; the last older value stays."""
        keep_from = bisect_right(self._stamps, self._stamps[-1] - self._horizon_ns) - 1
        if keep_from > 64 or keep_from * 2 > len(self._stamps):
            del self._stamps[:keep_from]
            del self._values[:keep_from]

    def clear(self) -> None:
        """Forget every message; the counts stay."""
        self._stamps.clear()
        self._values.clear()

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest message, or None."""
        return self._stamps[-1] if self._stamps else None

    @property
    def newest(self) -> Part | None:
        """The newest message, or None."""
        return (self._stamps[-1], self._values[-1]) if self._stamps else None

    def find(self, stamps_ns: Iterable[int]) -> tuple[Part, ...] | None:
        """The messages of these stamps, or None when one is not there."""
        found: list[Part] = []
        for stamp_ns in stamps_ns:
            i = bisect_right(self._stamps, stamp_ns) - 1
            if i < 0 or self._stamps[i] != stamp_ns:
                return None
            found.append((stamp_ns, self._values[i]))
        return tuple(found)

    def sample(self, t_ns: int) -> Sample | None:
        """The latest message not later than `t_ns`."""
        i = bisect_right(self._stamps, t_ns) - 1
        return self._newest(i) if i >= 0 else None

    def _newest(self, i: int) -> Sample:
        return Sample(self._stamps[i], self._values[i], ((self._stamps[i], self._values[i]),))

    def window(self, t_ns: int, length: int, period_s: float) -> Sample | None:
        """`length` values at a fixed rate, the last at `t_ns`: `(length, ...)`, oldest first.

        Each is the latest not later than its own time; before the first message, the first.
        """
        newest = bisect_right(self._stamps, t_ns) - 1
        if newest < 0:
            return None
        period_ns = round(period_s * _NS)
        times = range(t_ns - (length - 1) * period_ns, t_ns + 1, period_ns)
        rows = [max(bisect_right(self._stamps, t, hi=newest + 1) - 1, 0) for t in times]
        parts = tuple((self._stamps[i], self._values[i]) for i in dict.fromkeys(rows))
        return Sample(self._stamps[newest], np.stack([self._values[i] for i in rows]), parts)

    def interpolate(self, t_ns: int) -> Sample | None:
        """Linear between the neighbours of `t_ns`; the newest value after the last message."""
        after = bisect_right(self._stamps, t_ns)
        if after == 0:
            return None
        before = after - 1
        if after == len(self._stamps):
            return self._newest(before)
        span = self._stamps[after] - self._stamps[before]
        u = (t_ns - self._stamps[before]) / span
        neighbours: list[NDArray[Any]] = self._values[before : after + 1]
        older, newer = neighbours
        value = (1.0 - u) * older + u * newer
        stamps = self._stamps[before : after + 1]
        parts = tuple(zip(stamps, neighbours, strict=True))
        return Sample(self._stamps[before], value.astype(older.dtype), parts)
