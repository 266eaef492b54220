"""Inserts a peg: take it, carry it over its well, land gently, search in a spiral, push it in.

The spiral is a flow around the place where the tip landed, which a policy remembers to a fraction
of a millimetre; where the well is it sees ten times less well. So where the tool is, from there,
says where it goes next. The fast half keeps the pressing force and gives way to the wall.

A policy learns from one that knows where the well is: while it presses, it goes straight there. A
tip that stands over a part of the well is pressed on its other side alone, which the wrist feels
as a moment (Newman et al., Interpretation of force and moment signals for compliant peg-in-hole
assembly, ICRA 2001); how to read it is left to the policy (Chen et al., Learning by cheating, CoRL
2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

from sensorium_sim.expert_moves import GAIN, funnel, grasp, turn
from sensorium_sim.fast_correction import Intent
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_scene import PEG_SHAPES, PEG_WIDTH_M, hole_position
from sensorium_sim.touch_sight import Sight, wrap
from sensorium_sim.touch_tasks import peg_tip

Array = NDArray[np.float64]

_GRASP_Z = 0.048
_EMPTY_TRAVEL_Z = 0.105
"""The fingertips clear a standing peg."""
_TIP_TRAVEL_Z = 0.080
"""The tip of a carried peg clears a standing one."""
_NEAR_M = 0.012
"""Within this distance and height of the well the expert feels its way."""
_LANDED_M = 0.0032
"""The tip is at most this high above the seen rim when it stands on the block."""
_GRASP_M = 0.005
"""The fingers close this near to a peg, which shall not hang far beside the middle of the pads."""
_CENTRED_M = 0.0050
"""This near to the seen well it lands at full speed: no camera says it better."""
_SEARCH_M = 0.0125
"""How far from where it landed the search goes; then it lifts the peg and lands again."""
_LIFT_STEP_M = 0.003
_STRAIGHT_RAD, _SEARCH_TURN_RAD = 0.06, 0.02
"""Turned by more than the first a square peg lands slower; the search turns it by the second.
Turned by 0.1 rad a peg is as much wider as a well of 1 mm clearance.
"""
_INSIDE_M = 0.0028
"""This deep below the seen rim the tip is in the well: the rim is known to a millimetre."""
_DEPTH_M = 0.0195
"""How deep below the seen rim the tip shall go."""
_CONTACT_N = 2.0
_TOUCH_N, _QUIET_N, _QUIET_MOVES = 0.8, 0.5, 3
"""A press begins above the first, and ends below the second for longer than so many moves: that
is when `sensorium_core.felt.Press` says so."""
_SEARCH_N, _INSERT_N = 8.0, 14.0
_CAUGHT_N, _HOP_M = 5.5, 0.0008
"""More than this sideways is no friction: an edge of the tip has caught on the rim; hop over."""
_SEARCH_STEP_M = 0.0016
_KNOWN_STEP_M = 0.0012
"""How far it goes in a move where it knows the well."""
_PITCH = 1.5
"""Distance of the spiral's turns, in clearances. With this step a search of 12 mm takes 18 s."""


@dataclass
class SearchMemory:
    """Where the tip landed."""

    touching: bool = False
    quiet_moves: int = 0
    """For how long nothing has been pressed."""
    x: float = 0.0
    y: float = 0.0
    """The commanded tool when the press began [m], base_link."""

    def feel(self, press_n: float, tool: Array) -> None:
        """Take in what is pressed now."""
        if not self.touching and press_n > _TOUCH_N:
            self.touching, self.quiet_moves = True, 0
            self.x, self.y = float(tool[0]), float(tool[1])
        self.quiet_moves = self.quiet_moves + 1 if press_n < _QUIET_N else 0
        self.touching = self.touching and self.quiet_moves <= _QUIET_MOVES


class InsertExpert:
    """Scripted expert of `insert`.

    Args:
        goal: which peg.
        feels: without it the wrench is ignored and the peg goes straight down.
        knows: while it presses it is told where the well is, and does not search. To learn from
            only: no robot is told that. Without `feels` there is no search, and it changes
            nothing.
    """

    def __init__(self, goal: Goal, feels: bool = True, knows: bool = False) -> None:
        assert goal.quality is not None
        self._kind, self._feels, self._knows = goal.quality, feels, knows
        self.memory = SearchMemory()

    def decide(self, sight: Sight) -> Move:
        """The next move."""
        self.memory.feel(sight.press_n, sight.tool)
        scene = sight.state.scene
        assert scene.block is not None
        shapes = [o.shape for o in sight.state.objects]
        peg = sight.state.objects[shapes.index(PEG_SHAPES[self._kind])]
        square = self._kind == "square"
        quarter = np.pi / 2
        near = float(np.hypot(*(peg.position[:2] - sight.tool[:2]))) < 0.02
        if not (sight.holding and near):
            aim = wrap(peg.yaw, quarter) if square else 0.0
            place = np.array([*peg.position[:2], _GRASP_Z])
            turned = aim - float(sight.tool[3])
            half = 0.5 * PEG_WIDTH_M
            return grasp(sight, place, turned, half, _EMPTY_TRAVEL_Z, _GRASP_M)
        hole = hole_position(scene.block, self._kind, seen=True)
        tip = peg_tip(sight.state, shapes.index(PEG_SHAPES[self._kind]))
        misturned = wrap(scene.block.yaw - peg.yaw, quarter) if square else 0.0
        offset, height = tip[:2] - hole[:2], float(tip[2] - hole[2])
        reach = _NEAR_M + (_SEARCH_M if self.memory.touching else 0.0)
        if not (np.hypot(*offset) < reach and height < _NEAR_M):
            return self._carry(sight, tip, hole, misturned)
        if not self._feels:
            return _push_down(offset, height)
        return self._feel_in(sight, tip, hole, misturned)

    def _carry(self, sight: Sight, tip: Array, hole: Array, misturned: float) -> Move:
        above = hole + np.array([0.0, 0.0, 0.006])
        step = funnel(tip, above, _TIP_TRAVEL_Z, misturned)
        return Move(step, turn(misturned), 0.0)

    def _feel_in(self, sight: Sight, tip: Array, hole: Array, misturned: float) -> Move:
        """The last centimetre: land, search, push in."""
        offset, height = tip[:2] - hole[:2], float(tip[2] - hole[2])
        if height < -_INSIDE_M:
            down = np.zeros(3)
            if sight.press_n < 0.7 * _INSERT_N and height > -_DEPTH_M:
                down[2] = -min(0.0025, height + _DEPTH_M + 0.001)
            return Move(down, 0.0, 0.0, Intent(_INSERT_N, 1.0) if height > -_DEPTH_M else None)
        if self.memory.touching:
            searched = sight.tool[:2] - (self.memory.x, self.memory.y)
            if height < _LANDED_M and np.hypot(*searched) < _SEARCH_M:
                return _search(sight, self._onwards(sight, tip, searched), misturned)
            return Move(np.array([0.0, 0.0, _LIFT_STEP_M]), turn(misturned), 0.0)
        return _land(offset, height, misturned)

    def _onwards(self, sight: Sight, tip: Array, searched: Array) -> Array:
        """Where a tip that presses goes next `(2,)` [m], base_link."""
        block = sight.state.scene.block
        assert block is not None
        if not self._knows:
            return _spiral(searched, _PITCH * block.clearance_m)
        away = hole_position(block, self._kind, seen=False)[:2] - tip[:2]
        return away * min(GAIN, _KNOWN_STEP_M / max(float(np.hypot(*away)), 1e-9))


def _land(offset: Array, height: float, misturned: float) -> Move:
    """Down on the block, the slower the farther aside or turned, and never up again.

    Rising where it is too far aside would balance falling where it is not: a policy, which does
    not know the peg in its hand to a millimetre, would stay in the air.
    """
    gap = float(np.hypot(*offset))
    near = float(np.clip((_NEAR_M - gap) / (_NEAR_M - _CENTRED_M), 0.0, 1.0))
    straight = float(np.clip(_STRAIGHT_RAD / max(abs(misturned), 1e-9), 0.0, 1.0))
    fall = near * straight * float(np.clip(GAIN * (height + 0.001), 0.0008, 0.003))
    side = -GAIN * offset * min(1.0, 0.006 / max(gap, 1e-9))
    return Move(np.array([*side, -fall]), turn(misturned), 0.0, Intent(_SEARCH_N, 0.0))


def _search(sight: Sight, step: Array, misturned: float) -> Move:
    """A step sideways, pressing; over an edge that the tip has caught on."""
    intent = Intent(_SEARCH_N, 1.0)
    twist = float(np.clip(misturned, -_SEARCH_TURN_RAD, _SEARCH_TURN_RAD))
    if sight.press_n < _CONTACT_N:
        return Move(np.array([0.0, 0.0, -0.0008]), twist, 0.0, intent)
    if float(np.hypot(*sight.force[:2])) > _CAUGHT_N:
        return Move(np.array([*step, _HOP_M]), twist, 0.0, Intent(0.0, 1.0))
    return Move(np.array([*step, 0.0]), twist, 0.0, intent)


def _spiral(offset: Array, pitch: float) -> Array:
    """Displacement `(2,)` along the Archimedean spiral around zero that passes `offset`."""
    radius, phase = float(np.hypot(*offset)), float(np.arctan2(offset[1], offset[0]))
    radius = max(radius, 0.0005)
    swing = min(_SEARCH_STEP_M / radius, 1.1)
    radius += pitch * swing / (2 * np.pi)
    return radius * np.array([np.cos(phase + swing), np.sin(phase + swing)]) - offset


def _push_down(offset: Array, height: float) -> Move:
    """What is left without feeling: over the seen well, and down."""
    gap = float(np.hypot(*offset))
    fall = 0.003 if gap < 0.001 or height < 0.002 else 0.0
    side = -GAIN * offset if height > 0.002 else np.zeros(2)
    return Move(np.array([*side, -fall if height > -_DEPTH_M else 0.0]), 0.0, 0.0)
