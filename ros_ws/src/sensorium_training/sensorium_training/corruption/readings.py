"""Spoils a sense's messages before they reach the streams: corruption in the live closed loop.

The amounts are those of `Worst`, as in training, but what follows from them is left to the same
aligner and content watch as on a robot: they find out what is stale, frozen, black or dead, or do
not. The gate has its own ears and hears the healthy sensor.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import LoaderError, UnknownNameError
from sensorium_core.geometry import Camera

from sensorium_training.corruption import effects
from sensorium_training.corruption.amounts import KINDS, Worst

Value = NDArray[np.generic]
Message = tuple[int, Value]
"""Capture stamp and value."""
_OUTAGE_NS = 100_000_000
"""A dropped sense is lost for stretches of this length, the period of the policy's frames."""
_APART = 1_000_003
"""Between the seeds of the biases of one sense's modalities: each pad has its own."""
_WHITE = 255.0
_PAIRING_NS = 5_000_000


@dataclass(frozen=True)
class Corruption:
    """One sense, what ails it, and how much: from 0, healthy, to 1, dead."""

    sense: str
    kind: str
    level: float

    def require_fit(self, contract: Contract) -> None:
        """Raise when the contract has no such sense, or there is no such kind or level."""
        if self.sense not in contract.senses:
            raise UnknownNameError("sense to corrupt", self.sense, contract.senses)
        if self.kind not in KINDS:
            raise UnknownNameError("kind of corruption", self.kind, KINDS)
        if not 0.0 <= self.level <= 1.0:
            raise LoaderError(f"corruption level {self.level}", "0 to 1")

    def __str__(self) -> str:
        return f"{self.sense}:{self.kind}:{self.level:g}"


class SpoiltReadings:
    """Of one episode at a time; the same seed and messages give the same spoilt messages."""

    def __init__(
        self, contract: Contract, corruption: Corruption, worst: Worst | None = None
    ) -> None:
        corruption.require_fit(contract)
        self._what, self._worst = corruption, worst or Worst()
        self._ailing = {m.name: m for m in contract.modalities if m.sense == corruption.sense}
        self._pictures = {
            m.name: m.name.replace("_depth", "_rgb")
            for m in contract.modalities
            if m.kind == "depth"
        }
        self.begin(0)

    def begin(self, seed: int) -> None:
        """A new episode."""
        self._seed = seed
        self._noise = torch.Generator().manual_seed(seed)
        self._late: dict[str, deque[Message]] = {name: deque() for name in self._ailing}
        self._stuck: dict[str, Message] = {}
        self._seen: dict[str, Message] = {}
        self._outage: tuple[int, bool] = (-1, False)

    def camera(self, camera: Camera | None) -> Camera | None:
        """Where the depth camera seems to be: a biased cloud is that of a knocked camera."""
        what = self._what
        depth = any(m.kind == "depth" for m in self._ailing.values())
        if camera is None or not depth or what.kind != "biased":
            return camera
        push = np.random.default_rng(self._seed).standard_normal(3)
        pose = camera.T_base_optical.copy()
        pose[:3, 3] += what.level * self._worst.point_m * push / np.linalg.norm(push)
        return Camera(camera.intrinsics, camera.size, pose)

    def spoil(self, name: str, stamp_ns: int, value: Value) -> list[Message]:
        """What arrives when a sensor gives this: the messages, oldest first, or none."""
        if name in self._pictures.values():
            self._seen[name] = (stamp_ns, value)
        modality, level = self._ailing.get(name), self._what.level
        if modality is None or level == 0.0:
            return [(stamp_ns, value)]
        if level >= 1.0:
            return []
        if self._what.kind == "dropped":
            return [] if self._is_out(stamp_ns) else [(stamp_ns, value)]
        if self._what.kind in ("stale", "late"):
            over = self._delayed(name, stamp_ns, value)
            return over if self._what.kind == "stale" else [(stamp_ns, v) for _, v in over[-1:]]
        if self._what.kind == "frozen":
            return [(stamp_ns, self._held(name, stamp_ns, value))]
        return [(stamp_ns, self._disturbed(modality, stamp_ns, value))]

    def _is_out(self, stamp_ns: int) -> bool:
        """Whether nothing comes in this stretch of time; all modalities of a sense alike."""
        stretch = stamp_ns // _OUTAGE_NS
        if stretch != self._outage[0]:
            out = float(torch.rand((), generator=self._noise)) < self._what.level
            self._outage = (stretch, out)
        return self._outage[1]

    def _delayed(self, name: str, stamp_ns: int, value: Value) -> list[Message]:
        """Messages whose delay is over, with the stamps of their capture."""
        late, delay_ns = self._late[name], round(self._what.level * self._worst.late_s * 1e9)
        late.append((stamp_ns, value))
        over = []
        while late and late[0][0] + delay_ns <= stamp_ns:
            over.append(late.popleft())
        return over

    def _held(self, name: str, stamp_ns: int, value: Value) -> Value:
        """The reading that the sensor is stuck on, for so many seconds at a time."""
        stuck = self._stuck.get(name)
        hold_ns = round(self._what.level * self._worst.frozen_s * 1e9)
        if stuck is None or stamp_ns - stuck[0] > hold_ns:
            stuck = self._stuck[name] = (stamp_ns, value)
        return stuck[1]

    def _disturbed(self, modality: Modality, stamp_ns: int, value: Value) -> Value:
        """A reading noisy, saturated or biased; a bias lasts for the episode."""
        if modality.kind == "depth":
            return self._depth(modality.name, stamp_ns, value)
        if modality.kind == "image":
            return self._picture(value)
        what, worst = self._what, self._worst
        reading = torch.from_numpy(np.asarray(value, dtype=np.float32))[None]
        if what.kind == "saturated":
            limit = worst.ranges(modality) * worst.saturated_share**what.level
            return effects.saturated(reading, limit[None])[0].numpy()
        amount = (worst.scales(modality) * what.level)[None]
        if what.kind == "noisy":
            return effects.noisy(reading, amount, self._noise)[0].numpy()
        which = list(self._ailing).index(modality.name)
        lasting = torch.Generator().manual_seed(self._seed + _APART * which)
        if modality.kind == "joints":
            return effects.shifted(reading, amount, lasting)[0].numpy()
        return effects.biased(reading, amount[:, ::3], lasting)[0].numpy()

    def _picture(self, value: Value) -> Value:
        what, worst = self._what, self._worst
        picture, level = torch.from_numpy(np.ascontiguousarray(value))[None], torch.ones(1)
        if what.kind == "noisy":
            level = level * what.level * worst.intensity
            return effects.noisy_picture(picture, level, self._noise)[0].numpy()
        if what.kind == "saturated":
            return effects.bright_picture(picture, level * worst.gain**what.level)[0].numpy()
        lasting = torch.Generator().manual_seed(self._seed)
        moved = effects.moved_picture(picture, level * what.level * worst.shift_px, lasting)
        return moved[0].numpy()

    def _depth(self, name: str, stamp_ns: int, value: Value) -> Value:
        """Depth [mm, 0 = no reading]; a biased one is left to `camera`."""
        what = self._what
        if what.kind == "noisy":
            depth = value.astype(np.float32)
            noise = torch.randn(value.shape, generator=self._noise).numpy()
            noisy = depth + noise * (1e3 * what.level * self._worst.point_m)
            return np.where(depth > 0, np.clip(np.rint(noisy), 1, 65535), 0).astype(value.dtype)
        seen = self._seen.get(self._pictures[name])
        if what.kind == "biased" or seen is None or stamp_ns - seen[0] > _PAIRING_NS:
            return value
        dazzled = seen[1].mean(-1) / _WHITE > 1.0 - what.level
        return np.where(dazzled, 0, value).astype(value.dtype)
