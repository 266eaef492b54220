"""Drives the cell as a slow and a fast half decide: motions at 10 Hz, corrections at 100 Hz.

The seam is that of a policy: tool displacements become joint trajectories for `Cell.command`.
A listener may record what happens. Use from one thread.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.trajectory import Trajectory, hermite

from sensorium_sim.cell import Cell
from sensorium_sim.fast_correction import (
    LARGEST_M,
    TICK_S,
    TICK_STEPS,
    FastCorrection,
    FastWindow,
    Intent,
)
from sensorium_sim.readings import Readings

Array = NDArray[np.float64]

MOVE_S = 0.1
_TICKS = 10
_END_RATE = 0.6
"""Part of a move's mean speed that is left at its end, so that moves join smoothly."""


@dataclass(frozen=True)
class Move:
    """What the slow half wants in the next 0.1 s."""

    dxyz: Array = field(default_factory=lambda: np.zeros(3))
    """Displacement of the commanded tool `(3,)` [m], base_link."""
    dyaw: float = 0.0
    """Turn of the commanded tool about the vertical [rad]."""
    grip: float = 1.0
    """Commanded opening, 0 closed .. 1 open."""
    intent: Intent | None = None
    """What to feel; without it the fast half is asleep, and forgets."""


class Listener(Protocol):
    """Is told of all that a driver does, in the order of time."""

    def commanded(self, trajectory: Trajectory) -> None:
        """A trajectory goes to the arm now."""

    def felt(self, readings: Readings) -> None:
        """What the fast senses said since."""


class TouchDriver:
    """Keeps the commanded tool pose; turns moves and corrections into trajectories.

    Args:
        cell: where to act; its episode has begun.
        correct: the fast half; None runs the slow half alone.
        listener: told of every command and reading.
    """

    def __init__(
        self, cell: Cell, correct: FastCorrection | None, listener: Listener | None = None
    ) -> None:
        self._cell, self._correct, self._listener = cell, correct, listener
        self._q = cell.setpoint()
        self._rate = np.zeros(4)
        self._window = FastWindow()
        self.pose = cell.kinematics.tool_pose(self._q[:6])
        """Commanded tool x y z [m] and yaw [rad] `(4,)`, base_link."""
        if correct is not None:
            correct.reset()

    def move(self, move: Move) -> Readings:
        """Commands and runs 0.1 s; the fast senses throughout."""
        start, goal = self.pose, self._inside(self.pose + np.array([*move.dxyz, move.dyaw]))
        begin, end = MOVE_S * self._rate, _END_RATE * (goal - start)
        self._rate = end / MOVE_S
        corrected = np.zeros(4)
        readings = []
        if move.intent is None and self._correct is not None:
            self._correct.reset()
        for tick in range(1, _TICKS + 1):
            planned = hermite(start, goal, begin, end, tick / _TICKS)
            if move.intent is not None and self._correct is not None and tick > 1:
                corrected[:3] += self._correction(move.intent)
            self._command(self._inside(planned + corrected), move.grip)
            felt = self._cell.sense(TICK_STEPS)
            if self._listener is not None:
                self._listener.felt(felt)
            self._window.push(felt)
            readings.append(felt)
        self.pose = self._inside(goal + corrected)
        return join(readings)

    def _correction(self, intent: Intent) -> Array:
        assert self._correct is not None
        step = np.clip(self._correct(self._window.given(intent)), -LARGEST_M, LARGEST_M)
        c, s = np.cos(self.pose[3]), np.sin(self.pose[3])
        return np.array([c * step[0] - s * step[1], s * step[0] + c * step[1], step[2]])

    def _inside(self, pose: Array) -> Array:
        space = self._cell.constants.workspace
        for axis, name in enumerate(("x", "y", "z")):
            pose[axis] = np.clip(pose[axis], *space[name])
        return pose

    def _command(self, pose: Array, grip: float) -> None:
        """Goes to `pose` within a tick, and on at that rate for another if nothing follows."""
        cell = self._cell
        arm = cell.kinematics.ik(self._q[:6], pose)
        target = np.array([*arm, np.clip(grip, 0.0, 1.0) * cell.constants.gripper_stroke_m])
        beyond = target + (target - self._q)
        beyond[6] = target[6]
        times = np.array([TICK_S, 2 * TICK_S])
        trajectory = Trajectory(0, cell.joint_names, times, np.stack([target, beyond]))
        if self._listener is not None:
            self._listener.commanded(trajectory)
        cell.command(trajectory)
        self._q = target


def join(parts: list[Readings]) -> Readings:
    """Readings one after another as one."""
    return Readings(
        np.concatenate([p.stamps_ns for p in parts]),
        np.concatenate([p.joints for p in parts]),
        np.concatenate([p.wrench for p in parts]),
        np.concatenate([p.touch for p in parts]),
    )
