"""How far from its due time each message was published. Fixed memory; cheap to add to."""

from array import array

_BIN_NS = 10_000
_N_BINS = 10_000
"""Bins of 10 µs up to 100 ms; what is beyond counts as the largest seen."""


class TimingErrors:
    """A histogram of publish time less due time [ns]. One thread adds, others may look."""

    def __init__(self) -> None:
        self.count = 0
        self.largest_ns = 0
        self._bins = array("q", bytes(8 * (_N_BINS + 1)))

    def add(self, error_ns: int) -> None:
        """Count one message."""
        self.count += 1
        self._bins[min(abs(error_ns) // _BIN_NS, _N_BINS)] += 1
        if error_ns > self.largest_ns:
            self.largest_ns = error_ns

    def quantile_ns(self, share: float) -> int:
        """The error that `share` of the messages keep within, to 10 µs; 0 when there are none."""
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self._bins[:_N_BINS]):
            seen += count
            if count and seen >= wanted:
                return min((index + 1) * _BIN_NS, self.largest_ns)
        return self.largest_ns
