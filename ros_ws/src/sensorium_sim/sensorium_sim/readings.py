"""Every fast sensor at every step, in one go: raw values are copied, the rest is numpy.

Gives exactly what `Cell.joints`, `wrench` and `touch` would have given at each step, at a tenth of
their cost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from sensorium_sim.sensors import ForceReader, pad_forces, tool_wrench

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Readings:
    """Noisy readings of `n` consecutive steps, each taken after its step."""

    stamps_ns: NDArray[np.int64]
    """Time since the reset `(n,)`."""
    joints: Array
    """Positions then velocities `(n, 14)` [rad, gripper m; per second]."""
    wrench: Array
    """Force and torque of the world on the tool `(n, 6)`, frame `tool` [N, Nm]."""
    touch: Array
    """Force on the left and right pad `(n, 2, 3)`, frames of the pads [N]."""


class RawLog:
    """The simulator's raw values over `n` steps, before they become readings."""

    def __init__(self, n: int, model: mujoco.MjModel, data: mujoco.MjData, force: ForceReader):
        self._model, self._data, self._force = model, data, force
        self.positions = np.empty((n, 7))
        self.velocities = np.empty((n, 7))
        self.forces = np.empty((n, len(force.bodies), 6))
        self.com = np.empty((n, 3))
        self.tool = np.empty((n, 3))
        self.rotation = np.empty((n, 9))

    def writer(self) -> Callable[[int], None]:
        """A function that copies the present values into row `i`."""
        model, data, force = self._model, self._data, self._force
        sources = (
            (self.positions, data.qpos[:7]),
            (self.velocities, data.qvel[:7]),
            (self.com, data.subtree_com[force.root]),
            (self.tool, data.xpos[force.tool]),
            (self.rotation, data.xmat[force.tool]),
        )
        loads, bodies, rows = data.cfrc_ext, force.bodies, self.forces

        def write(i: int) -> None:
            mujoco.mj_rnePostConstraint(model, data)
            loads.take(bodies, axis=0, out=rows[i])
            for target, source in sources:
                target[i] = source

        return write

    def wrench(self) -> Array:
        """True wrench `(n, 6)`."""
        return tool_wrench(self.forces, self.com - self.tool, self.rotation)

    def touch(self) -> Array:
        """True pad forces `(n, 2, 3)`."""
        return pad_forces(self.forces, self.rotation)
