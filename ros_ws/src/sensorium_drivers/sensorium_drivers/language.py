"""Typed text to instructions: what may be said at all. Meaning is the language encoder's business.

There is no speech recognition here: a microphone has no driver.
"""

from collections.abc import Iterable, Iterator

from sensorium_core.errors import InstructionError
from sensorium_core.instruction import MAX_CHARACTERS, parse_instruction

__all__ = ["MAX_CHARACTERS", "parse_instruction", "read_instructions"]


def read_instructions(lines: Iterable[str]) -> Iterator[str | InstructionError]:
    """One item a line: the instruction, or what is wrong with it.

    Lines that begin with # are comments; other lines count, an empty one too: it stops the arm.
    """
    for line in lines:
        if line.lstrip().startswith("#"):
            continue
        try:
            yield parse_instruction(line)
        except InstructionError as error:
            yield error
