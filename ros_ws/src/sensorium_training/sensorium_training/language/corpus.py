"""The lines that the language network learns from and is measured on, with their labels.

Training lines come from training phrasings, patterns and vocabulary alone, retyped as people type.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_core.codebook import CLASSES, NOTHING, SLOTS, goal_classes
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, Goal
from sensorium_core.language import MAX_PIECES, REASONS
from sensorium_core.wordpiece import WordPiece
from sensorium_sim.grammar import all_goals, candidates, fill, phrases
from sensorium_sim.half_said import half_said
from sensorium_sim.noise import disturb
from sensorium_sim.refusals import RefusalGrammar

_FAMILY_SHARES = {
    "pick": 0.20, "push": 0.18, "press": 0.12, "insert": 0.08, "hold": 0.10, "give": 0.07,
    "feel": 0.07, "put": 0.09, "stack": 0.09,
}  # fmt: skip
"""Pick has the most: it shares its verbs with give and feel."""
NAMED_FREELY = ("pick", "push")
"""The families whose goals may leave out colour or shape."""
NAMINGS = ("both", "colour", "shape")
"""What names the object of such a goal: colour and shape, or one of them alone."""
_NAMING_SHARES: Mapping[str, float] = {"both": 0.6, "colour": 0.2, "shape": 0.2}
"""How often, in a pick or a push.

Not left to the number of goals: of 27, three name a shape alone. Drawn alike, "take the cylinder"
and its like were too few to be told from an unknown object or half a command.
"""
_REASON_SHARES = (0.19, 0.18, 0.22, 0.13, 0.16, 0.12)


@dataclass(frozen=True)
class Line:
    """One labelled line."""

    text: str
    goal: Goal | None
    """`None` for what must be refused."""
    reason: str = "ok"
    marks: tuple[tuple[int, int], ...] = ()
    """Character ranges of the words that give the reason away."""
    named: Mapping[str, str] = field(default_factory=dict)
    """What a line says by slot that only lacks a word; it is for the slots to tell, not for the
    classifier of reasons."""


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
    goals = {family: all_goals(family) for family in ALL_FAMILIES}
    chances = {family: _chances(goals[family]) for family in ALL_FAMILIES}
    shares = [_FAMILY_SHARES[family] for family in ALL_FAMILIES]
    lines = []
    for _ in range(n):
        family = ALL_FAMILIES[int(rng.choice(len(ALL_FAMILIES), p=shares))]
        goal = goals[family][int(rng.choice(len(goals[family]), p=chances[family]))]
        text = phrases(goal, rng, split)
        lines.append(Line(disturb(text, rng) if noise else text, goal))
    return lines


def naming(goal: Goal) -> str:
    """What names the object of a goal: one of `NAMINGS`, or `quality` where it is one of two."""
    if goal.colour and goal.shape:
        return "both"
    return "colour" if goal.colour else "shape" if goal.shape else "quality"


def refused(n: int, rng: np.random.Generator, grammar: RefusalGrammar, noise: bool) -> list[Line]:
    """Draw `n` lines on which the arm must hold still."""
    lines = []
    for _ in range(n):
        drawn = grammar.draw(rng, REASONS[1 + int(rng.choice(len(REASONS) - 1, p=_REASON_SHARES))])
        text = disturb(drawn.text, rng) if noise else drawn.text
        plain, marks = unmark(text)
        lines.append(Line(plain, None, drawn.reason, marks))
    return lines


def lacking(n: int, rng: np.random.Generator, split: str, noise: bool) -> list[Line]:
    """Draw `n` lines that would be commands but for one word, and more."""
    lines = []
    for _ in range(n):
        drawn = half_said(rng, split)
        text = disturb(drawn.text, rng) if noise else drawn.text
        lines.append(Line(text, None, "incomplete", named=drawn.named))
    return lines


def joined(n: int, rng: np.random.Generator, split: str) -> list[Line]:
    """Draw `n` lines of two plain commands of the tabletop families with "and" between them.

    Their objects share neither colour nor shape, so that nobody can take the two for one.
    """
    goals = {family: all_goals(family) for family in FAMILIES}
    chances = {family: _chances(goals[family]) for family in FAMILIES}
    lines: list[Line] = []
    while len(lines) < n:
        families = [FAMILIES[int(at)] for at in rng.integers(len(FAMILIES), size=2)]
        one, other = (goals[f][int(rng.choice(len(goals[f]), p=chances[f]))] for f in families)
        if {one.colour, one.shape} & {other.colour, other.shape} - {None}:
            continue
        texts = []
        for goal in (one, other):
            pool = candidates(goal.family, goal.direction, split != "train", manner=1)
            texts.append(fill(pool[int(rng.integers(len(pool)))], goal, rng))
        lines.append(Line(" and ".join(texts), None, "multiple"))
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
        np.asarray(_classes(line), dtype=np.int64),
        REASONS.index("ok" if line.named else line.reason),
        pointed[:MAX_PIECES],
    )


def _classes(line: Line) -> tuple[int, ...]:
    if not line.named:
        return goal_classes(line.goal)
    return tuple(CLASSES[slot].index(line.named.get(slot, NOTHING[slot])) for slot in SLOTS)


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


def _chances(goals: Sequence[Goal]) -> NDArray[np.float64]:
    """The chance of each goal of a family: alike within a way of naming, shares between them."""
    ways = [naming(goal) for goal in goals]
    alike = Counter(ways)
    weights = np.asarray([_NAMING_SHARES.get(way, 1.0) / alike[way] for way in ways])
    chances: NDArray[np.float64] = weights / weights.sum()
    return chances
