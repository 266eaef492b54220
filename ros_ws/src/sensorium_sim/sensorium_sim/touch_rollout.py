"""What an expert of the touch tasks would do next, by a coarse model of what its moves cause.

What is held follows the tool, closing fingers close around what is between them, and a tool that
is pressing goes on pressing. Nothing hidden is told but where its well is to a peg that presses
(`make_teacher`), or is foreseen to within the chunk: the moves after a landing lead there, and a
policy that has felt nothing yet can learn no more than their mean. The well does not open, a
weight and a hardness stay unknown until they have really been felt, and contact is met where the
cameras show it.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

from sensorium_sim.experts import FINGERTIP_M
from sensorium_sim.fast_correction import Intent
from sensorium_sim.give_expert import held_index
from sensorium_sim.scene import ObjectState
from sensorium_sim.touch_asked import seen_cap, seen_well
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_episode import Memory, make_teacher
from sensorium_sim.touch_sight import Felt, Sight
from sensorium_sim.touch_tasks import peg_tip

Array = NDArray[np.float64]

HORIZON = 8
_STROKE_M = 0.0425
_FINGER_STEP_M = 0.015
"""Travel of a finger in a move."""
_AROUND_M, _LEVEL_M = 0.012, 0.015
_SQUEEZE_N = 10.5
"""Of a grasp that is foreseen: firm, and less than tells soft from hard."""
_MOVING_RAD_S = 1.0
"""The arm is taken to move, so that nothing is weighed in thought."""
_PRESSING_N = 0.8
_NEAR_WELL_M = 0.012


@dataclass(frozen=True)
class Foreseen:
    """What an expert would do from now on."""

    first: Move
    chunk: Array
    """`(n, 5)` as `rollout.rollout` gives it: cumulative, in the yaw frame of the tool now."""


def touch_rollout(goal: Goal, sight: Sight, memory: Memory, n: int = HORIZON) -> Foreseen:
    """The next `n` moves of the expert of `goal`, which remembers `memory`; a copy is used."""
    expert = make_teacher(goal)
    expert.memory = deepcopy(memory)
    world, moves = _World(goal, sight), []
    chunk = np.empty((n, 5))
    for k in range(n):
        move = expert.decide(world.sight)
        moves.append(move)
        world.advance(move)
        chunk[k, :4] = world.tool - sight.tool
        chunk[k, 4] = move.grip
    c, s = np.cos(sight.tool[3]), np.sin(sight.tool[3])
    chunk[:, :2] = chunk[:, :2] @ np.array([[c, -s], [s, c]])
    return Foreseen(moves[0], chunk)


class _World:
    """What is seen and felt after foreseen moves."""

    def __init__(self, goal: Goal, sight: Sight) -> None:
        self._goal, self.sight, self.tool = goal, sight, sight.tool.copy()
        self._objects = list(sight.state.objects)
        self._opening, self._press_n = sight.opening, sight.press_n
        self._held = held_index(sight)
        self._squeeze_n = sight.squeeze_n
        lowest = self._lowest()
        touches = self._press_n > _PRESSING_N and lowest is not None
        self._floor = lowest if touches else self._seen_floor()

    def advance(self, move: Move) -> None:
        """One move of 0.1 s."""
        self.tool += np.array([*move.dxyz, move.dyaw])
        if self._held is not None:
            self._objects[self._held] = _carried(self._objects[self._held], move, self.tool)
        self._fingers(move.grip)
        self._press(move.intent)
        felt = Felt(
            opening_m=self._opening,
            force_n=(0.0, 0.0, self._press_n),
            squeeze_n=self._squeeze_n,
            squeeze_most_n=self._squeeze_n,
            touch_opening_m=self._opening if self._squeeze_n else None,
            speed_rad_s=_MOVING_RAD_S,
        )
        state = replace(self.sight.state, objects=tuple(self._objects))
        self.sight = Sight(state, self.tool.copy(), felt)

    def _fingers(self, grip: float) -> None:
        wanted = float(np.clip(grip, 0.0, 1.0)) * _STROKE_M
        if self._held is not None:
            if grip > 0.5:
                self._held, self._squeeze_n = None, 0.0
            else:
                return
        step = float(np.clip(wanted - self._opening, -_FINGER_STEP_M, _FINGER_STEP_M))
        between = self._between() if step < 0.0 else None
        half = 0.5 * self._objects[between].size_m if between is not None else 0.0
        self._opening = max(self._opening + step, half)
        if between is not None and self._opening <= half:
            self._held, self._squeeze_n = between, _SQUEEZE_N

    def _between(self) -> int | None:
        for index, item in enumerate(self._objects):
            away = item.position - self.tool[:3]
            high = self.sight.state.scene.trait(index).height_m or item.size_m
            level = abs(float(away[2])) < max(_LEVEL_M, 0.5 * high)
            if float(np.hypot(away[0], away[1])) < _AROUND_M and level:
                return index if self._opening > 0.5 * item.size_m - 0.004 else None
        return None

    def _press(self, intent: Intent | None) -> None:
        lowest = self._lowest()
        if lowest is None or self._floor is None or lowest > self._floor + 1e-4:
            self._press_n = 0.0
            return
        aim = intent.press_n if intent is not None else _PRESSING_N
        self._press_n += 0.5 * (aim - self._press_n)

    def _lowest(self) -> float | None:
        """Height of what would touch first [m]; None where nothing is to be pressed on."""
        if self._goal.family == "hold":
            return float(self.tool[2]) - FINGERTIP_M
        if self._goal.family == "insert" and self._held is not None:
            state = replace(self.sight.state, objects=tuple(self._objects))
            tip, well = peg_tip(state, self._held), seen_well(self._goal, state)
            near = float(np.hypot(*(tip[:2] - well[:2]))) < _NEAR_WELL_M
            return float(tip[2]) if near else None
        return None

    def _seen_floor(self) -> float | None:
        state = self.sight.state
        if self._goal.family == "hold":
            return float(seen_cap(self._goal, state)[2])
        return float(seen_well(self._goal, state)[2]) if self._goal.family == "insert" else None


def _carried(item: ObjectState, move: Move, tool: Array) -> ObjectState:
    """What is held after a move that ended at `tool`: along with it, and turned about it."""
    c, s = np.cos(move.dyaw), np.sin(move.dyaw)
    aside = item.position[:2] - (tool[:2] - move.dxyz[:2])
    turned = np.array([c * aside[0] - s * aside[1], s * aside[0] + c * aside[1]])
    place = np.array([*(tool[:2] + turned), item.position[2] + move.dxyz[2]])
    half_c, half_s = np.cos(0.5 * move.dyaw), np.sin(0.5 * move.dyaw)
    x, y, z, w = item.quat_xyzw
    quat = np.array(
        [
            half_c * x - half_s * y,
            half_c * y + half_s * x,
            half_c * z + half_s * w,
            half_c * w - half_s * z,
        ]
    )
    return replace(item, position=place, quat_xyzw=quat)
