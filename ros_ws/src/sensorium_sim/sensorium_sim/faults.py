"""Faults that a sensor may suffer while the cell runs: what they are called and how they are read.

A fault is text, `kind` or `kind:amount`, so that `ros2 param set /sim fault.wrench bias:5` and a
launch file can give it. What each does to readings is in `fault_injector`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

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
    "rate": "this share of the readings is published, evenly",
    "loss": "this share of the readings is lost, at random",
    "freeze": "the last value again and again, with fresh stamps",
    "delay": "published late by this many seconds, with the stamp of its capture",
    "reorder": "each second reading is published before the one it follows",
    "duplicate": "every reading is published twice",
    "stamp": "this many seconds are added to the stamps",
    "bias": "this much is added: intensity, mm, N on each force axis, rad on each arm joint",
    "spike": "this much is added to one reading only, in the unit of bias",
    "ramp": "what is added grows by this much each second, in the unit of bias",
    "saturate": "reads this much instead, in the unit of bias: the end of a sensor's range",
    "blackout": "zeros",
    "noise": "normal noise of this standard deviation is added, in the unit of bias",
}
_ANY = (-math.inf, math.inf)
_SHARE = (0.0, 1.0)
_RANGES = {
    "rate": _SHARE,
    "loss": _SHARE,
    "delay": (0.0, 2.0),
    "stamp": (-1e6, 1e6),
    "bias": _ANY,
    "spike": _ANY,
    "ramp": _ANY,
    "saturate": _ANY,
    "noise": (0.0, math.inf),
}
"""Kinds that want an amount, and the least and the largest one."""


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
        if kind not in _RANGES:
            if colon:
                raise FaultError(sensor, text, f"{kind} without an amount")
            return cls(kind)
        try:
            value = float(amount)
        except ValueError:
            raise FaultError(
                sensor, text, f"a number after the colon, such as {kind}:0.2"
            ) from None
        lowest, highest = _RANGES[kind]
        if not (math.isfinite(value) and lowest <= value <= highest):
            allowed = f"a number from {lowest:g} to {highest:g}"
            bounds = "a finite number" if lowest == -math.inf else allowed
            raise FaultError(sensor, text, f"{bounds} after {kind}:")
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount:g}" if self.kind in _RANGES else self.kind
