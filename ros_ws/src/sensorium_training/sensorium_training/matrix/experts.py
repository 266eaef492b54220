"""Scripted experts behind the gate, as rows: what the form of a policy can reach at best.

They see the truth of the cell; their motions become plans as a policy's do. Where touch decides
they feel what a policy feels and say what to feel; the fast half, if there is one, corrects them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract, touch
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.policy import Policy, PolicyOutput
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.fast_half import FastFile
from sensorium_fusion.runner import Runner
from sensorium_sim.cell import Cell
from sensorium_sim.expert_view import view_of
from sensorium_sim.readings import Readings
from sensorium_sim.rollout import rollout
from sensorium_sim.scene import SceneState
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_sight import sight_of

from sensorium_training.dagger import Told
from sensorium_training.matrix.planned import Planned, Scripted

Array = NDArray[np.float64]

_REPEATS = 5
"""Readings at 500 Hz that one message at 100 Hz stands for."""
_TICKS = 10
"""Messages of a move of 0.1 s."""
_BEYOND = 1.3
"""How far a chunk goes, in moves: at the end of a move the tool is not at rest."""
_TOUCH = touch()
_TEN_A_SECOND = _TOUCH.model_copy(
    update={"action": _TOUCH.action.model_copy(update={"execute_steps": 1})}
)
"""As experts decide."""


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


class TouchExpertAnswers:
    """The slow half of a touch expert in the place of a policy: asked ten times a second.

    It answers a chunk and what to feel, so that a fast half may correct it. It was made without a
    gate and comes down faster than that allows: after an answer that the gate did not let pass
    the next one goes half as far.
    """

    contract, families = _TEN_A_SECOND, ALL_FAMILIES
    unheard: frozenset[str] = frozenset()

    def __init__(self, goal: Goal, cell: TouchCell) -> None:
        self._cell, self._expert = cell, make_expert(goal, feels=True)
        self._speed = 1.0

    def passed(self) -> None:
        """The gate has let something pass: go on at full speed."""
        self._speed = 1.0

    def run(self, tensors: Mapping[str, NDArray[np.generic]]) -> PolicyOutput:
        """The next move as a chunk, from what is true of the cell and felt in the tensors."""
        tool = tensors["reference"][0, :4].astype(np.float64)
        sight = sight_of(self._cell.ground_truth(), tool, _readings(tensors, self._cell.time_ns))
        move = self._expert.decide(sight)
        chunk = _chunk(move, float(tool[3]), self.contract.action.horizon)
        chunk[:, :4] *= self._speed
        self._speed *= 0.5
        wish = move.intent
        intent = (0.0, 0.0) if wish is None else (wish.press_n, wish.yield_)
        target, weights = np.zeros(3, np.float32), np.full(6, 1 / 6, np.float32)
        answer = chunk.astype(np.float32), target, 1.0, 0.0, weights
        return PolicyOutput(*answer, np.array(intent, np.float32))


class TouchExpertRunner(Runner):
    """A runner whose policy is the expert of a goal, with its fast half if there is one."""

    def __init__(self, goal: Goal, cell: TouchCell, fast: FastFile | None) -> None:
        self._expert = TouchExpertAnswers(goal, cell)
        super().__init__(cast(Policy, self._expert), Told(goal), cell.kinematics, fast=fast)

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""
        super().commanded(trajectory)
        self._expert.passed()


def _readings(tensors: Mapping[str, NDArray[np.generic]], t_ns: int) -> Readings:
    """The messages of the last 0.1 s, each held until the next."""
    held = {
        name: np.repeat(tensors[name][0, -_TICKS:].astype(np.float64), _REPEATS, axis=0)
        for name in ("joints", "wrench", "touch_left", "touch_right")
    }
    n = _TICKS * _REPEATS
    stamps = t_ns - 2_000_000 * np.arange(n - 1, -1, -1, dtype=np.int64)
    touch = np.stack([held["touch_left"], held["touch_right"]], axis=1)
    return Readings(stamps, held["joints"], held["wrench"], touch)


def _chunk(move: Move, yaw: float, horizon: int) -> Array:
    """A move, and for the rest of the chunk a little beyond it `(horizon, 5)`.

    Cumulative displacements in the tool's yaw frame, and the grip.
    """
    c, s = np.cos(yaw), np.sin(yaw)
    x, y, z = move.dxyz
    one = np.array([c * x + s * y, c * y - s * x, z, move.dyaw])
    far = np.array([1.0, *[_BEYOND] * (horizon - 1)])[:, None]
    return np.hstack([far * one, np.full((horizon, 1), move.grip)])
