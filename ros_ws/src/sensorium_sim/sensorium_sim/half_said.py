"""Commands of two things that name one of them by half: "stack the red cube on the blue one".

Nothing is strange about them, so that no classifier need tell them from whole ones: the slots
that stay empty do, and the arm asks for what is missing. In the grammar's phrasings, split alike.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sensorium_core.goal import COLOURS, SHAPES, Goal

from sensorium_sim.grammar import MANNER_SHARES, candidates, name_object, name_onto
from sensorium_sim.lexicon import FIELD, one_of, tidy

_FAMILIES = ("put", "stack")
_NAMELESS = {
    "object": ("it", "that", "this", "something", "the object", "one", "the thing", "that one"),
    "bowl": ("the bowl", "a bowl", "one of the bowls", "that bowl", "the dish", "the other bowl"),
    "below": ("it", "that", "the other one", "another one", "something", "the one below"),
}


@dataclass(frozen=True)
class HalfSaid:
    """One such line."""

    text: str
    named: Mapping[str, str]
    """What it says, by slot of the codebook; at least one that the family needs is absent."""


def half_said(rng: np.random.Generator, split: str = "train") -> HalfSaid:
    """Draw one line of a split, `train` or `heldout`."""
    family = one_of(_FAMILIES, rng)
    needed = ["colour", "shape", "onto_colour", *(["onto_shape"] if family == "stack" else [])]
    lost = {needed[int(rng.integers(len(needed)))]}
    lost |= {name for name in needed if rng.random() < 0.2}
    names = {"colour": COLOURS, "shape": SHAPES, "onto_colour": COLOURS, "onto_shape": SHAPES}
    named = {name: one_of(names[name], rng) for name in needed if name not in lost}
    manner = int(rng.choice(len(MANNER_SHARES), p=MANNER_SHARES))
    pool = candidates(family, None, split != "train", manner)
    template = pool[int(rng.integers(len(pool)))].template
    told = {"object": _object(named, rng), "onto": _onto(family, named, rng)}
    text = tidy(FIELD.sub(lambda found: told[found[1]], template))
    return HalfSaid(text, {"family": family, **named})


def _object(named: Mapping[str, str], rng: np.random.Generator) -> str:
    return _thing(named.get("colour"), named.get("shape"), "object", rng)


def _onto(family: str, named: Mapping[str, str], rng: np.random.Generator) -> str:
    colour = named.get("onto_colour")
    if family == "stack":
        return _thing(colour, named.get("onto_shape"), "below", rng)
    if colour is None:
        return one_of(_NAMELESS["bowl"], rng)
    return name_onto(Goal("put", colour, "cube", onto_colour=colour), rng)


def _thing(colour: str | None, shape: str | None, role: str, rng: np.random.Generator) -> str:
    if colour is None and shape is None:
        return one_of(_NAMELESS[role], rng)
    return name_object(Goal("pick", colour, shape), "thing", rng)
