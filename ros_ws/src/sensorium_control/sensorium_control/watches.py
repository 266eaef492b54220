"""Health of one sense that the gate depends on: is it there, often enough, and alive?

Ages count from the capture stamp, from the reception and on the monotonic clock, whichever is
oldest, so that neither a stuck sender, nor a stamp ahead of the clock, nor a clock that stands
still looks fresh.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

_NS = 1_000_000_000
_HALF_NS = 500_000_000
_LEAST_REPEATS = 5
_PAUSE_S = 0.1
"""A pause is a matter of age, not of rate."""


@dataclass
class Watch:
    """One sense with a deadline, and, where they are given, a rate and a limit of repeats."""

    name: str
    max_age_s: float
    max_future_s: float
    least_hz: float = 0.0
    """Slower than this counts as slow."""
    frozen_s: float = 0.0
    """The same values for longer than this count as frozen; 0: never."""

    def __post_init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Start anew, for a clock that was set back."""
        self._stamp_ns: int | None = None
        self._seen_ns: int | None = None
        self._offset_s: float | None = None
        self._heard, self._quiet_s = False, 0.0
        self._heard_steady_ns: int | None = None
        self._values: Sequence[float] | None = None
        self.changed_ns, self._repeats = 0, 0
        self._bins: list[int] = []
        self._count = 0
        self._bin_ns: int | None = None

    def observe(self, stamp_ns: int, now_ns: int, values: Sequence[float] | None = None) -> bool:
        """Note one message; False when its stamp does not advance or lies in the future.

        A sender that was silent may come back with earlier stamps, as a simulator does on reset.
        """
        ahead_s = (stamp_ns - now_ns) / _NS
        fresh = self.fresh(now_ns)
        backwards = fresh and self._stamp_ns is not None and stamp_ns <= self._stamp_ns
        if backwards or not ahead_s <= self.max_future_s:
            self._offset_s = ahead_s
            return False
        self._offset_s = None if -ahead_s <= self.max_age_s else ahead_s
        if not fresh:
            self._bins.clear()
            self._count, self._bin_ns = 0, None
        if values is None or values != self._values:
            self._values, self.changed_ns, self._repeats = values, stamp_ns, 0
        self._repeats += 1
        self._count += 1
        self._heard, self._quiet_s = True, 0.0
        self._stamp_ns = stamp_ns
        self._seen_ns = min(stamp_ns, now_ns)
        return True

    def tick(self, steady_ns: int) -> None:
        """Tell the monotonic time; call it at least every 10 ms."""
        if self._heard:
            self._heard, self._heard_steady_ns = False, steady_ns
        if self._heard_steady_ns is not None:
            self._quiet_s = (steady_ns - self._heard_steady_ns) / _NS
        if self._quiet_s > _PAUSE_S:
            self.restart_count()
        if self._bin_ns is None:
            self._bin_ns, self._count = steady_ns, 0
        elif steady_ns - self._bin_ns >= _HALF_NS:
            self._bins = [*self._bins, self._count * _NS // (steady_ns - self._bin_ns)][-2:]
            self._bin_ns, self._count = steady_ns, 0

    def restart_count(self) -> None:
        """Forget how many came: the one who counts was asleep."""
        self._bins.clear()
        self._bin_ns = None

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was last seen; infinity when never."""
        if self._seen_ns is None:
            return math.inf
        return max((now_ns - self._seen_ns) / _NS, self._quiet_s)

    def fresh(self, now_ns: int) -> bool:
        """Whether it was seen within its deadline."""
        return self.age_s(now_ns) <= self.max_age_s

    @property
    def rate_hz(self) -> float:
        """Messages per second over the last second; infinity before there was one."""
        return sum(self._bins) / 2 if len(self._bins) == 2 else math.inf

    @property
    def slow(self) -> bool:
        """Whether it delivers too seldom."""
        return self.rate_hz < self.least_hz

    @property
    def frozen(self) -> bool:
        """Whether it repeats the same values while its stamps advance."""
        if not self.frozen_s > 0 or self._stamp_ns is None or self._repeats < _LEAST_REPEATS:
            return False
        return (self._stamp_ns - self.changed_ns) / _NS > self.frozen_s

    def silence(self, now_ns: int) -> str:
        """How long it has been silent, and why that may be, in words."""
        age_s = self.age_s(now_ns)
        if self._offset_s is not None and abs(self._offset_s) > self.max_future_s:
            side = "ahead of" if self._offset_s > 0 else "behind"
            return f"{self.name} ({abs(self._offset_s):.2f} s {side} this clock)"
        words = "never received" if math.isinf(age_s) else f"{age_s:.2f} s"
        return f"{self.name} ({words}; at most {self.max_age_s:g} s)"
