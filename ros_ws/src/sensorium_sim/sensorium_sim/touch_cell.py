"""The cell with what the touch tasks need: fixtures on the table, traits of objects and buttons.

A model of its own, so that `Cell` keeps every byte. It plays ordinary scenes too; the arm differs
by the integral action of its joints, which hides what hangs on the tool from the encoders.
"""

from __future__ import annotations

from dataclasses import fields

import mujoco

from sensorium_sim.cell import STEP_NS, Cell
from sensorium_sim.fixture_model import build_touch_spec, stage_fixtures
from sensorium_sim.integral_action import IntegralAction
from sensorium_sim.scene import Scene
from sensorium_sim.touch_scene import TouchScene, TouchState
from sensorium_sim.touch_staging import stage_traits
from sensorium_sim.touch_truth import TouchTruth


class TouchCell(Cell):
    """`Cell` with fixtures; arguments and methods are the same."""

    _truth: TouchTruth

    def _build(self, width: int, height: int) -> mujoco.MjModel:
        return build_touch_spec(width, height).compile()

    def _make_truth(self) -> TouchTruth:
        return TouchTruth(self.model, self.data)

    def __init__(
        self,
        camera_width: int = 128,
        camera_height: int = 96,
        cameras: tuple[str, ...] = ("scene", "wrist"),
        noise_seed: int = 0,
    ) -> None:
        super().__init__(camera_width, camera_height, cameras, noise_seed)
        self._integral = IntegralAction(1e-9 * STEP_NS)

    def step(self, n: int = 1) -> None:
        """Advances `n` steps of 2 ms, following the commanded trajectory."""
        integral, data, controller = self._integral, self.data, self._controller
        for _ in range(n):
            integral.update(controller.position[:6] - data.qpos[:6], controller.velocity[:6])
            data.qfrc_applied[:6] = integral.torque
            super().step()

    def reset(self, scene: Scene) -> None:
        """Starts an episode; an ordinary scene is one without fixtures."""
        if not isinstance(scene, TouchScene):
            scene = TouchScene(**{f.name: getattr(scene, f.name) for f in fields(Scene)})
        self._integral.clear()
        super().reset(scene)

    def _stage(self, scene: Scene) -> None:
        super()._stage(scene)
        assert isinstance(scene, TouchScene)
        stage_fixtures(self.model, scene)
        stage_traits(self.model, self.data, scene)

    def ground_truth(self) -> TouchState:
        """The true state of everything, for judging and for experts; never for policies."""
        return self._truth.read(self.time_ns)
