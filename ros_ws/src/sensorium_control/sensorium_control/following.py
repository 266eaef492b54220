"""Does the arm do what it was told? Measured joints against what was commanded lately."""

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import ARM_JOINTS

from sensorium_control.limits import GateConfig
from sensorium_control.profile import N_ARM
from sensorium_control.reasons import Reason, Refusal

Array = NDArray[np.float64]
_NS = 1_000_000_000
LAG_NS = 200_000_000
"""So long may a servo lag."""
_LOOK_NS = 20_000_000
_FROZEN_MOVE_RAD = 0.02


class FollowingWatch:
    """Compares every 20 ms. A servo may lag by up to 0.2 s: that is not an error."""

    def __init__(self, config: GateConfig) -> None:
        self._config = config
        self.forget()

    def forget(self) -> None:
        """Start anew, for a new motion from rest."""
        self._looked_ns = 0
        self._lately: deque[tuple[int, Array]] = deque()
        self._away_since_ns: int | None = None

    def look(
        self, measured: Array, setpoint: Callable[[int], Array], now_ns: int
    ) -> Refusal | None:
        """Why the arm does not follow; None while it does, or when not yet due to look.

        Args:
            measured: joints `(7,)` as last measured.
            setpoint: commanded joints `(7,)` at a time [ns].
        """
        if 0 <= now_ns - self._looked_ns < _LOOK_NS:
            return None
        self._looked_ns = now_ns
        self._lately.append((now_ns, setpoint(now_ns)[:N_ARM]))
        while self._lately[0][0] < now_ns - LAG_NS:
            self._lately.popleft()
        lately = np.array([row for _, row in self._lately])
        arm = measured[:N_ARM]
        away = away_rad(lately, arm)
        worst = int(np.argmax(away))
        if away[worst] <= self._config.tracking_rad:
            self._away_since_ns = None
            return None
        if self._away_since_ns is None:
            self._away_since_ns = now_ns
        if (now_ns - self._away_since_ns) / _NS < self._config.tracking_s:
            return None
        return Refusal(
            Reason.TRACKING_ERROR,
            f"{ARM_JOINTS[worst]} is {away[worst]:.3f} rad from what was commanded; at most "
            f"{self._config.tracking_rad:g} rad",
        )


def away_rad(way: Array, arm: Array) -> Array:
    """How far each joint of `arm` `(n,)` is outside the range that `way` `(m, n)` spans."""
    return np.asarray(np.maximum(way.min(axis=0) - arm, arm - way.max(axis=0)))


def frozen_joints(
    changed_ns: int, setpoint: Callable[[int], Array], now_ns: int
) -> Refusal | None:
    """Whether joints that have repeated themselves since `changed_ns` should have moved."""
    # What was commanded in the last 50 ms need not show yet.
    moved = np.abs(setpoint(now_ns - 50_000_000) - setpoint(changed_ns))[:N_ARM].max()
    if not moved > _FROZEN_MOVE_RAD:
        return None
    since_s = (now_ns - changed_ns) / _NS
    words = f"joint_states repeat themselves for {since_s:.2f} s"
    return Refusal(Reason.JOINTS_FROZEN, f"{words}; commanded to move {moved:.3f} rad")
