"""Times at a constant rate, for what wants frames that way; the frames are observed, not moved."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from sensorium_core.cdr import NS

_GAP_NS = 10 * NS
"""A hole this long, or a clock set back by more than one period, ends the grid."""
_MISSED = 1.5
"""An interval this many times the median one has lost an image."""


class Grid:
    """`start + k / fps`, from the first image on; `due` says which of them have come.

    With `spans`, each of them has a grid of its own, and nothing is due between them.
    """

    def __init__(
        self, fps: int, lag_ns: int = 0, spans: Sequence[tuple[int, int]] | None = None
    ) -> None:
        """Args:
        lag_ns: how long after the first image a grid begins, so that jitter does not make an
            image come just too late for its time.
        spans: first and last stamp of each [ns], in order, without overlap.
        """
        self._fps, self._lag_ns = fps, lag_ns
        self._spans = [(0, 1 << 63)] if spans is None else list(spans)
        self._starts = [start for start, _ in self._spans]
        self._place = -1
        self._broken = False
        self.cuts = 0
        """Grids that a gap or a clock reset has ended."""
        self._first_ns = self._newest_ns = self._count = 0

    @property
    def ended(self) -> bool:
        """Whether a gap or a clock reset has ended the last grid."""
        return self._broken and self._place == len(self._spans) - 1

    def place(self, t_ns: int) -> int:
        """Which span a time lies in; -1: none."""
        found = bisect_right(self._starts, t_ns) - 1
        return found if found >= 0 and t_ns <= self._spans[found][1] else -1

    def due(self, stamp_ns: int) -> list[int]:
        """Times not later than this image's that were not due before, in order."""
        place = self.place(stamp_ns)
        if place < 0:
            return []
        if place > self._place:
            self._place, self._broken, self._count = place, False, 0
            self._first_ns, self._newest_ns = stamp_ns + self._lag_ns, stamp_ns
        step_ns = stamp_ns - self._newest_ns
        if not self._broken and (step_ns > _GAP_NS or step_ns < -NS // self._fps):
            self._broken, self.cuts = True, self.cuts + 1
        self._newest_ns = max(stamp_ns, self._newest_ns)
        times: list[int] = []
        while not self._broken and (t_ns := self._time(self._count)) <= stamp_ns:
            times.append(t_ns)
            self._count += 1
        return times

    def _time(self, k: int) -> int:
        return self._first_ns + round(k * NS / self._fps)


def nominal_rate(stamps_ns: Sequence[int]) -> tuple[int, int]:
    """Whole frames a second of a camera, and by how much its stamps scatter about that [ns]."""
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    steps = np.diff(stamps)
    whole = steps[steps < _MISSED * np.median(steps)]
    fps = max(round(NS / float(np.mean(whole))), 1)
    period = NS / fps
    offsets = (stamps - stamps[0] + period / 2) % period - period / 2
    low, high = np.quantile(offsets, (0.01, 0.99))
    return fps, int(np.ceil(high - low))
