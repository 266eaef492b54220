"""Times at a constant rate, for what wants frames that way; the frames are observed, not moved."""

from collections.abc import Sequence

import numpy as np
from sensorium_core.cdr import NS

_GAP_NS = 10 * NS
"""A hole this long, or a clock set back by more than one period, ends the grid."""


class Grid:
    """`start + k / fps`, from the first image on; `due` says which of them have come."""

    def __init__(self, fps: int, lag_ns: int = 0) -> None:
        """`lag_ns`: how long after the first image the grid begins, so that jitter does not make
        an image come just too late for its time."""
        self._fps, self._lag_ns = fps, lag_ns
        self._start_ns = self._newest_ns = -1
        self._count = 0
        self.ended = False
        """Whether a gap or a clock reset has ended it."""

    def due(self, stamp_ns: int) -> list[int]:
        """Times not later than this image's that were not due before, in order."""
        if self._start_ns < 0:
            self._start_ns = stamp_ns + self._lag_ns
            self._newest_ns = stamp_ns
        step_ns = stamp_ns - self._newest_ns
        self.ended |= step_ns > _GAP_NS or step_ns < -NS // self._fps
        self._newest_ns = max(stamp_ns, self._newest_ns)
        times: list[int] = []
        while not self.ended and (t_ns := self._time(self._count)) <= stamp_ns:
            times.append(t_ns)
            self._count += 1
        return times

    def _time(self, k: int) -> int:
        return self._start_ns + round(k * NS / self._fps)


def nominal_rate(stamps_ns: Sequence[int]) -> tuple[int, int]:
    """Whole frames a second of a camera, and by how much its stamps scatter about that [ns]."""
    stamps = np.asarray(stamps_ns, dtype=np.int64)
    fps = max(round(NS / float(np.median(np.diff(stamps)))), 1)
    period = NS / fps
    offsets = (stamps - stamps[0] + period / 2) % period - period / 2
    low, high = np.quantile(offsets, (0.01, 0.99))
    return fps, int(np.ceil(high - low))
