"""The tasks of all nine families under one interface: scene and goal of a seed, and the judge."""

from __future__ import annotations

from collections.abc import Mapping

from sensorium_core.goal import TOUCH_FAMILIES, Goal

from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.tasks import TASKS, Outcome, Task
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import TouchState
from sensorium_sim.touch_tasks import TIME_LIMITS_S, judge


class TouchTask(Task):
    """A family where touch decides; its states are those of `TouchCell`."""

    def __init__(self, family: str) -> None:
        self.family, self.time_limit_s = family, TIME_LIMITS_S[family]

    def reset(self, seed: int) -> tuple[Scene, Goal]:
        """The scene of a seed and what is to be done in it."""
        return touch_scene(self.family, seed)

    def success(self, goal: Goal, start: SceneState, now: SceneState) -> Outcome:
        """Whether `goal` has been reached since `start`, the state when it was told."""
        assert isinstance(start, TouchState)
        assert isinstance(now, TouchState)
        return judge(goal, start, now)


ALL_TASKS: Mapping[str, Task] = {
    **TASKS,
    **{family: TouchTask(family) for family in TOUCH_FAMILIES},
}
"""By family."""
