"""Whether the object meant is there, from what the policy says of it picture by picture."""

from collections.abc import Sequence

import numpy as np
from sensorium_core.language import Command

_SURE_PRESENT = 0.8
_SURE_ABSENT = 0.05
_MOST_PICTURES = 5
_NOUNS = {"press": "button", "hold": "button", "insert": "peg", "give": "block"}


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
    """The object that a command names, for a person: "red cube", "green button", "round peg"."""
    goal = command.goal
    if goal is None:
        return "such object"
    noun = _NOUNS.get(goal.family) or goal.shape or "object"
    which = goal.colour or goal.quality
    return f"{which} {noun}" if which else noun


def unlearned_words(command: Command, families: tuple[str, ...]) -> str | None:
    """Say for a person that a policy of some families does not know how to do it; or None."""
    if command.goal is None or command.goal.family in families:
        return None
    return f"this policy has not learned to {command.goal.family}, only to {', '.join(families)}"
