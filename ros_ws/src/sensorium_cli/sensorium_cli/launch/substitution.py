"""The grammar of `$(name argument ...)`: text in, a tree out. What a name means is elsewhere.

As in ROS 2: arguments are parted by one space, an argument may stand in single or double quotes,
substitutions nest, and a backslash takes the next character as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sensorium_core.errors import SubstitutionError

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
MAX_CHARACTERS = 8192
"""Longest text, before and after its substitutions are made."""
_MAX_DEPTH = 32
_CLOSE = "close it with `)`"


@dataclass(frozen=True)
class Call:
    """One `$(name argument ...)`."""

    name: str
    arguments: tuple[Template, ...]
    offset: int
    """Where its `$` stands in the text."""


Template = tuple["str | Call", ...]
"""Text and calls, to be joined."""


def parse_template(text: str) -> Template:
    """Split text into plain text and calls.

    Raises:
        SubstitutionError: with the offset of the bad character.
    """
    if len(text) > MAX_CHARACTERS:
        raise SubstitutionError(
            f"a text of {len(text)} characters", f"make it at most {MAX_CHARACTERS}"
        )
    return _Reader(text).read_template(end="")


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = self._depth = 0

    def read_template(self, end: str) -> Template:
        """Read up to `end` (a quote, or the end of the text), which is left unread."""
        parts: list[str | Call] = []
        while self._at < len(self._text) and self._peek() != end:
            if self._starts_call():
                parts.append(self._read_call(quote=end))
            else:
                _append_text(parts, self._read_character())
        return tuple(parts)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _starts_call(self) -> bool:
        return self._text.startswith("$(", self._at)

    def _read_character(self) -> str:
        if self._peek() == "\\" and self._at + 1 < len(self._text):
            self._at += 1
        self._at += 1
        return self._text[self._at - 1]

    def _read_call(self, quote: str) -> Call:
        start = self._at
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            words = f"substitutions nested deeper than {_MAX_DEPTH}"
            raise SubstitutionError(words, "name parts with `let`", self._at)
        self._at += 2
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise SubstitutionError(
                f"expected a name after `$(`, got {self._peek()!r}",
                r"for a plain `$(` write `\$(`",
                self._at,
            )
        self._at = name.end()
        arguments: list[Template] = []
        while self._peek() == " ":
            self._at += 1
            arguments.append(self._read_argument(quote, start))
        if self._peek() != ")":
            got = repr(self._peek()) if self._peek() else "the end of the text"
            raise SubstitutionError(f"`$({name.group()}` got {got}", _CLOSE, self._at)
        self._at += 1
        self._depth -= 1
        return Call(name.group(), tuple(arguments), start)

    def _read_argument(self, quote: str, start: int) -> Template:
        mark = self._peek()
        if mark in ("'", '"') and not quote:
            self._at += 1
            argument = self.read_template(end=mark)
            if self._peek() != mark:
                raise SubstitutionError(
                    "a quote that does not end", f"close it with {mark}", start
                )
            self._at += 1
            return argument
        parts: list[str | Call] = []
        while self._at < len(self._text) and self._peek() not in (" ", ")", quote or "\n"):
            if self._starts_call():
                parts.append(self._read_call(quote))
            elif self._peek() in _illegal(quote):
                raise SubstitutionError(
                    f"{self._peek()!r} inside an argument",
                    "put the whole argument in quotes",
                    self._at,
                )
            else:
                _append_text(parts, self._read_character())
        if not parts:
            raise SubstitutionError(
                "an empty argument", "part arguments by one space; write '' for nothing", self._at
            )
        return tuple(parts)


def _illegal(quote: str) -> str:
    """Characters that ROS 2 does not take unescaped in an argument, inside or outside quotes."""
    return "(" if quote else "('\""


def _append_text(parts: list[str | Call], text: str) -> None:
    if parts and isinstance(parts[-1], str):
        parts[-1] += text
    else:
        parts.append(text)
