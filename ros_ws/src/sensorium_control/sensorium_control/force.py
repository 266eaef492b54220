"""How hard the tool is pressed: what stays, what strikes, and what the sensor cannot tell.

Fingers that close on a ball ring for ten milliseconds at 100 N and harm nobody; what counts is
what stays. A first-order low-pass of the wrench keeps its direction, so that ringing cancels out:
90 episodes with a disturbed expert stay below 42 N, while 200 N that last are seen in 6 ms.
"""

import math

from sensorium_control.limits import GateConfig
from sensorium_control.reasons import Reason, Refusal

_NS = 1_000_000_000
_SHORTEST_S, _LONGEST_S = 1e-3, 0.1
_SATURATED_NS = 20_000_000
_AT_RANGE = 0.99


class ForceFilter:
    """Low-pass of force and torque with a time constant; 0 passes every sample as it is."""

    def __init__(self, time_constant_s: float) -> None:
        self._time_constant_s = time_constant_s
        self._state = [0.0] * 6
        self._stamp_ns: int | None = None

    def push(self, stamp_ns: int, wrench: list[float]) -> tuple[float, float]:
        """Filtered force [N] and torque [Nm] after one more wrench of six finite numbers.

        Stamps that stand still or run back count as 1 ms, so that they cannot freeze the filter.
        """
        step_s = 0.0 if self._stamp_ns is None else (stamp_ns - self._stamp_ns) / _NS
        self._stamp_ns = stamp_ns
        share = 1.0
        if self._time_constant_s > 0.0:
            step_s = min(max(step_s, _SHORTEST_S), _LONGEST_S)
            share = 1.0 - math.exp(-step_s / self._time_constant_s)
        self._state = [s + share * (w - s) for s, w in zip(self._state, wrench, strict=True)]
        return math.hypot(*self._state[:3]), math.hypot(*self._state[3:])


class ForceWatch:
    """Why the force on the tool must stop the arm: a strike, a saturated sensor, what stays."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Start anew: what a sensor said before must not count after a stop was cleared."""
        self._filter = ForceFilter(self._config.force_filter_s)
        self._at_range_since_ns: int | None = None
        self.force_n = 0.0

    force_n: float
    """Filtered force."""

    def feel(self, stamp_ns: int, wrench: list[float]) -> Refusal | None:
        """Take in a wrench of six finite numbers [N, Nm]; why to stop, or None."""
        config = self._config
        raw_n = math.hypot(*wrench[:3])
        if not raw_n <= config.force_peak_n:
            detail = f"one sample of {raw_n:.4g} N; at most {config.force_peak_n:g} N"
            return Refusal(Reason.FORCE_SPIKE, detail)
        self.force_n, torque_nm = self._filter.push(stamp_ns, wrench)
        if not self.force_n <= config.force_limit_n:
            detail = f"{self.force_n:.1f} N; at most {config.force_limit_n:g} N"
            return Refusal(Reason.FORCE_LIMIT, detail)
        if not torque_nm <= config.torque_limit_nm:
            detail = f"{torque_nm:.4g} Nm; at most {config.torque_limit_nm:g} Nm"
            return Refusal(Reason.TORQUE_LIMIT, detail)
        return self._saturation(stamp_ns, max(map(abs, wrench[:3])))

    def _saturation(self, stamp_ns: int, largest_n: float) -> Refusal | None:
        if largest_n < _AT_RANGE * self._config.wrench_range_n:
            self._at_range_since_ns = None
            return None
        if self._at_range_since_ns is None:
            self._at_range_since_ns = stamp_ns
        if 0 <= stamp_ns - self._at_range_since_ns < _SATURATED_NS:
            return None
        detail = f"an axis stays at the range of the sensor, {self._config.wrench_range_n:g} N"
        return Refusal(Reason.SENSE_SATURATED, detail)
