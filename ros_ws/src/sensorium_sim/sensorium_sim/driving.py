"""Drives a cell by tool motions: displacement to joint trajectory, 0.1 s at a time.

Headless counterpart of policy, inverse kinematics and gate, for experts and tests.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import KinematicsError
from sensorium_core.trajectory import Trajectory

from sensorium_sim.cell import Cell

Array = NDArray[np.float64]

MOVE_S = 0.1
_AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Disturbance:
    """Noise put into an expert's motion, so that recoveries are in the data."""

    jitter_m: float = 0.004
    """Standard deviation of the length of every step's error."""
    kick_chance: float = 0.12
    kick_m: float = 0.02
    kick_rad: float = 0.2
    flip_chance: float = 0.015
    """Chance that the gripper does the opposite for one step."""
    low_m: float = 0.10
    """Below this tool height nothing pushes the tool further down: it could crush what it
    touches, which no arm would survive and no label could mend."""

    def apply(
        self, rng: np.random.Generator, dxyz: Array, dyaw: float, grip: float, height_m: float
    ) -> tuple[Array, float, float]:
        """A disturbed copy of one step's motion; always draws the same number of values."""
        jitter = rng.normal(0.0, self.jitter_m / np.sqrt(3.0), 3)
        way = rng.normal(size=3)
        kicked, side, flipped = rng.random() < self.kick_chance, rng.random(), rng.random()
        error = jitter
        if kicked:
            error = jitter + self.kick_m * way / np.linalg.norm(way)
            dyaw = dyaw + (self.kick_rad if side < 0.5 else -self.kick_rad)
        if height_m < self.low_m:
            error[2] = max(error[2], 0.0) if kicked else 0.2 * error[2]
        return dxyz + error, dyaw, 1.0 - grip if flipped < self.flip_chance else grip


class ToolDriver:
    """Keeps the commanded tool pose and turns displacements into trajectories."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        space = cell.constants.workspace
        self._low = np.array([space[axis][0] for axis in _AXES])
        self._high = np.array([space[axis][1] for axis in _AXES])
        self.reset()

    def reset(self) -> None:
        """Takes over where the cell's setpoint is."""
        self._q = self._cell.setpoint()
        self.pose = self._cell.kinematics.tool_pose(self._q[:6])

    def move(self, dxyz: Array, dyaw: float, grip: float) -> bool:
        """Commands a move for the next 0.1 s, clipped to the workspace.

        Returns False, and holds the arm still, when no joint angles reach it.
        """
        wanted = np.array([*(self.pose[:3] + dxyz), self.pose[3] + dyaw])
        wanted[:3] = np.clip(wanted[:3], self._low, self._high)
        reached = True
        try:
            q = self._cell.kinematics.ik(self._q[:6], wanted)
        except KinematicsError:
            q, wanted, reached = self._q[:6], self.pose, False
        opening = float(np.clip(grip, 0.0, 1.0)) * self._cell.constants.gripper_stroke_m
        target = np.array([*q, opening])
        rate = (target - self._q) / MOVE_S
        rate[6] = 0.0
        self._cell.command(
            Trajectory(
                stamp_ns=0,
                joint_names=self._cell.joint_names,
                times_s=np.array([MOVE_S, 1.5 * MOVE_S]),
                positions=np.stack([target, target]),
                velocities=np.stack([0.6 * rate, np.zeros(7)]),
            )
        )
        self._q, self.pose = target, wanted
        return reached
