"""How hard the tool is pressed, by the median of the last three readings.

A lone spike, of a sensor or of a click between stiff bodies, passes; what lasts for two samples
(4 ms at 500 Hz) counts.
"""

import math
from collections import deque

_SAMPLES = 3


class LoadMedian:
    """Median force and torque of the newest wrenches."""

    def __init__(self) -> None:
        self._forces_n: deque[float] = deque(maxlen=_SAMPLES)
        self._torques_nm: deque[float] = deque(maxlen=_SAMPLES)

    def push(self, wrench: list[float]) -> tuple[float, float]:
        """Force [N] and torque [Nm] after one more wrench of six finite numbers."""
        self._forces_n.append(math.hypot(*wrench[:3]))
        self._torques_nm.append(math.hypot(*wrench[3:]))
        return _median(self._forces_n), _median(self._torques_nm)


def _median(values: deque[float]) -> float:
    """The middle value; of two the larger one."""
    return sorted(values)[len(values) // 2]
