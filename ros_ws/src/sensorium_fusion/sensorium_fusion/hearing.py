"""What an instruction makes of the policy loop, before anything is looked at. Pure functions."""

from typing import NamedTuple, Protocol

from sensorium_core.errors import SensoriumError
from sensorium_core.instruction import parse_instruction
from sensorium_core.language import Command

from sensorium_fusion.grounding import unlearned_words
from sensorium_fusion.step import State


class Language(Protocol):
    """What understands instructions: the language encoder, or who knows what is meant."""

    def encode(self, text: str) -> Command:
        """Understand one instruction."""


class Heard(NamedTuple):
    """State and reason that follow from a text, and what was understood, if anything."""

    state: State
    reason: str
    command: Command | None = None


def heard(text: str, language: Language, families: tuple[str, ...]) -> Heard:
    """Judge a text: an empty one stops; what is not understood, or not learned, is refused."""
    try:
        told = parse_instruction(text)
        command = language.encode(told) if told else None
    except SensoriumError as error:
        return Heard(State.REFUSED, str(error))
    if command is None:
        return Heard(State.IDLE, "told to stop")
    if not command.in_scope:
        return Heard(State.REFUSED, command.reason or "I do not understand that", command)
    unlearned = unlearned_words(command, families)
    if unlearned:
        return Heard(State.REFUSED, unlearned, command)
    return Heard(State.GROUNDING, "looking for the object", command)
