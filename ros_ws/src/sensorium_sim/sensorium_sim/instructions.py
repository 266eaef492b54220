"""What is said for a goal of any family, and which families the grammar can say."""

from __future__ import annotations

import numpy as np
from sensorium_core.goal import Goal

from sensorium_sim.grammar import phrases
from sensorium_sim.touch_goals import TouchGoal


def say(goal: Goal | TouchGoal, rng: np.random.Generator, split: str = "train") -> str:
    """Words for a goal: by the grammar of a split, or the plainest where it knows none yet."""
    return phrases(goal, rng, split=split) if isinstance(goal, Goal) else goal.text
