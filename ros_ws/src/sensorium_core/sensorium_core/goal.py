"""What an instruction asks for, once it is understood: one vocabulary for all task families.

Owns the closed vocabulary that tasks, grammar and policy share. `pick`, `push` and `press` may
leave out colour or shape ("the red one" names no shape), and a family alone stands for the goal
that a scene sets. A goal of a family in which touch decides has all the words that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sensorium_core.errors import UnknownNameError

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("cube", "cylinder", "ball")
DIRECTIONS = ("left", "right", "away", "closer")
PEGS = ("round", "square")
FEELS = ("soft", "hard")
WEIGHTS = ("heavier", "lighter")
MANNERS = ("gently", "firmly")
FAMILIES = ("pick", "push", "press")
"""The families of the tabletop tasks."""
TOUCH_FAMILIES = ("insert", "hold", "give", "feel", "put", "stack")
"""Insert a peg; hold a button down; give the heavier block; find the soft or hard one by feeling;
put into a bowl; stack on another object."""
ALL_FAMILIES = (*FAMILIES, *TOUCH_FAMILIES)
QUALITIES: Mapping[str, tuple[str, ...]] = {"insert": PEGS, "give": WEIGHTS, "feel": FEELS}
"""Which of two, for the families that ask for one of two."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "insert": ("quality",),
    "hold": ("colour", "manner"),
    "give": ("quality",),
    "feel": ("quality",),
    "put": ("colour", "shape", "onto_colour"),
    "stack": ("colour", "shape", "onto_colour", "onto_shape"),
}
"""The fields that a family of touch needs, in the order in which `Goal.words` says them."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "direction": DIRECTIONS,
    "manner": MANNERS,
    "onto_colour": COLOURS,
    "onto_shape": SHAPES,
}
_TABLETOP_FIELDS = ("colour", "shape", "direction")


@dataclass(frozen=True)
class Goal:
    """One understood command. Directions are seen from the robot base: left is +y, away is +x.

    Raises `UnknownNameError` for a word that a field does not know, for a field that the family
    has not, and for one that a family of touch needs and has not got.
    """

    family: str
    colour: str | None = None
    """Of the object that is moved, or of the button."""
    shape: str | None = None
    direction: str | None = None
    quality: str | None = None
    """Which of two: round or square, heavier or lighter, soft or hard."""
    manner: str | None = None
    """How hard a button is held: gently or firmly."""
    onto_colour: str | None = None
    """Of the bowl, or of the object below."""
    onto_shape: str | None = None

    def __post_init__(self) -> None:
        require_name("family", self.family, ALL_FAMILIES)
        touch = self.family in NEEDED
        for name in (*_WORDS, "quality"):
            value = getattr(self, name)
            label = f"{name} of {self.family}" if touch else name
            if name not in NEEDED.get(self.family, _TABLETOP_FIELDS):
                if value is not None:
                    raise UnknownNameError(f"{name} of {self.family}", value, ("nothing",))
            elif value is not None or touch:
                require_name(label, value, allowed_words(self.family, name))

    @property
    def words(self) -> str:
        """Family and words in a fixed order: `pick red cube`, `put red cube blue`."""
        names = NEEDED.get(self.family, _TABLETOP_FIELDS)
        return " ".join([self.family, *(v for n in names if (v := getattr(self, n)) is not None)])

    @property
    def text(self) -> str:
        """The plainest words that a person has for it."""
        thing = " ".join(filter(None, ("the", self.colour, self.shape or "one")))
        return {
            "pick": f"pick up {thing}",
            "push": f"push {thing} {_WAYS.get(self.direction, '')}".strip(),
            "press": f"press the {self.colour} button",
            "insert": f"insert the {self.quality} peg",
            "hold": f"press the {self.colour} button {self.manner}",
            "give": f"give me the {self.quality} block",
            "feel": f"pick up the {self.quality} one",
            "put": f"put {thing} in the {self.onto_colour} bowl",
            "stack": f"stack {thing} on the {self.onto_colour} {self.onto_shape}",
        }[self.family]


_WAYS: Mapping[str | None, str] = {
    "left": "to the left", "right": "to the right", "away": "away from you",
    "closer": "closer to you",
}  # fmt: skip


def families_of(version: int) -> tuple[str, ...]:
    """The families that policies of a version of the contract are trained for."""
    return FAMILIES if version == 1 else ALL_FAMILIES


def allowed_words(family: str, field: str) -> tuple[str, ...]:
    """The words of one field of a goal of some family."""
    return QUALITIES.get(family, ()) if field == "quality" else _WORDS[field]


def touch_goal(family: str, words: Sequence[str]) -> Goal:
    """The goal of a family of touch from the words that it needs, in the order of `Goal.words`.

    Raises `UnknownNameError` for a wrong word, or too few or many.
    """
    require_name("family", family, TOUCH_FAMILIES)
    names = NEEDED[family]
    if len(words) != len(names):
        raise UnknownNameError(f"words of {family}", " ".join(words), (" ".join(names),))
    return Goal(family, **dict(zip(names, words, strict=True)))


def missing(family: str, named: Mapping[str, str | None]) -> tuple[str, ...]:
    """The fields that a family of touch needs and that `named` leaves out, in order."""
    return tuple(name for name in NEEDED.get(family, ()) if named.get(name) is None)


def require_name(field: str, got: str | None, allowed: tuple[str, ...]) -> None:
    """Raise `UnknownNameError` unless `got` is one of `allowed`."""
    if got not in allowed:
        raise UnknownNameError(field, got, allowed)
