"""Reads a file of test phrases: `family<TAB>target<TAB>free text`, one a line.

The target names a colour, a shape and a direction in any order: `red cube`, `blue cylinder left`,
`green`. Where touch decides, it is the words that the family needs, in order: `round`,
`red gently`, `red cube blue` (into the blue bowl), `red cube yellow ball` (on the yellow ball).
The family `none` with the target `-` marks words on which holding still is success.
Blank lines and lines that begin with `#` are skipped.
"""

from dataclasses import dataclass
from pathlib import Path

from sensorium_core.bounded import one_line, read_bytes
from sensorium_core.errors import PhrasesFileError, UnknownNameError
from sensorium_core.goal import (
    ALL_FAMILIES,
    COLOURS,
    DIRECTIONS,
    NEEDED,
    SHAPES,
    Goal,
    touch_goal,
)

_LINE = "family<TAB>target<TAB>text, for example: pick<TAB>red cube<TAB>grab the red block"
_NOTHING = "none"
MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class Phrase:
    """One line of the file."""

    line: int
    """Counted from 1."""
    text: str
    goal: Goal | None
    """`None`: the arm is to hold still."""


def read_phrases(path: Path) -> tuple[Phrase, ...]:
    """Read every phrase of a file.

    Raises:
        PhrasesFileError: the file is missing or empty, or a line of it is not well formed.
    """
    try:
        content = read_bytes(path, MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise PhrasesFileError(path, 0, "no such file", "a text file") from None
    except UnicodeDecodeError as failure:
        raise PhrasesFileError(path, 0, f"not UTF-8 ({failure.reason})", "UTF-8 text") from None
    except (OSError, ValueError) as failure:
        raise PhrasesFileError(path, 0, one_line(failure), "a readable text file") from None
    numbered = enumerate(content.splitlines(), start=1)
    phrases = tuple(
        _parse(path, number, line)
        for number, line in numbered
        if line.strip() and not line.startswith("#")
    )
    if not phrases:
        raise PhrasesFileError(path, 1, "no phrases", f"lines of {_LINE}")
    return phrases


def _parse(path: Path, number: int, line: str) -> Phrase:
    cells = [cell.strip() for cell in line.split("\t")]
    if len(cells) != 3:
        raise PhrasesFileError(path, number, f"{len(cells)} column(s)", _LINE)
    family, target, text = cells
    if family not in (*ALL_FAMILIES, _NOTHING):
        allowed = ", ".join((*ALL_FAMILIES, _NOTHING))
        raise PhrasesFileError(
            path, number, f"unknown family {family[:40]!r}", f"one of {allowed}"
        )
    if family == _NOTHING:
        if target != "-":
            raise PhrasesFileError(path, number, f"target {target!r} of none", "the target -")
        return Phrase(number, text, None)
    if not text:
        raise PhrasesFileError(path, number, "no text", _LINE)
    parse = _parse_touch if family in NEEDED else _parse_target
    return Phrase(number, text, parse(path, number, family, target))


def _parse_touch(path: Path, number: int, family: str, target: str) -> Goal:
    try:
        return touch_goal(family, target.split())
    except UnknownNameError as wrong:
        needs = " ".join(f"<{name}>" for name in NEEDED[family])
        got = f"target {target[:60]!r} of {family}"
        raise PhrasesFileError(path, number, got, f"{needs} ({wrong})") from None


def _parse_target(path: Path, number: int, family: str, target: str) -> Goal:
    kinds = {"colour": COLOURS, "shape": SHAPES, "direction": DIRECTIONS}
    found: dict[str, str] = {}
    for word in target.split():
        kind = next((kind for kind, names in kinds.items() if word in names), None)
        if kind is None:
            names = ", ".join(name for group in kinds.values() for name in group)
            raise PhrasesFileError(
                path, number, f"unknown target {word[:40]!r}", f"words of: {names}"
            )
        if kind in found:
            raise PhrasesFileError(path, number, f"target names two {kind}s", "one of each kind")
        found[kind] = word
    _require_fit(path, number, family, target, found)
    return Goal(family, found.get("colour"), found.get("shape"), found.get("direction"))


def _require_fit(path: Path, number: int, family: str, target: str, found: dict[str, str]) -> None:
    wanted = {
        "pick": ("a colour, a shape or both", {"colour", "shape"}),
        "push": ("a direction, and a colour, a shape or both", {"colour", "shape", "direction"}),
        "press": ("one colour", {"colour"}),
    }
    allowed, kinds = wanted[family]
    complete = {
        "pick": bool(found),
        "push": "direction" in found and len(found) > 1,
        "press": "colour" in found,
    }
    if not complete[family] or set(found) - kinds:
        raise PhrasesFileError(path, number, f"target {target!r} of {family}", allowed)
