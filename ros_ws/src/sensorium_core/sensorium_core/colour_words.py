"""A second opinion on colours: is there a word in the text that can mean the colour understood?

A network that meets an unknown colour word guesses a known colour, and is sure of it. Acting on
the wrong object is worse than asking, so a colour counts only if one of its words was said, give
or take a slip of the finger.
"""

import json
from collections.abc import Iterable, Mapping

from sensorium_core.bounded import parse_json

_LONG = 7
_SHORT = 3


class ColourWords:
    """The words that can mean each colour."""

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._words = {colour: frozenset(names) for colour, names in words.items()}

    @classmethod
    def from_json(cls, text: str) -> "ColourWords":
        """Read what `to_json` wrote. Raises `ValueError`, `TypeError` or `AttributeError`."""
        words = parse_json(text)
        if not all(isinstance(name, str) for names in words.values() for name in names):
            raise ValueError("colour words that are not texts")
        return cls(words)

    def to_json(self) -> str:
        """Write the words, sorted."""
        return json.dumps({colour: sorted(names) for colour, names in self._words.items()})

    def know(self, colours: Iterable[str]) -> bool:
        """Say whether there are words for every colour."""
        return set(colours) <= self._words.keys()

    def were_said(self, colour: str, said: Iterable[str]) -> bool:
        """Say whether any of the lower-case words `said` can mean `colour`."""
        known = self._words[colour]
        heard = tuple(said)
        if known.intersection(heard):
            return True
        return any(_is_slip(word, name) for word in heard for name in known)


def distance(first: str, second: str) -> int:
    """Count the slips between two words: a letter lost, added, changed, or two swapped."""
    rows = [list(range(len(second) + 1))]
    for i, a in enumerate(first, start=1):
        row = [i]
        for j, b in enumerate(second, start=1):
            best = min(rows[-1][j] + 1, row[-1] + 1, rows[-1][j - 1] + (a != b))
            if i > 1 and j > 1 and a == second[j - 2] and first[i - 2] == b:
                best = min(best, rows[-2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def _is_slip(word: str, name: str) -> bool:
    if min(len(word), len(name)) < _SHORT or abs(len(word) - len(name)) > 2:
        return False
    return distance(word, name) <= (2 if len(name) >= _LONG else 1)
