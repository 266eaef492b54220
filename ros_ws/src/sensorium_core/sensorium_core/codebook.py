"""The code that carries an understood command to the policy: one fixed vector per class.

A command is seven tokens, one a slot. Each is a mixture of the codes of its slot's classes,
weighted by their probabilities. The codes never change, so that the encoder and the policy can be
trained again without one another. The first four slots, and the first classes of each, are those
of the first release: a policy that takes four tokens is given the first four.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from numpy.typing import NDArray

from sensorium_core.goal import (
    COLOURS,
    DIRECTIONS,
    FAMILIES,
    FEELS,
    MANNERS,
    PEGS,
    SHAPES,
    TOUCH_FAMILIES,
    WEIGHTS,
    Goal,
)

TOKEN_SIZE = 32
SLOTS = ("family", "colour", "shape", "direction", "detail", "onto_colour", "onto_shape")
"""`detail` is the quality or the manner, whichever the family has."""
TABLETOP_SLOTS = SLOTS[:4]
"""All that the tabletop families need."""
NOTHING: Mapping[str, str] = {
    "family": "none",
    "colour": "unspecified",
    "shape": "unspecified",
    "direction": "none",
    "detail": "none",
    "onto_colour": "unspecified",
    "onto_shape": "unspecified",
}
CLASSES: Mapping[str, tuple[str, ...]] = {
    "family": (*FAMILIES, NOTHING["family"], *TOUCH_FAMILIES),
    "colour": (*COLOURS, NOTHING["colour"]),
    "shape": (*SHAPES, NOTHING["shape"]),
    "direction": (*DIRECTIONS, NOTHING["direction"]),
    "detail": (NOTHING["detail"], *PEGS, *FEELS, *WEIGHTS, *MANNERS),
    "onto_colour": (*COLOURS, NOTHING["onto_colour"]),
    "onto_shape": (*SHAPES, NOTHING["onto_shape"]),
}
"""The classes of each slot. New ones go to the end: places and codes stand in files."""
_ROWS: Mapping[str, tuple[int, ...]] = {
    "family": (1, 2, 3, 4, 21, 22, 23, 24, 25, 26),
    "colour": (5, 6, 7, 8, 9, 10, 11),
    "shape": (12, 13, 14, 15),
    "direction": (16, 17, 18, 19, 20),
    "detail": (20, 27, 28, 29, 30, 31, 16, 17, 18),
    "onto_colour": (5, 6, 7, 8, 9, 10, 11),
    "onto_shape": (12, 13, 14, 15),
}
"""Rows of the Hadamard matrix by slot; slots may share rows, since each has its own token."""


@cache
def slot_codes(slot: str) -> NDArray[np.float32]:
    """Return the codes of one slot, `(n_classes, 32)`, orthonormal rows, read-only.

    Rows of the Sylvester-Hadamard matrix of order 32, scaled to length one.
    """
    matrix = np.ones((1, 1))
    while matrix.shape[0] < TOKEN_SIZE:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    scaled = matrix[list(_ROWS[slot])] / np.sqrt(TOKEN_SIZE)
    codes: NDArray[np.float32] = np.asarray(scaled, dtype=np.float32)
    codes.setflags(write=False)
    return codes


@cache
def goal_classes(goal: Goal | None) -> tuple[int, ...]:
    """Return the class index of each slot; `None` is the command to do nothing."""
    values = slot_values(goal)
    return tuple(CLASSES[slot].index(values[slot] or NOTHING[slot]) for slot in SLOTS)


def slot_values(goal: Goal | None) -> dict[str, str | None]:
    """Return what a goal says in each slot; `None` where it says nothing."""
    if goal is None:
        return dict.fromkeys(SLOTS)
    fields = {slot: getattr(goal, slot) for slot in SLOTS if slot != "detail"}
    return {**fields, "detail": goal.quality or goal.manner}


def goal_tokens(goal: Goal | None) -> NDArray[np.float32]:
    """Return the tokens of a goal understood beyond doubt, `(7, 32)`."""
    pairs = zip(SLOTS, goal_classes(goal), strict=True)
    return np.stack([slot_codes(slot)[at] for slot, at in pairs])
