"""What play time it is: a rate that can change, a pause, and play time that waits for nobody.

One thread.
"""


class Pace:
    """Play time against a clock [ns]; both are counted from the last change."""

    def __init__(self, rate: float, paused: bool) -> None:
        self.rate = rate
        self.paused = paused
        self._clock_ns = self._play_ns = 0

    def begin(self, now_ns: int) -> None:
        """Let play time zero be now."""
        self._clock_ns, self._play_ns = now_ns, 0

    def play_ns(self, now_ns: int) -> int:
        """Play time at a moment."""
        if self.paused:
            return self._play_ns
        return self._play_ns + int((now_ns - self._clock_ns) * self.rate)

    def due_ns(self, play_ns: int) -> int:
        """When a play time is due, if nothing changes."""
        return self._clock_ns + int((play_ns - self._play_ns) / self.rate)

    def change(
        self, now_ns: int, limit_ns: int, rate: float | None = None, paused: bool | None = None
    ) -> None:
        """Go on otherwise from now; lateness beyond the play time `limit_ns` is forgiven."""
        self._play_ns = min(self.play_ns(now_ns), limit_ns)
        self._clock_ns = now_ns
        self.rate = self.rate if rate is None else rate
        self.paused = self.paused if paused is None else paused

    def skip_to(self, play_ns: int) -> None:
        """Move on while paused."""
        self._play_ns = play_ns
