"""Lets a scripted expert carry out a goal of the touch tasks: the shortest closed loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import Goal

from sensorium_sim.fast_correction import Admittance, FastCorrection
from sensorium_sim.feel_expert import FeelExpert, FeelMemory
from sensorium_sim.give_expert import GiveExpert, WeighMemory
from sensorium_sim.hold_expert import HoldExpert, HoldMemory
from sensorium_sim.insert_expert import InsertExpert, SearchMemory
from sensorium_sim.put_expert import PutExpert
from sensorium_sim.readings import Readings
from sensorium_sim.tasks import UNDECIDED, Outcome
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import Move, TouchDriver
from sensorium_sim.touch_scene import TouchScene, TouchState
from sensorium_sim.touch_sight import Sight, sight_of
from sensorium_sim.touch_tasks import TIME_LIMITS_S, judge

Remembered = HoldMemory | WeighMemory | FeelMemory | SearchMemory
Memory = Remembered | None
"""What an expert remembers from move to move."""


class TouchExpert(Protocol):
    """The slow half of a scripted expert. One object an episode."""

    memory: Any
    """Its `Memory`; replace it to go on from another one."""

    def decide(self, sight: Sight) -> Move:
        """The next move of 0.1 s."""


EXPERTS: dict[str, Callable[[Goal, bool], TouchExpert]] = {
    "insert": InsertExpert,
    "hold": HoldExpert,
    "give": GiveExpert,
    "feel": FeelExpert,
    "put": PutExpert,
    "stack": PutExpert,
}


_ADMITTANCE = Admittance()


@dataclass(frozen=True)
class Attempt:
    """How an episode went."""

    outcome: Outcome
    end: TouchState
    duration_s: float


def make_expert(goal: Goal, feels: bool) -> TouchExpert:
    """The expert of a goal; one that does not feel is the baseline without force."""
    if goal.family not in EXPERTS:
        raise UnknownNameError("family", goal.family, tuple(EXPERTS))
    return EXPERTS[goal.family](goal, feels)


def make_teacher(goal: Goal) -> TouchExpert:
    """The expert that a policy learns from: of `insert` it knows where the well truly is."""
    if goal.family == "insert":
        return InsertExpert(goal, knows=True)
    return make_expert(goal, feels=True)


def attempt_touch(
    cell: TouchCell,
    scene: TouchScene,
    goal: Goal,
    feels: bool = True,
    fast: FastCorrection | None = _ADMITTANCE,
    stop: Callable[[Readings], bool] = lambda _: False,
) -> Attempt:
    """Runs one episode to its end.

    Args:
        cell: where; it is reset.
        scene: what to stage.
        goal: what to do.
        feels: without it the slow half ignores force; give it no fast half either.
        fast: the fast half; None runs the slow half alone.
        stop: called with the readings of every move; the episode ends when it says so.
    """
    cell.reset(scene)
    driver, expert, start = TouchDriver(cell, fast), make_expert(goal, feels), cell.ground_truth()
    readings: Readings | None = None
    now, outcome = start, UNDECIDED
    limit_s = TIME_LIMITS_S[goal.family]
    while cell.time_ns < 1e9 * limit_s and outcome.success is None:
        readings = driver.move(expert.decide(sight_of(now, driver.pose, readings)))
        now = cell.ground_truth()
        outcome = judge(goal, start, now)
        if stop(readings):
            break
    return Attempt(outcome, now, float(np.round(cell.time_ns * 1e-9, 3)))
