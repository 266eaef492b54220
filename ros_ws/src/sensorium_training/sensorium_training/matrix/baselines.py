"""Trivial baselines in the place of a policy: in the closed loop, and on recorded rows.

Persistence repeats the motion of the last 0.1 s. It would never begin by itself, which would make
it hold still under another name, so its first plan is that of a policy.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.geometry import Camera
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import State

from sensorium_training.closed_loop import Proposed
from sensorium_training.matrix.experts import Turn
from sensorium_training.matrix.planned import Planned, Scripted

Array = NDArray[np.float64]


class HoldStill(Scripted):
    """Proposes nothing at all."""

    def instruct(self, text: str) -> None:
        """Go on holding still."""
        self.state, self.reason = State.HOLDING, "holding still, whatever is said"

    def due(self, t_ns: int) -> bool:
        """Never."""
        return False

    def step(self, t_ns: int) -> Turn:
        """Nothing."""
        return Turn(None)


class Persistence:
    """A policy's first plan, then for ever the commanded motion of the last step."""

    def __init__(self, runner: Runner, arm: Kinematics) -> None:
        self._runner, self._action = runner, runner.contract.action
        self._planned = Planned(runner.contract, arm)
        self._next_ns: int | None = None
        """When to repeat the motion; None before the first plan."""

    @property
    def state(self) -> State:
        """The policy's until its first plan; then it never ends."""
        return self._runner.state if self._next_ns is None else State.ACTING

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self._runner.reason if self._next_ns is None else "repeating the last motion"

    def reset(self) -> None:
        """Forget the episode."""
        self._runner.reset()
        self._planned.clear()
        self._next_ns = None

    def set_camera(self, camera: Camera | None) -> None:
        """For the first plan."""
        self._runner.set_camera(camera)

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> object:
        """For the first plan."""
        return self._runner.push(modality, stamp_ns, value)

    def instruct(self, text: str) -> None:
        """For the first plan."""
        self._runner.instruct(text)

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""
        self._runner.commanded(trajectory)
        self._planned.commanded(trajectory)

    def due(self, t_ns: int) -> bool:
        """As often as the policy."""
        return self._runner.due(t_ns) if self._next_ns is None else t_ns >= self._next_ns

    def step(self, t_ns: int) -> Proposed:
        """The policy's first plan, or the last motion once more."""
        if self._next_ns is None:
            step = self._runner.step(t_ns)
            if step.trajectory is not None and step.state is State.ACTING:
                self._repeat_from(t_ns)
            return step
        step_ns = round(self._action.step_s * 1e9)
        now, before = self._planned.reference(t_ns), self._planned.reference(t_ns - step_ns)
        self._repeat_from(t_ns)
        if now is None or before is None:
            return Turn(None)
        return Turn(self._planned.trajectory(repeated(before, now, self._action.horizon), t_ns))

    def _repeat_from(self, t_ns: int) -> None:
        spent_s = (self._action.execute_steps - 0.25) * self._action.step_s
        self._next_ns = t_ns + round(spent_s * 1e9)


def repeated(before: Array, now: Array, horizon: int) -> Array:
    """The motion between two commanded tools `(5,)`, again and again: a chunk `(horizon, 5)`.

    Displacements in the yaw frame of `now`; the fingers stay where they are commanded.
    """
    moved = now[:4] - before[:4]
    c, s = np.cos(now[3]), np.sin(now[3])
    one = np.array([c * moved[0] + s * moved[1], c * moved[1] - s * moved[0], *moved[2:]])
    one[3] = (one[3] + np.pi) % (2 * np.pi) - np.pi
    steps = np.arange(1, horizon + 1)[:, None]
    return np.hstack([steps * one, np.full((horizon, 1), now[4])])


def still(now: Array, horizon: int) -> Array:
    """No motion from a commanded tool `(5,)`: a chunk `(horizon, 5)`."""
    return repeated(now, now, horizon)
