"""The lines that the language network learns from and is measured on, with their labels.

Training lines come from training phrasings, patterns and vocabulary alone, retyped as people type.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.codebook import goal_classes
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.language import MAX_PIECES, REASONS
from sensorium_core.wordpiece import WordPiece
from sensorium_sim.grammar import all_goals, phrases
from sensorium_sim.noise import disturb
from sensorium_sim.refusals import RefusalGrammar

_FAMILY_SHARES = {
    "pick": 0.17, "push": 0.20, "press": 0.12, "insert": 0.06, "hold": 0.10, "give": 0.07,
    "feel": 0.07, "put": 0.10, "stack": 0.11,
}  # fmt: skip
_REASON_SHARES = (0.19, 0.19, 0.24, 0.13, 0.12, 0.13)


@dataclass(frozen=True)
class Line:
    """One labelled line."""

    text: str
    goal: Goal | None
    """`None` for what must be refused."""
    reason: str = "ok"
    marks: tuple[tuple[int, int], ...] = ()
    """Character ranges of the words that give the reason away."""


@dataclass(frozen=True)
class Example:
    """A line as the network sees it."""

    ids: NDArray[np.int64]
    slots: NDArray[np.int64]
    """`(7,)` class per slot; of a refusal only the family counts."""
    reason: int
    pointed: NDArray[np.bool_]
    """`(n,)` which pieces give the reason away; none for most."""


def accepted(n: int, rng: np.random.Generator, split: str, noise: bool) -> list[Line]:
    """Draw `n` lines that the arm can act on."""
    goals = {family: _weighted(family) for family in ALL_FAMILIES}
    shares = [_FAMILY_SHARES[family] for family in ALL_FAMILIES]
    lines = []
    for _ in range(n):
        family = ALL_FAMILIES[int(rng.choice(len(ALL_FAMILIES), p=shares))]
        goal = goals[family][int(rng.integers(len(goals[family])))]
        text = phrases(goal, rng, split)
        lines.append(Line(disturb(text, rng) if noise else text, goal))
    return lines


def refused(n: int, rng: np.random.Generator, grammar: RefusalGrammar, noise: bool) -> list[Line]:
    """Draw `n` lines on which the arm must hold still."""
    lines = []
    for _ in range(n):
        drawn = grammar.draw(rng, REASONS[1 + int(rng.choice(len(REASONS) - 1, p=_REASON_SHARES))])
        text = disturb(drawn.text, rng) if noise else drawn.text
        plain, marks = unmark(text)
        lines.append(Line(plain, None, drawn.reason, marks))
    return lines


def unmark(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Take the "<" and ">" out of a line and return what stood between them as ranges."""
    plain, marks, start = "", [], 0
    for char in text:
        if char == "<":
            start = len(plain)
        elif char == ">":
            marks.append((start, len(plain)))
        else:
            plain += char
    return plain, tuple(marks)


def to_example(line: Line, tokenizer: WordPiece) -> Example:
    """Tokenise a line, cut to `MAX_PIECES`."""
    pieces = tokenizer.split(line.text)
    pointed = np.zeros(len(pieces.ids), dtype=bool)
    for word in _marked_words(line, tokenizer):
        pointed |= np.asarray(pieces.word_of) == word
    return Example(
        np.asarray(pieces.ids[:MAX_PIECES], dtype=np.int64),
        np.asarray(goal_classes(line.goal), dtype=np.int64),
        REASONS.index(line.reason),
        pointed[:MAX_PIECES],
    )


def sort_batches(
    examples: Sequence[Example], batch: int, rng: np.random.Generator
) -> list[list[Example]]:
    """Group examples of like length, so that little is padded; batches in random order."""
    jitter = rng.uniform(0, 1.5, len(examples))
    order = np.argsort([len(example.ids) for example in examples] + jitter, kind="stable")
    starts = rng.permutation(np.arange(0, len(examples), batch))
    return [[examples[at] for at in order[start : start + batch]] for start in starts]


def _marked_words(line: Line, tokenizer: WordPiece) -> list[int]:
    words: list[int] = []
    for start, end in line.marks:
        before = len(tokenizer.split(line.text[:start]).words)
        words += range(before, before + len(tokenizer.split(line.text[start:end]).words))
    return words


def _weighted(family: str) -> list[Goal]:
    """Whole references twice as often as those that leave out a colour or a shape."""
    goals = all_goals(family)
    whole = [goal for goal in goals if goal.colour and (goal.shape or family == "press")]
    return [*goals, *whole]
