"""Faults that a sensor may suffer while the cell runs: what they are called and what they do.

A fault is text, `kind` or `kind:amount`, so that `ros2 param set /sim fault.wrench bias:5` and a
launch file can give it. Holds readings back for delays; use from one thread.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import FaultError

SENSORS = (
    "scene_rgb", "scene_depth", "wrist_rgb", "wrist_depth",
    "wrench", "touch_left", "touch_right", "joint_states",
)  # fmt: skip

KINDS = {
    "none": "healthy",
    "silence": "nothing is published",
    "freeze": "the last value again and again, with fresh stamps",
    "delay": "published late by this many seconds, with the stamp of its capture",
    "bias": "this much is added: intensity, mm, N on each force axis, rad on each arm joint",
    "blackout": "zeros",
    "noise": "normal noise of this standard deviation is added, in the unit of bias",
}
_WITH_AMOUNT = ("delay", "bias", "noise")
_MAX_DELAY_S = 2.0
_ADDITIVE = {"wrench": 3, "joint_states": 6}
"""How many leading values bias and noise reach, where it is not all of them."""


@dataclass(frozen=True)
class Reading:
    """One message of a sensor before it is one: capture stamp and values."""

    sensor: str
    stamp_ns: int
    value: NDArray[np.generic]


@dataclass(frozen=True)
class Fault:
    """What ails a sensor."""

    kind: str = "none"
    amount: float = 0.0

    @classmethod
    def parse(cls, sensor: str, text: str) -> Fault:
        """Read `kind` or `kind:amount`; raises `FaultError` naming what is allowed."""
        kind, colon, amount = text.strip().partition(":")
        if kind not in KINDS:
            raise FaultError(sensor, text, f"one of {', '.join(KINDS)}")
        if kind not in _WITH_AMOUNT:
            if colon:
                raise FaultError(sensor, text, f"{kind} without an amount")
            return cls(kind)
        try:
            value = float(amount)
        except ValueError:
            raise FaultError(
                sensor, text, f"a number after the colon, such as {kind}:0.2"
            ) from None
        limit = _MAX_DELAY_S if kind == "delay" else math.inf
        lowest = -math.inf if kind == "bias" else 0.0
        if not (math.isfinite(value) and lowest <= value <= limit):
            bounds = "a finite number" if kind == "bias" else f"a number from 0 to {limit:g}"
            raise FaultError(sensor, text, f"{bounds} after {kind}:")
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount:g}" if self.kind in _WITH_AMOUNT else self.kind


class FaultInjector:
    """Passes readings through the fault of their sensor."""

    def __init__(self, seed: int = 0) -> None:
        self._faults = dict.fromkeys(SENSORS, Fault())
        self._frozen: dict[str, NDArray[np.generic]] = {}
        self._late: deque[tuple[int, Reading]] = deque()
        self._rng = np.random.default_rng(seed)

    def set(self, sensor: str, fault: Fault) -> None:
        """Give a sensor a fault, or heal it; what is on its way late still arrives."""
        if sensor not in self._faults:
            raise FaultError(sensor, str(fault), f"a sensor of {', '.join(SENSORS)}")
        self._faults[sensor] = fault
        self._frozen.pop(sensor, None)

    @property
    def active(self) -> dict[str, str]:
        """Sensors that are not healthy, and what ails them."""
        return {name: str(f) for name, f in self._faults.items() if f.kind != "none"}

    def silent(self, sensor: str) -> bool:
        """Whether reading this sensor would be wasted work."""
        return self._faults[sensor].kind == "silence"

    def apply(self, reading: Reading) -> Reading | None:
        """What the sensor publishes instead; None when nothing, or not yet."""
        fault = self._faults[reading.sensor]
        if fault.kind == "none":
            return reading
        if fault.kind == "silence":
            return None
        if fault.kind == "delay":
            self._late.append((reading.stamp_ns + round(fault.amount * 1e9), reading))
            return None
        return replace(reading, value=self._spoil(fault, reading))

    def pop_late(self, now_ns: int) -> list[Reading]:
        """Delayed readings whose time has come, in the order of their release."""
        due = sorted((item for item in self._late if item[0] <= now_ns), key=lambda item: item[0])
        if due:
            self._late = deque(item for item in self._late if item[0] > now_ns)
        return [reading for _, reading in due]

    def forget(self) -> None:
        """Drop what is on its way and what was frozen, for a new episode."""
        self._late.clear()
        self._frozen.clear()

    def _spoil(self, fault: Fault, reading: Reading) -> NDArray[np.generic]:
        value = reading.value
        if fault.kind == "blackout":
            return np.zeros_like(value)
        if fault.kind == "freeze":
            return self._frozen.setdefault(reading.sensor, value.copy())
        width = _ADDITIVE.get(reading.sensor)
        added = np.zeros(value.shape)
        touched = added if width is None else added[:width]
        touched += (
            fault.amount
            if fault.kind == "bias"
            else self._rng.normal(0.0, fault.amount, touched.shape)
        )
        return _add(value, added)


def _add(value: NDArray[np.generic], added: NDArray[np.float64]) -> NDArray[np.generic]:
    """The sum in the type of `value`; integers are rounded and saturate."""
    total = value.astype(np.float64) + added
    if value.dtype.kind == "u":
        top = np.iinfo(value.dtype).max  # type: ignore[type-var]
        total = np.clip(np.rint(total), 0, top)
    return total.astype(value.dtype)
