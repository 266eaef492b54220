"""Freshness of what the gate depends on: when it was last seen, and since when it is back.

Ages count from the capture stamp or from the reception, whichever is older, so that neither a
stuck sender nor a stamp ahead of the clock looks fresh.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

_NS = 1_000_000_000


@dataclass
class Watch:
    """One thing with a deadline."""

    name: str
    max_age_s: float
    max_future_s: float
    _stamp_ns: int | None = None
    _seen_ns: int | None = None
    _fresh_since_ns: int | None = None

    def observe(self, stamp_ns: int, now_ns: int) -> bool:
        """Note one message; False when its stamp does not advance or lies in the future.

        A sender that was silent may come back with earlier stamps, as a simulator does on reset.
        """
        ahead_s = (stamp_ns - now_ns) / _NS
        fresh = self.fresh(now_ns)
        backwards = fresh and self._stamp_ns is not None and stamp_ns <= self._stamp_ns
        if backwards or not ahead_s <= self.max_future_s:
            return False
        if not fresh:
            self._fresh_since_ns = now_ns
        self._stamp_ns = stamp_ns
        self._seen_ns = min(stamp_ns, now_ns)
        return True

    def age_s(self, now_ns: int) -> float:
        """Seconds since it was last seen; infinity when never."""
        return math.inf if self._seen_ns is None else (now_ns - self._seen_ns) / _NS

    def fresh(self, now_ns: int) -> bool:
        """Whether it was seen within its deadline."""
        return self.age_s(now_ns) <= self.max_age_s

    def fresh_for_s(self, now_ns: int) -> float:
        """How long it has been fresh without a break; 0 when it is not."""
        if self._fresh_since_ns is None or not self.fresh(now_ns):
            return 0.0
        return (now_ns - self._fresh_since_ns) / _NS

    def forget(self) -> None:
        """Start anew, for a clock that was set back."""
        self._stamp_ns = self._seen_ns = self._fresh_since_ns = None


class SenseWatches:
    """The senses without which the arm holds still."""

    def __init__(self, max_age_s: Mapping[str, float], max_future_s: float) -> None:
        self._watches = {n: Watch(n, age, max_future_s) for n, age in max_age_s.items()}

    def observe(self, name: str, stamp_ns: int, now_ns: int) -> bool:
        """Note one message; False when its stamp is useless. Other names are ignored."""
        watch = self._watches.get(name)
        return watch is None or watch.observe(stamp_ns, now_ns)

    def silence(self, now_ns: int) -> str:
        """Which senses are silent and for how long, in words; empty when none is."""
        silent = [w for w in self._watches.values() if not w.fresh(now_ns)]
        return ", ".join(f"{w.name} ({w.age_s(now_ns):.2f} s)" for w in silent)

    def fresh_for_s(self, now_ns: int) -> float:
        """How long all of them have been back."""
        return min((w.fresh_for_s(now_ns) for w in self._watches.values()), default=math.inf)

    def ages_s(self, now_ns: int) -> tuple[tuple[str, float], ...]:
        """Name and age of each."""
        return tuple((w.name, w.age_s(now_ns)) for w in self._watches.values())

    def forget(self) -> None:
        """Start anew, for a clock that was set back."""
        for watch in self._watches.values():
            watch.forget()
