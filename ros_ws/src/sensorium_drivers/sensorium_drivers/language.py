"""Typed text to instructions: what may be said at all. Meaning is the language encoder's business.

There is no speech recognition here: a microphone has no driver.
"""

import unicodedata
from collections.abc import Iterable, Iterator

from sensorium_core.errors import InstructionError

MAX_CHARACTERS = 512
_FORBIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")
"""Unicode categories: control, format (which turn text around), surrogate, private, unassigned."""


def parse_instruction(text: str) -> str:
    """The instruction in a line of text: trimmed, composed (NFC). Empty means stop.

    Raises `InstructionError` on more than 512 characters or on invisible ones.
    """
    _require_short(text)
    clean = unicodedata.normalize("NFC", text.strip())
    _require_short(clean)
    for position, character in enumerate(clean):
        if unicodedata.category(character) in _FORBIDDEN:
            raise InstructionError(
                f"has the invisible character U+{ord(character):04X} at {position}", "plain text"
            )
    return clean


def _require_short(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InstructionError(f"has {len(text)} characters", f"at most {MAX_CHARACTERS}")


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
