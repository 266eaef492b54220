"""The senses of the policy loop: what is known of them, and which of them are believed."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from sensorium_core.content_watch import ContentWatch
from sensorium_core.contract import Contract
from sensorium_core.geometry import Camera
from sensorium_core.observation import Aligner, Observation
from sensorium_core.stream import Part, Push

from sensorium_fusion.config import HonestyConfig
from sensorium_fusion.holding import is_lacking

Faults = Mapping[str, str]
"""By modality, in words, why it must not be believed although messages come."""
NO_FAULTS: Faults = MappingProxyType({})


class Senses:
    """The aligner, and a watch over what goes into it. `drop` names senses to treat as dead."""

    def __init__(self, contract: Contract, drop: frozenset[str], config: HonestyConfig) -> None:
        self._contract, self._drop = contract, drop
        self._aligner = Aligner(contract)
        self._content = ContentWatch(contract, config)
        self.camera: Camera | None = None

    def set_camera(self, camera: Camera | None) -> None:
        """Tell where the depth camera is; see `Aligner.set_camera`."""
        self.camera = camera
        self._aligner.set_camera(camera)

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Add one sensor message; see `Aligner.push`."""
        return self._content.push(self._aligner, modality, stamp_ns, value)

    def newest_ns(self, modality: str) -> int | None:
        """Stamp of the newest message of a modality."""
        return self._aligner.newest_ns(modality)

    def clear(self) -> None:
        """Forget every message."""
        self._aligner.clear()
        self._content.clear()

    def recall(self, parts: Mapping[str, Sequence[Part]]) -> None:
        """Forget all and know just these messages."""
        self._aligner.recall(parts)

    def faults(self, others: Faults) -> dict[str, str]:
        """Those found in what came, and others."""
        return {**self._content.faults, **others}

    def observe(self, t_ns: int, faults: Faults) -> Observation:
        """What was known at a time, without the modalities that have faults."""
        return self._aligner.observe(t_ns, self._drop, faults)

    def is_lacking(self, t_ns: int, others: Faults) -> bool:
        """Whether a required sense is not there; a fraction of the work of `observe`."""
        newest = {m.name: self.newest_ns(m.name) for m in self._contract.modalities}
        return is_lacking(self._contract, t_ns, newest, self.faults(others), self._drop)
