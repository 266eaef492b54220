"""Words to a command, at run time: one self-describing ONNX file, no torch, one thread.

Owns how a file's answers become a command. The file carries its own vocabulary and says which
classes it knows; one that knows fewer than this release still works, and never names the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium_core.bounded import one_line, parse_json
from sensorium_core.codebook import (
    CLASSES,
    NOTHING,
    SLOTS,
    TABLETOP_SLOTS,
    TOKEN_SIZE,
    goal_tokens,
)
from sensorium_core.colour_words import ColourWords
from sensorium_core.errors import LanguageFileError
from sensorium_core.goal import ALL_FAMILIES, COLOURS, Goal
from sensorium_core.instruction import require_visible
from sensorium_core.onnx_session import RUN_FAULTS, open_session
from sensorium_core.understanding import REASONS, check, explain, goal_of
from sensorium_core.wordpiece import Pieces, WordPiece

__all__ = ["REASONS", "Command", "LanguageEncoder", "check", "explain", "goal_tokens"]

FORMAT = "sensorium-language-2"
MAX_PIECES = 64
_APOSTROPHES = ("'", "\u2019")
_NEXT_TO = 0.4
"""A word beside the one pointed at is named too if it has this share of its attention."""


@dataclass(frozen=True)
class Command:
    """What was said and what is to be done about it."""

    text: str
    tokens: NDArray[np.float32]
    """Input of the policy, `(7, 32)`: one a slot of the codebook."""
    slots: Mapping[str, tuple[str, float]]
    """Per slot the likeliest class and its probability."""
    goal: Goal | None
    """The best guess, even when out of scope; `None` if it amounts to no whole goal."""
    in_scope: bool
    """Whether the arm may move."""
    reason_class: str
    """One of `REASONS`."""
    reason: str | None = None
    """For a person: why the arm holds still."""
    probabilities: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Per slot, and for `reason`, the probability of each class."""


class LanguageEncoder:
    """Runs the encoder file. Not thread-safe; encode once per instruction and keep the result."""

    def __init__(self, path: str | Path, sha256: str = "") -> None:
        """Load the file. Raises `LanguageFileError`; also when its hash is not the pinned one."""
        self.path = Path(path)
        if not self.path.is_file():
            raise LanguageFileError(self.path, "no such file")
        self._session, self.sha256, meta = open_session(self.path, LanguageFileError, sha256)
        if meta.get("format") != FORMAT:
            raise LanguageFileError(
                self.path, f"format {meta.get('format', '')[:40]!r}, not {FORMAT!r}"
            )
        self.metadata = {key: value for key, value in meta.items() if key != "vocabulary"}
        try:
            self._read_metadata(meta)
        except (LookupError, ValueError, TypeError, AttributeError) as error:
            words = f"its metadata cannot be used ({type(error).__name__}: {one_line(error)})"
            raise LanguageFileError(self.path, words) from None

    def _read_metadata(self, meta: Mapping[str, str]) -> None:
        self._classes = _read_classes(meta["classes"])
        known = self._classes["family"]
        self.families = tuple(name for name in ALL_FAMILIES if name in known)
        self.tokenizer = WordPiece(meta["vocabulary"].split("\n"))
        self._threshold = float(meta["threshold"])
        if not 0.0 <= self._threshold <= 1.0:
            raise ValueError(f"threshold {self._threshold}, not a probability")
        self._colour_words = ColourWords.from_json(meta["colour_words"])
        if not self._colour_words.know(COLOURS):
            raise ValueError(f"colour words without all of {COLOURS}")

    def encode(self, text: str) -> Command:
        """Understand one instruction.

        Raises:
            TextTooLongError: the text is longer than 512 characters.
            InstructionError: it holds control characters, or such as turn its direction.
        """
        pieces = self.tokenizer.split(text)
        require_visible(text.strip())
        if not any(word[0].isalnum() for word in pieces.words):
            return _refused(text, "not_a_command", "I was told nothing")
        if len(pieces.ids) > MAX_PIECES:
            return _refused(text, "multiple", "that is too long for me; say one short command")
        ids = np.asarray([pieces.ids], dtype=np.int64)
        tokens, *scores, reason, pointer = self._run(ids)
        named = zip(self._classes.items(), scores, strict=True)
        likely = {slot: _spread(slot, known, score[0]) for (slot, known), score in named}
        likely |= {slot: _certain(slot) for slot in SLOTS if slot not in likely}
        told = np.concatenate([tokens[0], goal_tokens(None)[len(tokens[0]) :]])
        return self._judge(text, pieces, told, {**likely, "reason": reason[0]}, pointer[0])

    def _run(self, ids: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """The outputs; checked, since a file may declare one shape and compute another."""
        n = ids.shape[1]
        classes = [(1, len(known)) for known in self._classes.values()]
        expected = [(1, len(classes), TOKEN_SIZE), *classes, (1, len(REASONS)), (1, n)]
        try:
            found: list[NDArray[np.float32]] = self._session.run(None, {"ids": ids})
        except RUN_FAULTS as fault:
            raise LanguageFileError(self.path, f"cannot be run ({one_line(fault)})") from None
        got = [getattr(value, "shape", None) for value in found]
        if got != expected or not all(bool(np.isfinite(value).all()) for value in found):
            raise LanguageFileError(self.path, f"answers {got!s:.200}; expected finite {expected}")
        return found

    def _judge(
        self,
        text: str,
        pieces: Pieces,
        tokens: NDArray[np.float32],
        probabilities: dict[str, NDArray[np.float32]],
        pointer: NDArray[np.float32],
    ) -> Command:
        slots = {slot: _best(slot, probabilities[slot]) for slot in SLOTS}
        named = {
            slot: None if name == NOTHING[slot] else name for slot, (name, _) in slots.items()
        }
        scores = probabilities["reason"]
        kind = "ok" if scores[0] >= self._threshold else REASONS[1 + int(np.argmax(scores[1:]))]
        words = None
        if kind != "ok":
            words = explain(kind, _pointed_words(pieces, pointer), self.families)
        else:
            kind, words = check(named, slots)
        goal = goal_of(named)
        if kind == "ok" and not self._were_named(goal, pieces):
            kind, words = "unknown_object", f"which colour? I know {', '.join(COLOURS)}"
        return Command(text, tokens, slots, goal, kind == "ok", kind, words, probabilities)

    def _were_named(self, goal: Goal | None, pieces: Pieces) -> bool:
        colours = {goal.colour, goal.onto_colour} - {None} if goal else ()
        return all(self._colour_words.were_said(str(c), pieces.words) for c in colours)


def _read_classes(text: str) -> dict[str, tuple[str, ...]]:
    """Which slots and classes a file knows: of each slot of this release, the first few."""
    told = parse_json(text)
    if not isinstance(told, dict) or not all(isinstance(names, list) for names in told.values()):
        raise ValueError(f"classes {text[:200]} are not lists by slot")
    classes = {slot: tuple(names) for slot, names in told.items()}
    known = tuple(classes) in (TABLETOP_SLOTS, SLOTS) and all(
        NOTHING[slot] in names and CLASSES[slot][: len(names)] == names
        for slot, names in classes.items()
    )
    if not known:
        raise ValueError(f"classes {text[:200]} are not this release's")
    return classes


def _spread(slot: str, known: tuple[str, ...], score: NDArray[np.float32]) -> NDArray[np.float32]:
    """The probabilities of all classes; none for those that the file does not know."""
    return np.pad(score, (0, len(CLASSES[slot]) - len(known)))


def _certain(slot: str) -> NDArray[np.float32]:
    """Nothing was said, says a file without that slot."""
    return np.asarray([name == NOTHING[slot] for name in CLASSES[slot]], dtype=np.float32)


def _refused(text: str, kind: str, words: str) -> Command:
    slots = {slot: (NOTHING[slot], 1.0) for slot in SLOTS}
    return Command(text, goal_tokens(None), slots, None, False, kind, words)


def _best(slot: str, probabilities: NDArray[np.float32]) -> tuple[str, float]:
    at = int(np.argmax(probabilities))
    return CLASSES[slot][at], float(probabilities[at])


def _pointed_words(pieces: Pieces, pointer: NDArray[np.float32]) -> str:
    """The words under most of the attention that led to the refusal."""
    weight = np.zeros(len(pieces.words))
    for at, word in enumerate(pieces.word_of):
        if word >= 0 and pieces.words[word][0].isalnum():
            weight[word] += pointer[at]
    first = last = int(np.argmax(weight))
    enough = weight[first] * _NEXT_TO
    while first > 0 and weight[first - 1] > enough:
        first -= 1
    while last + 1 < len(weight) and weight[last + 1] > enough:
        last += 1
    while first >= 2 and pieces.words[first - 1] in _APOSTROPHES:
        first -= 2
    while last + 2 < len(weight) and pieces.words[last + 1] in _APOSTROPHES:
        last += 2
    return " ".join(pieces.words[first : last + 1]).replace(" ' ", "'").replace(" ’ ", "’")
