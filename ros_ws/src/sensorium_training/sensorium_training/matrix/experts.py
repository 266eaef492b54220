"""Scripted experts behind the gate, as rows: what the form of a policy can reach at best.

They see the truth of the cell and, as a policy, fast senses at 100 Hz; their motions become plans
as a policy's do.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.goal import Goal
from sensorium_core.trajectory import Trajectory
from sensorium_sim.cell import Cell
from sensorium_sim.expert_moves import GAIN
from sensorium_sim.expert_view import view_of
from sensorium_sim.readings import Readings
from sensorium_sim.rollout import rollout
from sensorium_sim.scene import SceneState
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_episode import TouchExpert, make_expert
from sensorium_sim.touch_sight import sight_of

from sensorium_training.matrix.planned import Planned, Scripted

Array = NDArray[np.float64]

_REPEATS = 5
"""Readings at 500 Hz that one message at 100 Hz stands for."""
_TICKS = 10
"""Messages of a move of 0.1 s."""
_FAST = ("joints", "wrench", "touch_left", "touch_right")
_LEFT = 1.0 - GAIN
"""What a touch expert's move leaves of the way, so that the next one is this much shorter."""


@dataclass(frozen=True)
class Turn:
    """What a scripted proposer proposes."""

    trajectory: Trajectory | None


class TabletopExpert(Scripted):
    """Plans the chunk that a policy is trained to give, as often as a policy does."""

    def __init__(self, goal: Goal, cell: Cell, contract: Contract) -> None:
        super().__init__()
        self._goal, self._cell, self._contract = goal, cell, contract
        self._planned = Planned(contract, cell.kinematics)
        self._start: SceneState | None = None
        self._next_ns = 0

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""
        self._planned.commanded(trajectory)

    def due(self, t_ns: int) -> bool:
        """Every `execute_steps` of the contract."""
        return self._start is None or t_ns >= self._next_ns

    def step(self, t_ns: int) -> Turn:
        """The expert's next chunk; nothing before the gate has let anything pass."""
        now, reference = self._cell.ground_truth(), self._planned.reference(t_ns)
        self._start = self._start or now
        if reference is None:
            return Turn(None)
        action = self._contract.action
        self._next_ns = t_ns + round((action.execute_steps - 0.25) * action.step_s * 1e9)
        view = view_of(self._goal, self._start, now, reference[:4])
        return Turn(self._planned.trajectory(rollout(view, self._goal, action.horizon), t_ns))


class TouchExpertActs(Scripted):
    """The slow half of a touch expert, ten moves a second.

    It was made without a gate and comes down faster than that allows: what was refused is proposed
    again at half the speed.
    """

    def __init__(self, goal: Goal, cell: TouchCell, contract: Contract) -> None:
        super().__init__()
        self._expert: TouchExpert = make_expert(goal, feels=True)
        self._cell, self._planned = cell, Planned(contract, cell.kinematics)
        self._horizon = contract.action.horizon
        self._speed = 1.0
        self._felt: dict[str, deque[Array]] = {
            name: deque(maxlen=_TICKS)
            for name in ("joints", "wrench", "touch_left", "touch_right")
        }

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""
        self._planned.commanded(trajectory)
        self._speed = 1.0

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> object:
        """Keep the fast senses of the last 0.1 s."""
        if modality in self._felt:
            self._felt[modality].append(np.asarray(value, dtype=np.float64))
        return None

    def due(self, t_ns: int) -> bool:
        """At every frame."""
        return True

    def step(self, t_ns: int) -> Turn:
        """The expert's next move; nothing before the gate has let anything pass."""
        reference = self._planned.reference(t_ns)
        if reference is None:
            return Turn(None)
        sight = sight_of(self._cell.ground_truth(), reference[:4], self._readings(t_ns))
        chunk = _chunk(self._expert.decide(sight), float(reference[3]), self._horizon)
        chunk[:, :4] *= self._speed
        self._speed *= 0.5
        return Turn(self._planned.trajectory(chunk, t_ns))

    def _readings(self, t_ns: int) -> Readings | None:
        """The messages of the last 0.1 s, each held until the next."""
        if len(self._felt["joints"]) < _TICKS:
            return None
        held = {name: np.repeat(np.stack(q), _REPEATS, axis=0) for name, q in self._felt.items()}
        n = _TICKS * _REPEATS
        stamps = t_ns - 2_000_000 * np.arange(n - 1, -1, -1, dtype=np.int64)
        touch = np.stack([held["touch_left"], held["touch_right"]], axis=1)
        return Readings(stamps, held["joints"], held["wrench"], touch)


def _chunk(move: Move, yaw: float, horizon: int) -> Array:
    """A move and what would follow it `(horizon, 5)`: shorter and shorter steps the same way.

    Cumulative displacements in the tool's yaw frame, and the grip.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    x, y, z = move.dxyz
    one = np.array([c * x + s * y, c * y - s * x, z, move.dyaw])
    way = np.cumsum(_LEFT ** np.arange(horizon))[:, None]
    return np.hstack([way * one, np.full((horizon, 1), move.grip)])
