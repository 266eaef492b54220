"""The clock that stamps messages, held against the monotonic clock of this host."""

from sensorium_control.reasons import Reason, Refusal

_NS = 1_000_000_000
_LATE_S, _SLEPT_S = 0.015, 0.05


class ClockWatch:
    """Sees ROS time step to and fro, and its own caller wake up late."""

    def __init__(self, step_s: float, back_s: float) -> None:
        self._step_s, self._back_s = step_s, back_s
        self._now_ns: int | None = None
        self._steady_ns: int | None = None
        self._excused = False
        self.late = False
        """Whether this tick came late, so that messages may be waiting to be heard."""
        self.slept = False
        """Whether it came so late that messages may be lost."""
        self.step_ns = 0
        """How much more ROS time passed before this tick than monotonic time."""

    def start(self, now_ns: int) -> None:
        """Take a first look, if no tick did: thereafter both clocks are looked at together."""
        if self._now_ns is None:
            self._now_ns = now_ns

    def tick(self, now_ns: int, steady_ns: int | None) -> Refusal | None:
        """Look at both clocks; why ROS time cannot be trusted, or None.

        `steady_ns` is None where there is only one clock, as in a simulation without ROS.
        """
        step_s = 0.0 if self._now_ns is None else (now_ns - self._now_ns) / _NS
        known = steady_ns is not None and self._steady_ns is not None
        passed_s = (steady_ns - self._steady_ns) / _NS if known else None  # type: ignore[operator]
        self.step_ns = round((step_s - (passed_s or 0.0)) * _NS)
        if step_s >= 0.0 or step_s < -self._back_s:
            self._now_ns = now_ns
        if steady_ns is not None:
            self._steady_ns = steady_ns
        late = passed_s is not None and passed_s > _LATE_S
        self._excused = self.late = late and not self._excused
        self.slept = passed_s is not None and passed_s > _SLEPT_S
        if step_s < -self._back_s:
            return Refusal(Reason.CLOCK_BACKWARD, f"the clock went back by {-step_s:.3f} s")
        if passed_s is not None and abs(step_s - passed_s) > self._step_s:
            detail = f"the clock went {step_s:.3f} s ahead in {passed_s:.3f} s"
            return Refusal(Reason.CLOCK_DISAGREES, detail)
        return None
