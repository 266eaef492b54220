"""The policy loop with a sense that is spoilt on its way in."""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.geometry import Camera
from sensorium_core.kinematics import Kinematics
from sensorium_core.policy import Policy
from sensorium_core.stream import Push
from sensorium_fusion.fast_half import FastFile
from sensorium_fusion.hearing import Language
from sensorium_fusion.runner import Runner

from sensorium_training.corruption.readings import Corruption, SpoiltReadings


class CorruptedRunner(Runner):
    """A `Runner` whose messages go through `SpoiltReadings`; set `seed` before each episode."""

    def __init__(
        self,
        policy: Policy,
        language: Language,
        arm: Kinematics,
        corruption: Corruption,
        drop: frozenset[str] = frozenset(),
        fast: FastFile | None = None,
    ) -> None:
        super().__init__(policy, language, arm, drop, fast=fast)
        self._spoilt = SpoiltReadings(policy.contract, corruption)
        self.seed = 0
        """Of the next episode's disturbance."""

    def reset(self) -> None:
        """Forget senses, commands and instruction, for a new episode."""
        super().reset()
        self._spoilt.begin(self.seed)

    def set_camera(self, camera: Camera | None) -> None:
        """Tell where the depth camera was before it was knocked, if it was."""
        super().set_camera(self._spoilt.camera(camera))

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Add what arrives of one sensor message."""
        outcome = Push.LATE
        for at_ns, arrived in self._spoilt.spoil(modality, stamp_ns, value):
            outcome = super().push(modality, at_ns, arrived)
        return outcome
