"""An expert of a touch task that looks on while something else drives, and notes what it would do.

With its notes episodes of a policy can be labelled (DAgger). One object an episode, one thread.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

from sensorium_sim.expert_note import take_note
from sensorium_sim.readings import Readings
from sensorium_sim.scene import SceneState
from sensorium_sim.touch_driver import join
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_scene import TouchState
from sensorium_sim.touch_sight import sight_of

Array = NDArray[np.float64]

_PARTS = 10
"""Stretches of 10 ms between two decisions."""


class Shadow:
    """The expert of a goal, which is told what the arm feels and asked ten times a second."""

    def __init__(self, goal: Goal) -> None:
        self._goal, self._expert = goal, make_expert(goal, feels=True)
        self._parts: deque[Readings] = deque(maxlen=_PARTS)

    def felt(self, readings: Readings) -> None:
        """What was felt in the last 10 ms."""
        self._parts.append(readings)

    def decide(self, state: SceneState, tool: Array) -> str:
        """The note of a decision now, as JSON; `tool` is the commanded pose `(4,)`."""
        assert isinstance(state, TouchState)
        readings = join(list(self._parts)) if self._parts else None
        sight = sight_of(state, tool, readings)
        return take_note(self._goal.family, self._expert, sight).to_json()
