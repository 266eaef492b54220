"""Notices senses that are alive but say nothing: frozen, black, white, without any reading.

Looks at values and capture stamps only, so that it judges alike on a robot, in a simulation and
of a bag. Serves one thread.
"""

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import GateConfigError
from sensorium_core.observation import Aligner
from sensorium_core.stream import Push

_BLACK, _WHITE = 8, 247
"""No pixel above the one, or below the other, of 255."""
_FORCE_TORQUE_WIDTH = 6


@dataclass(frozen=True)
class ContentConfig:
    """What counts as frozen."""

    frozen_pictures: int = 3
    """Equal pictures in a row that count as a frozen camera; 0 for a camera without any noise."""
    frozen_force_s: float = 0.2
    """The same for a force/torque sensor, whose every reading is exactly the same; 0: never."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise GateConfigError(field.name, value, "a finite number, not negative", "fusion")
        if self.frozen_pictures == 1:
            raise GateConfigError("frozen_pictures", 1, "0 (never) or at least 2", "fusion")


@dataclass
class _Repeat:
    """One value and how often it came in a row."""

    data: bytes = b""
    first_ns: int = 0
    count: int = 0

    def see(self, stamp_ns: int, data: bytes) -> None:
        if data == self.data:
            self.count += 1
        else:
            self.data, self.first_ns, self.count = data, stamp_ns, 1


class ContentWatch:
    """Takes in every message that a stream accepts; `faults` are words by modality."""

    def __init__(self, contract: Contract, config: ContentConfig) -> None:
        self._config = config
        self._watched = {m.name: m for m in contract.modalities if _is_watched(m)}
        self.faults: dict[str, str] = {}
        self.clear()

    def clear(self) -> None:
        """Forget everything, for a new episode."""
        self._repeats = {name: _Repeat() for name in self._watched}
        self.faults.clear()

    def push(self, aligner: Aligner, name: str, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Push one message as `Aligner.push` does, and judge what the aligner took."""
        outcome = aligner.push(name, stamp_ns, value)
        newest = aligner.newest(name)
        if newest is not None and outcome in (Push.ACCEPTED, Push.CLOCK_RESET):
            self.see(name, *newest)
        return outcome

    def see(self, name: str, stamp_ns: int, value: NDArray[np.generic]) -> None:
        """Judge one message; the fault of its modality appears or goes."""
        modality = self._watched.get(name)
        if modality is None:
            return
        repeat = self._repeats[name]
        repeat.see(stamp_ns, value.tobytes())
        words = self._judge(modality, repeat, stamp_ns, value)
        if words:
            self.faults[name] = f"{modality.sense} ({modality.topic}) {words}"
        else:
            self.faults.pop(name, None)

    def _judge(
        self, modality: Modality, repeat: _Repeat, stamp_ns: int, value: NDArray[np.generic]
    ) -> str:
        if modality.kind == "vector":
            return self._judge_force(repeat, stamp_ns, value)
        most = self._config.frozen_pictures
        if most and repeat.count >= most:
            return "repeats one picture with new stamps"
        if modality.kind == "depth":
            return "" if value.any() else "gives no depth at all"
        if value.max() <= _BLACK:
            return "is black"
        return "is white" if value.min() >= _WHITE else ""

    def _judge_force(self, repeat: _Repeat, stamp_ns: int, value: NDArray[np.generic]) -> str:
        """All zeros may be a tared sensor at rest that rounds; anything else is never constant."""
        limit_ns = self._config.frozen_force_s * 1e9
        frozen = repeat.count > 1 and stamp_ns - repeat.first_ns >= limit_ns and value.any()
        return "repeats one reading with new stamps" if limit_ns and frozen else ""


def _is_watched(modality: Modality) -> bool:
    """Joints at rest and pads that touch nothing repeat themselves rightly."""
    force = modality.kind == "vector" and modality.shape[-1] == _FORCE_TORQUE_WIDTH
    return force or modality.kind in ("image", "depth")
