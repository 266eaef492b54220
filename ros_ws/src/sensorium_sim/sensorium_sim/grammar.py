"""Instructions in plain words for a goal: hundreds of phrasings a family, a tenth held out.

A phrasing is a template such as "could you grab {object} for me"; words for colours, shapes and
directions fill it. The split is by phrasing, so that held-out ones are never seen in training.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import COLOURS, DIRECTIONS, FAMILIES, SHAPES, Goal

from sensorium_sim.lexicon import choose, expand, is_heldout, load, one_of, tidy

SPLITS = ("train", "heldout", "unseen")
_MANNERS = (0.6, 0.25, 0.15)
"""Shares of any wording, of the bare action, and of the plainest ones."""
_ONLY = {"push_away": "away", "push_closer": "closer"}


@dataclass(frozen=True)
class Phrasing:
    """One wording of one family, with {object} and, for a push, mostly {direction} to fill."""

    family: str
    template: str
    objects: str
    """Which object patterns fit: `thing`, `button` or `bare_button`."""
    only: str | None = None
    """The one direction this wording can mean, if it is tied to one."""
    simple: bool = False
    """Whether it is the bare action, with nothing around it."""

    @property
    def heldout(self) -> bool:
        """Whether this phrasing is never used in training."""
        return is_heldout(self.template)


@cache
def phrasings(family: str) -> tuple[Phrasing, ...]:
    """Enumerate every phrasing of a family, both splits, without repeats."""
    if family not in FAMILIES:
        raise UnknownNameError("family", family, FAMILIES)
    return tuple(dict.fromkeys(_enumerate(family)))


@cache
def candidates(
    family: str, direction: str | None, heldout: bool, manner: int
) -> tuple[Phrasing, ...]:
    """The phrasings of one split for this family and direction, in one of three manners.

    0 is any, 1 the bare action, 2 the few plainest actions; any where a manner has none.
    """
    core = load("commands")["core"][family]
    pool = tuple(
        phrasing
        for phrasing in phrasings(family)
        if phrasing.heldout == heldout and phrasing.only in (None, direction)
    )
    if manner == 1:
        return tuple(phrasing for phrasing in pool if phrasing.simple) or pool
    if manner == 2:
        return tuple(phrasing for phrasing in pool if phrasing.template in core) or pool
    return pool


def phrases(goal: Goal, rng: np.random.Generator, split: str = "train") -> str:
    """Say a goal in one random wording of a split.

    `unseen` takes held-out phrasings and words for colour and shape that training never saw.

    Raises:
        UnknownNameError: the split is unknown, or the goal lacks what its family needs.
    """
    if split not in SPLITS:
        raise UnknownNameError("split", split, SPLITS)
    _require_complete(goal)
    manner = int(rng.choice(len(_MANNERS), p=_MANNERS))
    pool = candidates(goal.family, goal.direction, split != "train", manner)
    phrasing = pool[int(rng.integers(len(pool)))]
    return fill(phrasing, goal, rng, unseen=split == "unseen")


def fill(phrasing: Phrasing, goal: Goal, rng: np.random.Generator, unseen: bool = False) -> str:
    """Put words for the goal's object and direction into a phrasing."""
    text = phrasing.template.replace("{object}", name_object(goal, phrasing.objects, rng, unseen))
    if goal.direction is not None:
        text = text.replace("{direction}", name_direction(goal.direction, rng))
    return tidy(text)


def name_direction(direction: str, rng: np.random.Generator) -> str:
    """Draw words for a direction."""
    return choose(one_of(load("words")["directions"][direction], rng), rng)


def name_object(goal: Goal, objects: str, rng: np.random.Generator, unseen: bool = False) -> str:
    """Draw words for the object or button that a goal means."""
    words = load("words")
    source = words["unseen"] if unseen else words
    patterns = words["objects"][_object_kind(goal, objects)]
    values = {"det": one_of(words["determiners"], rng)}
    if goal.colour is not None:
        values["colour"] = choose(one_of(source["colours"][goal.colour], rng), rng)
        values["other"] = one_of([name for name in COLOURS if name != goal.colour], rng)
    if goal.shape is not None:
        values["shape"] = one_of(source["shapes"][goal.shape], rng)
        values["adjective"] = one_of(words["shape_adjectives"][goal.shape], rng)
    return choose(one_of(patterns, rng), rng).format(**values)


def all_goals(family: str) -> tuple[Goal, ...]:
    """Enumerate the goals of a family, colour-only and shape-only references included."""
    if family == "press":
        return tuple(Goal("press", colour) for colour in COLOURS)
    things = [(colour, shape) for colour in (*COLOURS, None) for shape in (*SHAPES, None)]
    named = [thing for thing in things if thing != (None, None)]
    ways = DIRECTIONS if family == "push" else (None,)
    return tuple(Goal(family, colour, shape, way) for colour, shape in named for way in ways)


def _object_kind(goal: Goal, objects: str) -> str:
    if objects != "thing":
        return objects
    if goal.colour is None:
        return "shape"
    return "colour" if goal.shape is None else "both"


def _require_complete(goal: Goal) -> None:
    if goal.family == "push" and goal.direction is None:
        raise UnknownNameError("direction", None, DIRECTIONS)
    if goal.family == "press" and goal.colour is None:
        raise UnknownNameError("colour", None, COLOURS)
    if goal.colour is None and goal.shape is None:
        raise UnknownNameError("colour or shape", None, (*COLOURS, *SHAPES))


def _enumerate(family: str) -> Iterator[Phrasing]:
    data = load("commands")
    for group, actions in data["actions"].items():
        if not group.startswith(family):
            continue
        objects = {"press": "button", "press_bare": "bare_button"}.get(group, "thing")
        for action in actions:
            forms = [expand(form) for form in action.split(" / ")]
            for base, doing, done in _aligned(*[list(form) for form in forms]):
                yield from _framed(family, base, doing, done, objects, _ONLY.get(group))
    objects = "button" if family == "press" else "thing"
    for pattern in data["elliptic"][family]:
        for template in expand(pattern):
            yield Phrasing(family, template, objects, None, simple=True)


def _aligned(base: list[str], doing: list[str], done: list[str]) -> Iterator[tuple[str, ...]]:
    for at, form in enumerate(base):
        yield form, doing[min(at, len(doing) - 1)], done[min(at, len(done) - 1)]


def _framed(
    family: str, base: str, doing: str, done: str, objects: str, only: str | None
) -> Iterator[Phrasing]:
    forms = {
        "do": base.replace("~", "{object}"),
        "doing": doing.replace("~", "{object}"),
        "done": done,
        "do_it": base.replace("~", "it"),
        "do_bare": tidy(base.replace("~", "")),
        "object": "{object}",
    }
    forms = {name: form.replace(">", "{direction}") for name, form in forms.items()}
    for patterns in load("commands")["frames"].values():
        for pattern in patterns:
            for frame in _expanded(pattern):
                text = re.sub(r"\{(\w+)\}", lambda found: forms[found[1]], frame)
                yield Phrasing(family, tidy(text), objects, only, simple=frame == "{do}")


@cache
def _expanded(pattern: str) -> tuple[str, ...]:
    return tuple(expand(pattern))
