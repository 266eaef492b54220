"""When the messages of one stream came: rate, jitter, gaps, age, stamps that cannot be.

Fixed memory. Not thread safe.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sensorium_core.cdr import NS

from sensorium_recording.statistics import Flags, Integers, Longest, Spread

GAP_FACTOR = 2.5
"""An interval longer than this many median ones is a gap."""


@dataclass(frozen=True)
class TimingSummary:
    """Times of one stream. None where too few messages came to say."""

    rate_hz: float | None
    """By the recorder's clock, first message to last."""
    interval_ms: float | None
    """The median interval, by the header stamps where there are any."""
    jitter_std_ms: float | None
    interval_p99_ms: float | None
    gaps: int
    """Intervals longer than 2.5 median ones."""
    missing: int
    """Messages that would have fitted into the gaps."""
    stale: int
    """Intervals longer than the contract's `max_age_s`."""
    longest_gap_ms: float | None
    longest_gap_at_ns: int | None
    age_p50_ms: float | None
    """Log time less header stamp."""
    age_p99_ms: float | None
    age_max_ms: float | None
    duplicates: int
    backwards: int
    bad_stamps: int
    """Stamps with nanoseconds of 1e9 and more, or before 1970."""
    unstamped: int
    """Stamps of zero."""


class Timing:
    """Collects the times of one stream."""

    def __init__(self) -> None:
        self.duplicates = self.backwards = self.bad_stamps = self.unstamped = 0
        self._ages, self._intervals, self._longest = Spread(), Spread(), Longest()
        self._first_ns: int | None = None
        self._last_ns = 0
        self._previous: tuple[int, int] | None = None
        self._count = 0

    def add(self, log_ns: Integers, stamps_ns: Integers | None, fit: Flags | None = None) -> None:
        """A batch `(n,)` in the order of the bag.

        Args:
            stamps_ns: header stamps; None for a type without.
            fit: which stamps can be; the others are counted and left out.
        """
        self._count += len(log_ns)
        self._first_ns = int(log_ns.min()) if self._first_ns is None else self._first_ns
        self._last_ns = max(self._last_ns, int(log_ns.max()))
        if stamps_ns is None:
            self._step(log_ns, log_ns)
            return
        unset = stamps_ns == 0
        good = ~unset if fit is None else fit & ~unset
        self.unstamped += int(unset.sum())
        self.bad_stamps += len(stamps_ns) - int((good | unset).sum())
        if good.any():
            self._ages.add(log_ns[good] - stamps_ns[good])
            self._step(log_ns[good], stamps_ns[good])

    def _step(self, log_ns: Integers, stamps_ns: Integers) -> None:
        if self._previous is not None:
            log_ns = np.concatenate([[self._previous[0]], log_ns])
            stamps_ns = np.concatenate([[self._previous[1]], stamps_ns])
        self._previous = int(log_ns[-1]), int(stamps_ns[-1])
        steps = np.diff(stamps_ns)
        self.duplicates += int((steps == 0).sum())
        self.backwards += int((steps < 0).sum())
        forward = steps > 0
        self._intervals.add(steps[forward])
        self._longest.add(log_ns[:-1][forward], steps[forward])

    def gaps(self, max_age_s: float | None = None) -> tuple[tuple[int, int], ...]:
        """`(log time at which it begins, length)` [ns] of the longest gaps, 256 at most."""
        return self._longest.above(self._gap_limit_ns(max_age_s))

    def _gap_limit_ns(self, max_age_s: float | None) -> float:
        median = self._intervals.quantile(0.5)
        limits = [] if median is None else [GAP_FACTOR * median]
        limits += [] if max_age_s is None else [max_age_s * NS]
        return min(limits, default=float(2**62))

    def summary(self, max_age_s: float | None = None) -> TimingSummary:
        """What is known so far; `max_age_s` is the contract's."""
        median = self._intervals.quantile(0.5)
        count, total = (0, 0.0) if median is None else self._intervals.beyond(GAP_FACTOR * median)
        longest = self._longest.above(0)[:1]
        return TimingSummary(
            rate_hz=self._rate_hz(),
            interval_ms=_ms(median),
            jitter_std_ms=None if median is None else self._intervals.deviation / 1e6,
            interval_p99_ms=_ms(self._intervals.quantile(0.99)),
            gaps=count,
            missing=round(total / median - count) if median else 0,
            stale=0 if max_age_s is None else self._intervals.beyond(max_age_s * NS)[0],
            longest_gap_ms=_ms(longest[0][1]) if longest else None,
            longest_gap_at_ns=longest[0][0] if longest else None,
            age_p50_ms=_ms(self._ages.quantile(0.5)),
            age_p99_ms=_ms(self._ages.quantile(0.99)),
            age_max_ms=_ms(self._ages.high),
            duplicates=self.duplicates,
            backwards=self.backwards,
            bad_stamps=self.bad_stamps,
            unstamped=self.unstamped,
        )

    def _rate_hz(self) -> float | None:
        span_ns = self._last_ns - (self._first_ns or 0)
        return (self._count - 1) * NS / span_ns if self._count > 1 and span_ns > 0 else None


def header_stamps(payloads: Sequence[bytes]) -> tuple[Integers, Flags]:
    """Header stamps `(n,)` [ns] of little-endian CDR payloads, and which of them can be.

    A payload that is too short or of another encoding has a stamp that cannot be.
    """
    heads = b"".join(p[:12] if len(p) >= 12 else p.ljust(12, b"\xff") for p in payloads)
    rows = np.frombuffer(heads, np.uint8).reshape(-1, 12)
    seconds = np.ascontiguousarray(rows[:, 4:8]).view("<i4")[:, 0].astype(np.int64)
    nanos = np.ascontiguousarray(rows[:, 8:12]).view("<u4")[:, 0].astype(np.int64)
    little_endian = (rows[:, 0] == 0) & (rows[:, 1] == 1)
    return seconds * NS + nanos, (seconds >= 0) & (nanos < NS) & little_endian


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / 1e6
