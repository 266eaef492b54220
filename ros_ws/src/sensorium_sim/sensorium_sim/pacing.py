"""Keeps a simulation at the pace of the wall clock and says which time each step stands for."""

from __future__ import annotations

import time
from collections.abc import Callable

_NS = 1_000_000_000


class Pacer:
    """Counts the steps that are due, and stamps them.

    Stamps increase by one step from one to the next. A simulation that falls further behind than
    `max_lag_s` gives the lag up: its stamps jump ahead to the present, once, and the real-time
    factor tells.
    """

    def __init__(
        self,
        step_ns: int,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
        max_lag_s: float = 0.08,
    ) -> None:
        self._step_ns, self._clock, self._wall = step_ns, clock, wall
        self._max_lag_ns = round(max_lag_s * _NS)
        self.steps = 0
        """Steps taken so far."""
        self.lost_ns = 0
        """Time given up so far."""
        self._anchor()
        self._window = (self._clock(), 0)

    def _anchor(self) -> None:
        """The step taken last happens now."""
        taken_ns = self.steps * self._step_ns
        self._start_ns = self._clock() - taken_ns
        self._wall_start_ns = self._wall() - taken_ns

    def restart(self) -> None:
        """Let no step be due for the time that just passed, as after a reset."""
        self._anchor()

    def due(self, at_most: int) -> int:
        """How many steps to take now."""
        lag_ns = self._clock() - self._start_ns - self.steps * self._step_ns
        if lag_ns > self._max_lag_ns:
            self.lost_ns += lag_ns
            self._anchor()
            return 0
        return min(lag_ns // self._step_ns, at_most)

    def wait_ns(self, step: int) -> int:
        """Time until a step is due; negative when it is overdue."""
        return self._start_ns + step * self._step_ns - self._clock()

    def take(self, n: int) -> None:
        """Note that `n` steps were taken."""
        self.steps += n

    def stamp_ns(self, steps_ahead: int = 0) -> int:
        """Wall time of the last step, or of one after it."""
        return self._wall_start_ns + (self.steps + steps_ahead) * self._step_ns

    def real_time_factor(self) -> float:
        """Simulated over wall time since the last call."""
        now, (then, steps) = self._clock(), self._window
        self._window = (now, self.steps)
        return (self.steps - steps) * self._step_ns / max(now - then, 1)
