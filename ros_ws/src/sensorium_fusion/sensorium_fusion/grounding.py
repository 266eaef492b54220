"""Whether the object meant is there, from what the policy says of it picture by picture."""

from collections.abc import Sequence

import numpy as np
from sensorium_core.language import Command

_SURE_PRESENT = 0.8
_SURE_ABSENT = 0.05
_MOST_PICTURES = 5


def is_present(probabilities: Sequence[float]) -> bool | None:
    """Present, absent, or None: look once more. Doubt is settled after five pictures."""
    mean = float(np.mean(probabilities))
    sure = mean > _SURE_PRESENT or mean < _SURE_ABSENT
    if not sure and len(probabilities) < _MOST_PICTURES:
        return None
    return mean >= 0.5


def absent_words(command: Command, probabilities: Sequence[float]) -> str:
    """What to say when it is not there."""
    return f"I see no {object_words(command)} (probability {float(np.mean(probabilities)):.2f})"


def object_words(command: Command) -> str:
    """The object that a command names, for a person: "red cube", "green button"."""
    goal = command.goal
    if goal is None:
        return "such object"
    noun = "button" if goal.family == "press" else (goal.shape or "object")
    return f"{goal.colour} {noun}" if goal.colour else noun
