"""What the faults of `faults` do to readings. Holds some back; ROS-free, use from one thread."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import FaultError

from sensorium_sim.faults import SENSORS, Fault, Reading

_ADDITIVE = {"wrench": 3, "joint_states": 6}
"""How many leading values bias and the like reach, where it is not all of them."""


@dataclass
class _Ailing:
    """A sensor's fault and what it remembers since it began."""

    fault: Fault
    since_ns: int | None = None
    """Stamp of the first reading."""
    count: int = 0
    frozen: NDArray[np.generic] | None = None
    kept_back: Reading | None = None


class FaultInjector:
    """Passes readings through the fault of their sensor."""

    def __init__(self, seed: int = 0) -> None:
        self._sensors = {name: _Ailing(Fault()) for name in SENSORS}
        self._late: deque[tuple[int, Reading]] = deque()
        self._rng = np.random.default_rng(seed)

    def set(self, sensor: str, fault: Fault) -> None:
        """Give a sensor a fault, or heal it; what is on its way late still arrives."""
        if sensor not in self._sensors:
            raise FaultError(sensor, str(fault), f"a sensor of {', '.join(SENSORS)}")
        self._sensors[sensor] = _Ailing(fault)

    @property
    def active(self) -> dict[str, str]:
        """Sensors that are not healthy, and what ails them."""
        found = {name: sensor.fault for name, sensor in self._sensors.items()}
        return {name: str(fault) for name, fault in found.items() if fault.kind != "none"}

    def silent(self, sensor: str) -> bool:
        """Whether reading this sensor would be wasted work."""
        return self._sensors[sensor].fault.kind == "silence"

    def apply(self, reading: Reading) -> tuple[Reading, ...]:
        """What the sensor publishes instead, in order; empty when nothing, or not yet."""
        sensor = self._sensors[reading.sensor]
        fault = sensor.fault
        if fault.kind == "none":
            return (reading,)
        if sensor.since_ns is None:
            sensor.since_ns = reading.stamp_ns
        sensor.count += 1
        if fault.kind == "delay":
            self._late.append((reading.stamp_ns + round(fault.amount * 1e9), reading))
            return ()
        if fault.kind in ("silence", "rate", "loss"):
            return (reading,) if self._arrives(sensor) else ()
        if fault.kind == "duplicate":
            return (reading, reading)
        if fault.kind == "reorder":
            return _swapped(sensor, reading)
        if fault.kind == "stamp":
            return (replace(reading, stamp_ns=reading.stamp_ns + round(fault.amount * 1e9)),)
        return (replace(reading, value=self._spoil(sensor, reading)),)

    def pop_late(self, now_ns: int) -> list[Reading]:
        """Delayed readings whose time has come, in the order of their release."""
        due = sorted((item for item in self._late if item[0] <= now_ns), key=lambda item: item[0])
        if due:
            self._late = deque(item for item in self._late if item[0] > now_ns)
        return [reading for _, reading in due]

    def forget(self) -> None:
        """Drop what is on its way, and let every fault begin anew, for a new episode."""
        self._late.clear()
        self._sensors = {name: _Ailing(s.fault) for name, s in self._sensors.items()}

    def _arrives(self, sensor: _Ailing) -> bool:
        """Whether the reading just counted gets through a fault that swallows some."""
        share = sensor.fault.amount
        if sensor.fault.kind == "rate":
            return int(sensor.count * share + 1e-9) > int((sensor.count - 1) * share + 1e-9)
        return sensor.fault.kind == "loss" and bool(self._rng.random() >= share)

    def _spoil(self, sensor: _Ailing, reading: Reading) -> NDArray[np.generic]:
        value, kind, amount = reading.value, sensor.fault.kind, sensor.fault.amount
        if kind == "blackout":
            return np.zeros_like(value)
        if kind == "freeze":
            if sensor.frozen is None:
                sensor.frozen = value.copy()
            return sensor.frozen
        changed = value.astype(np.float64)
        touched = changed[: _ADDITIVE.get(reading.sensor)]
        if kind == "saturate":
            touched[...] = amount
        elif kind == "noise":
            touched += self._rng.normal(0.0, amount, touched.shape)
        elif kind == "ramp":
            touched += amount * (reading.stamp_ns - (sensor.since_ns or 0)) * 1e-9
        elif kind == "bias" or sensor.count == 1:
            touched += amount
        return _like(changed, value)


def _swapped(sensor: _Ailing, reading: Reading) -> tuple[Reading, ...]:
    """Nothing for the first of two, both in the wrong order for the second."""
    earlier, sensor.kept_back = sensor.kept_back, None
    if earlier is None:
        sensor.kept_back = reading
        return ()
    return (reading, earlier)


def _like(total: NDArray[np.float64], value: NDArray[np.generic]) -> NDArray[np.generic]:
    """`total` in the type of `value`; integers are rounded and saturate."""
    if value.dtype.kind == "u":
        top = np.iinfo(value.dtype).max  # type: ignore[type-var]
        total = np.clip(np.rint(total), 0, top)
    return total.astype(value.dtype)
