"""Lets an expert act in a cell, 0.1 s at a time: the shortest closed loop, for trying things out.

Neither policy nor gate nor ROS is in it, and nothing is recorded; `generate.py` makes the data.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal
from sensorium_core.trajectory import Trajectory

from sensorium_sim.cell import Cell
from sensorium_sim.disturbance import Disturbance, DisturbanceConfig
from sensorium_sim.expert_view import view_of
from sensorium_sim.experts import expert
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.tasks import TASKS, Outcome

Array = NDArray[np.float64]

MOVE_S = 0.1


class ToolDriver:
    """Keeps the commanded tool pose and turns displacements into trajectories."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._q = cell.setpoint()
        self.pose = cell.kinematics.tool_pose(self._q[:6])

    def move(self, dxyz: Array, dyaw: float, grip: float) -> None:
        """Commands and runs a move of 0.1 s."""
        cell = self._cell
        wanted = np.array([*(self.pose[:3] + dxyz), self.pose[3] + dyaw])
        space = cell.constants.workspace
        for axis, name in enumerate(("x", "y", "z")):
            wanted[axis] = np.clip(wanted[axis], *space[name])
        q = cell.kinematics.ik(self._q[:6], wanted)
        target = np.array([*q, np.clip(grip, 0.0, 1.0) * cell.constants.gripper_stroke_m])
        rate = 0.6 * (target - self._q) / MOVE_S
        rate[6] = 0.0
        cell.command(
            Trajectory(
                stamp_ns=0,
                joint_names=cell.joint_names,
                times_s=np.array([MOVE_S, 1.5 * MOVE_S]),
                positions=np.stack([target, target]),
                velocities=np.stack([rate, np.zeros(7)]),
            )
        )
        self._q, self.pose = target, wanted
        cell.step(50)


def attempt(
    cell: Cell,
    scene: Scene,
    goal: Goal,
    disturbance: Disturbance | None = None,
    look: Callable[[Cell], None] = lambda _: None,
) -> tuple[Outcome, SceneState]:
    """Lets the expert carry out a goal; `look` is called after every move."""
    cell.reset(scene)
    driver, start, task = ToolDriver(cell), cell.ground_truth(), TASKS[goal.family]
    now, outcome = start, Outcome(None, "no time")
    while cell.time_ns < 1e9 * task.time_limit_s and outcome.success is None:
        motion = expert(view_of(goal, start, now, driver.pose), goal)
        noise, flip = np.zeros(4), False
        if disturbance is not None:
            noise, flip = disturbance(cell.time_ns * 1e-9, float(driver.pose[2]))
        grip = 1.0 - motion.grip[0] if flip else motion.grip[0]
        driver.move(motion.dxyz[0] + noise[:3], motion.dyaw[0] + noise[3], grip)
        look(cell)
        now = cell.ground_truth()
        outcome = task.success(goal, start, now)
    return outcome, now


def disturbance(seed: int) -> Disturbance:
    """What the generator does to an expert that it disturbs."""
    config = DisturbanceConfig(share=1.0)
    return Disturbance(config, np.random.default_rng(seed))
