"""Watches how hard the buttons of a cell with fixtures are held, at every simulation step."""

from __future__ import annotations

import math

import mujoco
import numpy as np

from sensorium_sim.ground_truth import GroundTruth
from sensorium_sim.model import BUTTON_CLICK_FORCE_N
from sensorium_sim.scene import N_BUTTONS, ButtonState, Scene
from sensorium_sim.touch_scene import PressState, TouchScene, TouchState

BANDS_N = ((3.0, 7.0), (12.0, 18.0))
"""Force of a gentle and of a firm press: 5 +- 2 N and 15 +- 3 N."""
FILTER_S = 0.02
"""Time constant of the low-pass; the gate judges force behind the same one."""
_STEP_S = 0.002
_BEGIN_N, _END_N = 0.5, 0.3


class PressWatch:
    """The presses of one button, from the force on its cap at every step."""

    def __init__(self) -> None:
        self._share = 1.0 - math.exp(-_STEP_S / FILTER_S)
        self.clear()

    def clear(self) -> None:
        """Forgets everything, for a new episode."""
        self._force, self._pressing, self._peak = 0.0, False, 0.0
        self._ended: list[tuple[float, ...]] = []
        self._run = [0.0] * len(BANDS_N)
        self._longest = [0.0] * len(BANDS_N)

    def feel(self, raw_n: float) -> None:
        """Takes in the force of one more step of 2 ms."""
        if raw_n == 0.0 and self._force < 1e-3:
            return
        self._force += self._share * (raw_n - self._force)
        force = self._force
        if not self._pressing:
            if force < _BEGIN_N:
                return
            self._pressing, self._peak = True, 0.0
            self._run, self._longest = [0.0] * len(BANDS_N), [0.0] * len(BANDS_N)
        self._peak = max(self._peak, force)
        for i, (low, high) in enumerate(BANDS_N):
            self._run[i] = self._run[i] + _STEP_S if low <= force <= high else 0.0
            self._longest[i] = max(self._longest[i], self._run[i])
        if force < _END_N:
            self._pressing = False
            self._ended.append((self._peak, *self._longest))

    def read(self) -> PressState:
        """A snapshot."""
        return PressState(
            self._force, self._pressing, len(self._ended), self._peak, tuple(self._longest),
            tuple(self._ended),
        )  # fmt: skip


class TouchTruth(GroundTruth):
    """Ground truth of scenes with fixtures and traits."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._presses = [PressWatch() for _ in range(N_BUTTONS)]
        super().__init__(model, data)

    def reset(self, scene: Scene) -> None:
        """Begins an episode with nothing clicked or pressed."""
        super().reset(scene)
        for press in self._presses:
            press.clear()
        if isinstance(scene, TouchScene):
            traits = [scene.button_trait(i) for i in range(N_BUTTONS)]
            travels = [BUTTON_CLICK_FORCE_N / t.stiffness_n_per_m - t.preload_m for t in traits]
            self._set_click_travel(np.maximum(travels, 1e-4))

    def watch(self) -> None:
        """Notes clicks and forces; call after every step."""
        super().watch()
        for press, force in zip(self._presses, self._data.sensordata.tolist(), strict=True):
            press.feel(force)

    def read(self, time_ns: int) -> TouchState:
        """A snapshot that shares no memory with the simulator."""
        state = super().read(time_ns)
        scene = self._scene
        assert isinstance(scene, TouchScene)
        presses = tuple(press.read() for press in self._presses)
        return TouchState(**vars(state), scene=scene, presses=presses)

    def _button(self, index: int) -> ButtonState:
        button = super()._button(index)
        assert isinstance(self._scene, TouchScene)
        button.position[2] = self._scene.button_trait(index).top_m
        return button
