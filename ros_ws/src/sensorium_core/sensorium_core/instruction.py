"""What may be said at all: the bounds on an instruction's text. Its meaning is not judged here."""

import unicodedata

from sensorium_core.errors import InstructionError

MAX_CHARACTERS = 512
_FORBIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
"""Unicode categories: control, format (which turn text around), surrogate, private, unassigned,
and the two that end a line or a paragraph."""


def parse_instruction(text: str) -> str:
    """The instruction in a line of text: trimmed, composed (NFC). Empty means stop.

    Raises `InstructionError` on more than 512 characters or on invisible ones.
    """
    _require_short(text)
    clean = unicodedata.normalize("NFC", text.strip())
    _require_short(clean)
    require_visible(clean)
    return clean


def require_visible(text: str) -> None:
    """Raise `InstructionError` on a character that nobody sees or that turns text around."""
    for position, character in enumerate(text):
        if unicodedata.category(character) in _FORBIDDEN:
            raise InstructionError(
                f"has the invisible character U+{ord(character):04X} at {position}", "plain text"
            )


def shown(text: str) -> str:
    r"""An instruction as it may be logged and published: itself, or a short form if it is none.

    The short form has at most 60 characters of it, what cannot be seen as an escape, `\u202e`.
    """
    try:
        _require_short(text)
        require_visible(text.strip())
    except InstructionError as error:
        return f"{text[:60]!r} ({error})"
    return text


def _require_short(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InstructionError(f"has {len(text)} characters", f"at most {MAX_CHARACTERS}")
