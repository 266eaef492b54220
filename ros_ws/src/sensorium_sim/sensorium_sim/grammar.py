"""Instructions in plain words for a goal: hundreds of phrasings a family, a tenth held out.

A phrasing is a template such as "could you grab {object} for me"; words for colours, shapes,
directions and what touch asks for fill it. The split is by phrasing, so that held-out ones are
never seen in training.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import (
    ALL_FAMILIES,
    COLOURS,
    DIRECTIONS,
    MANNERS,
    QUALITIES,
    SHAPES,
    Goal,
)

from sensorium_sim.lexicon import FIELD, choose, expand, is_heldout, load, one_of, tidy

SPLITS = ("train", "heldout", "unseen")
_MANNERS = (0.6, 0.25, 0.15)
"""Shares of any wording, of the bare action, and of the plainest ones."""
_ONLY = {"push_away": "away", "push_closer": "closer"}
_BESIDES = {"push": "{direction}", "hold": "{manner}", "put": "{onto}", "stack": "{onto}"}
"""What ">" stands for in the actions of a family."""
_OBJECTS = {
    "press": "button",
    "press_bare": "bare_button",
    "insert": "peg",
    "insert_bare": "bare_peg",
    "hold": "button",
    "hold_bare": "bare_button",
    "give": "weight",
    "feel": "feel",
}
"""Which object patterns fit a group of actions, where it is not `thing`."""
_BUTTON_FAMILIES = ("press", "hold")
_MANNER_WORD = re.compile(r"\b(gently|firmly|softly|hard)\b")
"""Around a button these words say what to do, and how hard, not how to go about it."""


@dataclass(frozen=True)
class Phrasing:
    """One wording of one family, with {object} and what the family needs besides to fill."""

    family: str
    template: str
    objects: str
    """Which object patterns fit: `thing`, or one of those in the words that is no thing."""
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
    if family not in ALL_FAMILIES:
        raise UnknownNameError("family", family, ALL_FAMILIES)
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

    `unseen` takes held-out phrasings and words for colour, shape, quality and manner that
    training never saw.

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
    """Put words for all that the goal asks for into a phrasing."""
    return tidy(fill_template(phrasing.template, goal, phrasing.objects, rng, unseen))


def fill_template(
    template: str, goal: Goal, objects: str, rng: np.random.Generator, unseen: bool = False
) -> str:
    """Put words for all that the goal asks for into a template.

    Object and direction are drawn first, wherever they stand.
    """
    words = load("words")
    rare = words["unseen"] if unseen else words
    told = {"object": name_object(goal, objects, rng, unseen)}
    if goal.direction is not None:
        told["direction"] = name_direction(goal.direction, rng)
    makers: dict[str, Callable[[], str]] = {
        "manner": lambda: choose(one_of(rare["manners"][goal.manner], rng), rng),
        "touch": lambda: one_of(words["touches"][goal.manner], rng),
        "quality": lambda: one_of(rare["qualities"][goal.quality], rng),
        "weighs": lambda: one_of(words["weighs"][goal.quality], rng),
        "onto": lambda: name_onto(goal, rng, unseen),
    }
    return FIELD.sub(lambda found: told.get(found[1]) or makers[found[1]](), template)


def name_direction(direction: str, rng: np.random.Generator) -> str:
    """Draw words for a direction."""
    return choose(one_of(load("words")["directions"][direction], rng), rng)


def name_object(goal: Goal, objects: str, rng: np.random.Generator, unseen: bool = False) -> str:
    """Draw words for the object or button that a goal means."""
    said = (goal.colour, goal.shape, goal.quality)
    return _name(_object_kind(goal, objects), *said, rng, unseen)


def name_onto(goal: Goal, rng: np.random.Generator, unseen: bool = False) -> str:
    """Draw words for the bowl, or for the object below."""
    kind = "bowl" if goal.family == "put" else "below"
    return _name(kind, goal.onto_colour, goal.onto_shape, None, rng, unseen)


def _name(
    kind: str,
    colour: str | None,
    shape: str | None,
    quality: str | None,
    rng: np.random.Generator,
    unseen: bool,
) -> str:
    words = load("words")
    source = words["unseen"] if unseen else words
    values = {"det": one_of(words["determiners"], rng)}
    if colour is not None:
        values["colour"] = choose(one_of(source["colours"][colour], rng), rng)
        values["other"] = one_of([name for name in COLOURS if name != colour], rng)
    if shape is not None:
        values["shape"] = one_of(source["shapes"][shape], rng)
        values["adjective"] = one_of(words["shape_adjectives"][shape], rng)
    if quality is not None:
        values["quality"] = one_of(source["qualities"][quality], rng)
        pair = next(names for names in QUALITIES.values() if quality in names)
        values["other_quality"] = pair[1 - pair.index(quality)]
        values["weighs"] = one_of(words["weighs"].get(quality, [""]), rng)
    return choose(one_of(words["objects"][kind], rng), rng).format(**values)


@cache
def action_templates(family: str, direction: str | None, form: str) -> tuple[tuple[str, ...], str]:
    """The plain actions of a family as templates, and which object patterns fit them.

    `form` is {do}, {doing} or {done}.
    """
    at = ("{do}", "{doing}", "{done}").index(form)
    data = load("commands")["actions"]
    actions = [*data[family], *data.get(f"{family}_{direction}", ())]
    plain = (next(expand(action.split(" / ")[at])) for action in actions)
    besides = _BESIDES.get(family, "")
    filled = (text.replace("~", "{object}").replace(">", besides) for text in plain)
    return tuple(filled), _OBJECTS.get(family, "thing")


def all_goals(family: str) -> tuple[Goal, ...]:
    """Enumerate the goals of a family, colour-only and shape-only references included."""
    if family == "press":
        return tuple(Goal("press", colour) for colour in COLOURS)
    if family in QUALITIES:
        return tuple(Goal(family, quality=quality) for quality in QUALITIES[family])
    if family == "hold":
        return tuple(Goal("hold", colour, manner=m) for colour in COLOURS for m in MANNERS)
    if family in ("put", "stack"):
        return _two_things(family)
    things = [(colour, shape) for colour in (*COLOURS, None) for shape in (*SHAPES, None)]
    named = [thing for thing in things if thing != (None, None)]
    ways = DIRECTIONS if family == "push" else (None,)
    return tuple(Goal(family, colour, shape, way) for colour, shape in named for way in ways)


def _two_things(family: str) -> tuple[Goal, ...]:
    """Every thing and every other place for it."""
    things = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    places = things if family == "stack" else [(colour, None) for colour in COLOURS]
    return tuple(
        Goal(family, *thing, onto_colour=place[0], onto_shape=place[1])
        for thing in things
        for place in places
        if thing != place
    )


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
    if goal.colour is None and goal.shape is None and goal.quality is None:
        raise UnknownNameError("colour or shape", None, (*COLOURS, *SHAPES))


def _enumerate(family: str) -> Iterator[Phrasing]:
    data = load("commands")
    for group, actions in data["actions"].items():
        if group.partition("_")[0] != family:
            continue
        objects = _OBJECTS.get(group, "thing")
        for action in actions:
            forms = [expand(form) for form in action.split(" / ")]
            for base, doing, done in _aligned(*[list(form) for form in forms]):
                yield from _framed(family, base, doing, done, objects, _ONLY.get(group))
    objects = _OBJECTS.get(family, "thing")
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
    besides = _BESIDES.get(family, "")
    forms = {name: form.replace(">", besides) for name, form in forms.items()}
    for patterns in load("commands")["frames"].values():
        for pattern in patterns:
            for frame in _expanded(pattern):
                if family in _BUTTON_FAMILIES and _MANNER_WORD.search(frame):
                    continue
                text = re.sub(r"\{(\w+)\}", lambda found: forms[found[1]], frame)
                yield Phrasing(family, tidy(text), objects, only, simple=frame == "{do}")


@cache
def _expanded(pattern: str) -> tuple[str, ...]:
    return tuple(expand(pattern))
