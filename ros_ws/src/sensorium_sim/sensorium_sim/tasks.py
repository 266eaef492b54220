"""The task families: which goal a seed sets, and when it is reached, judged by ground truth.

A task holds no state: `success` compares the scene now with the scene when the instruction was
given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import FAMILIES, Goal

from sensorium_sim.layout import DIRECTION_VECTORS, feasible_goals, sample_scene
from sensorium_sim.scene import ObjectState, Scene, SceneState

LIFT_M = 0.06
WRONG_LIFT_M = 0.03
PUSH_M = 0.08
WRONG_PUSH_M = 0.06
MAX_PRESS_N = 25.0
_OFF_TABLE_M = -0.02


@dataclass(frozen=True)
class Outcome:
    """`success` is None while undecided; `reason` says why in words."""

    success: bool | None
    reason: str


UNDECIDED = Outcome(None, "not done yet")


class Task(ABC):
    """One family of instructions."""

    family: str
    time_limit_s: float
    """An episode that is undecided after this long has failed."""

    def reset(self, seed: int) -> tuple[Scene, Goal]:
        """The scene of a seed, and one of the goals that can be reached in it."""
        scene = sample_scene(seed)
        rng = np.random.default_rng((FAMILIES.index(self.family), seed))
        goals = feasible_goals(scene, self.family)
        while not goals:
            scene = sample_scene(int(rng.integers(1 << 62)) + (1 << 32))
            goals = feasible_goals(scene, self.family)
        return scene, goals[int(rng.integers(len(goals)))]

    @abstractmethod
    def success(self, goal: Goal, start: SceneState, now: SceneState) -> Outcome:
        """Whether `goal` has been reached since `start`, the state when it was told."""


def _named(goal: Goal, state: SceneState) -> int:
    for index, item in enumerate(state.objects):
        if item.colour == goal.colour and item.shape == goal.shape:
            return index
    raise UnknownNameError(
        "object", f"{goal.colour} {goal.shape}", [f"{o.colour} {o.shape}" for o in state.objects]
    )


def _name(item: ObjectState) -> str:
    return f"the {item.colour} {item.shape}"


def _lifted_m(start: SceneState, now: SceneState, index: int) -> float:
    return float(now.objects[index].position[2] - start.objects[index].position[2])


class PickTask(Task):
    """Lift the target by 6 cm, held by both pads, and nothing else."""

    family = "pick"
    time_limit_s = 12.0

    def success(self, goal: Goal, start: SceneState, now: SceneState) -> Outcome:
        target = _named(goal, now)
        for index, item in enumerate(now.objects):
            if item.position[2] < _OFF_TABLE_M:
                return Outcome(False, f"{_name(item)} fell off the table")
            if index != target and _lifted_m(start, now, index) > WRONG_LIFT_M:
                return Outcome(False, f"{_name(item)} was lifted instead")
        if _lifted_m(start, now, target) >= LIFT_M and now.holding == target:
            return Outcome(True, f"{_name(now.objects[target])} was lifted")
        return UNDECIDED


class PushTask(Task):
    """Move the target 8 cm the way that was told, on the table, leaving the others alone."""

    family = "push"
    time_limit_s = 14.0

    def success(self, goal: Goal, start: SceneState, now: SceneState) -> Outcome:
        target = _named(goal, now)
        for index, (before, item) in enumerate(zip(start.objects, now.objects, strict=True)):
            if item.position[2] < _OFF_TABLE_M:
                return Outcome(False, f"{_name(item)} fell off the table")
            if _lifted_m(start, now, index) > WRONG_LIFT_M:
                return Outcome(False, f"{_name(item)} was lifted")
            moved = float(np.hypot(*(item.position - before.position)[:2]))
            if index != target and moved > WRONG_PUSH_M:
                return Outcome(False, f"{_name(item)} was pushed instead")
        ahead, aside = _displacement(goal, start.objects[target], now.objects[target])
        if ahead >= PUSH_M and aside < ahead:
            return Outcome(True, f"{_name(now.objects[target])} moved {100 * ahead:.0f} cm")
        return UNDECIDED


def _displacement(goal: Goal, before: ObjectState, now: ObjectState) -> tuple[float, float]:
    """Distance moved along and across the direction that was told [m]."""
    u = np.array(DIRECTION_VECTORS[goal.direction or ""])
    moved = (now.position - before.position)[:2]
    return float(moved @ u), abs(float(moved @ np.array([-u[1], u[0]])))


class PressTask(Task):
    """Press the button until it clicks, with at most 25 N, and not the other one."""

    family = "press"
    time_limit_s = 12.0

    def success(self, goal: Goal, start: SceneState, now: SceneState) -> Outcome:
        clicked = False
        for before, button in zip(start.buttons, now.buttons, strict=True):
            new = button.clicks > before.clicks
            if button.peak_force_n > max(MAX_PRESS_N, before.peak_force_n):
                return Outcome(
                    False, f"the {button.colour} button took {button.peak_force_n:.0f} N"
                )
            if new and button.colour != goal.colour:
                return Outcome(False, f"the {button.colour} button was pressed instead")
            clicked |= new
        if clicked:
            return Outcome(True, f"the {goal.colour} button clicked")
        return UNDECIDED


TASKS: dict[str, Task] = {task.family: task for task in (PickTask(), PushTask(), PressTask())}
