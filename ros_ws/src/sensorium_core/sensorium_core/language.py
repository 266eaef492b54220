"""Words to a command, at run time: one self-describing ONNX file, no torch, one thread.

Owns what the arm says when it does not understand. The file carries its own vocabulary.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sensorium_core.bounded import one_line, parse_json
from sensorium_core.codebook import CLASSES, NOTHING, SLOTS, codebook, goal_tokens
from sensorium_core.colour_words import ColourWords
from sensorium_core.errors import LanguageFileError
from sensorium_core.goal import COLOURS, SHAPES, Goal
from sensorium_core.instruction import require_visible
from sensorium_core.onnx_session import RUN_FAULTS, open_session
from sensorium_core.wordpiece import Pieces, WordPiece

__all__ = ["REASONS", "Command", "LanguageEncoder", "codebook", "goal_tokens"]

REASONS = (
    "ok",
    "negation",
    "unknown_skill",
    "unknown_object",
    "incomplete",
    "multiple",
    "not_a_command",
)
FORMAT = "sensorium-language-2"
MAX_PIECES = 64
_APOSTROPHES = ("'", "\u2019")
_SURE = 0.6
"""A slot less probable than this is not acted on."""
_NEXT_TO = 0.4
"""A word beside the one pointed at is named too if it has this share of its attention."""


@dataclass(frozen=True)
class Command:
    """What was said and what is to be done about it."""

    text: str
    tokens: NDArray[np.float32]
    """Input of the policy, `(4, 32)`: family, colour, shape, direction."""
    slots: Mapping[str, tuple[str, float]]
    """Per slot the likeliest class and its probability."""
    goal: Goal | None
    """The best guess, even when out of scope; `None` if it amounts to no goal at all."""
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
        if parse_json(meta["classes"]) != {slot: list(CLASSES[slot]) for slot in SLOTS}:
            raise ValueError(f"classes {meta['classes'][:200]} are not this release's")
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
        tokens, family, colour, shape, direction, reason, pointer = self._run(ids)
        scores = dict(zip(SLOTS, (family[0], colour[0], shape[0], direction[0]), strict=True))
        return self._judge(text, pieces, tokens[0], {**scores, "reason": reason[0]}, pointer[0])

    def _run(self, ids: NDArray[np.int64]) -> list[NDArray[np.float32]]:
        """The outputs; checked, since a file may declare one shape and compute another."""
        n = ids.shape[1]
        classes = [(1, len(CLASSES[slot])) for slot in SLOTS]
        expected = [(1, 4, 32), *classes, (1, len(REASONS)), (1, n)]
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
        goal = _goal(slots)
        scores = probabilities["reason"]
        kind = "ok" if scores[0] >= self._threshold else REASONS[1 + int(np.argmax(scores[1:]))]
        words = explain(kind, _pointed_words(pieces, pointer)) if kind != "ok" else None
        if kind == "ok":
            kind, words = check(goal, slots)
        if kind == "ok" and not self._was_named(goal, pieces):
            kind, words = "unknown_object", f"which colour? I know {', '.join(COLOURS)}"
        return Command(text, tokens, slots, goal, kind == "ok", kind, words, probabilities)

    def _was_named(self, goal: Goal | None, pieces: Pieces) -> bool:
        colour = goal.colour if goal else None
        return colour is None or self._colour_words.were_said(colour, pieces.words)


def explain(kind: str, pointed: str) -> str:
    """Say for a person why an instruction is refused; `pointed` are the words that tell."""
    if kind == "unknown_object" and pointed in (*COLOURS, *SHAPES, "button"):
        return f'that does not go with "{pointed}": I press buttons, and pick up or push objects'
    return {
        "negation": f'I was told not to do it ("{pointed}")',
        "unknown_skill": f'I know pick up, push and press; I do not know "{pointed}"',
        "unknown_object": f'I do not know "{pointed}": I know cubes, cylinders, balls and buttons'
        " in red, green, blue, yellow, purple and orange",
        "incomplete": "part of the command is missing: what to do, to which object or button, or,"
        " for a push, which way",
        "multiple": f'I do one thing at a time, without conditions ("{pointed}")',
        "not_a_command": "I did not understand that as a command",
    }[kind]


def check(goal: Goal | None, slots: Mapping[str, tuple[str, float]]) -> tuple[str, str | None]:
    """Refuse what the slots do not add up to, whatever the classifier says."""
    if goal is None:
        return "not_a_command", explain("not_a_command", "")
    for slot, (name, probability) in slots.items():
        if probability < _SURE:
            return "incomplete", f"I am not sure of the {slot} (perhaps {name}); say it plainly"
    if goal.family != "push" and goal.direction is not None:
        return "multiple", f"a {goal.family} has no direction; I do one thing at a time"
    if goal.family == "push" and goal.direction is None:
        return "incomplete", "which way? say left, right, away or closer"
    if goal.family == "press":
        if goal.shape is not None:
            return "unknown_object", f"I press buttons; I do not press a {goal.shape}"
        return ("ok", None) if goal.colour else ("incomplete", "which button? say its colour")
    if goal.colour is None and goal.shape is None:
        return "incomplete", "which object? say its colour or its shape"
    return "ok", None


def _goal(slots: Mapping[str, tuple[str, float]]) -> Goal | None:
    named = {slot: None if name == NOTHING[slot] else name for slot, (name, _) in slots.items()}
    family = named.pop("family")
    return Goal(family, **named) if family else None


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
