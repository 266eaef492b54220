"""The code that carries an understood command to the policy: one fixed vector per class.

A command is four tokens (family, colour, shape, direction). Each is a mixture of the codes of its
slot's classes, weighted by their probabilities. The codes never change, so that the encoder and
the policy can be trained again without one another.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from sensorium_core.goal import COLOURS, DIRECTIONS, FAMILIES, SHAPES, Goal

TOKEN_SIZE = 32
SLOTS = ("family", "colour", "shape", "direction")
NOTHING = {"family": "none", "colour": "unspecified", "shape": "unspecified", "direction": "none"}
CLASSES: dict[str, tuple[str, ...]] = {
    "family": (*FAMILIES, NOTHING["family"]),
    "colour": (*COLOURS, NOTHING["colour"]),
    "shape": (*SHAPES, NOTHING["shape"]),
    "direction": (*DIRECTIONS, NOTHING["direction"]),
}


@cache
def codebook() -> NDArray[np.float32]:
    """Return the codes, `(20, 32)`, orthonormal rows, in the order of `CLASSES`.

    Rows 1 to 20 of the Sylvester-Hadamard matrix of order 32, scaled to length one.
    """
    matrix = np.ones((1, 1))
    while matrix.shape[0] < TOKEN_SIZE:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]])
    n_classes = sum(len(names) for names in CLASSES.values())
    scaled = matrix[1 : n_classes + 1] / np.sqrt(TOKEN_SIZE)
    codes: NDArray[np.float32] = np.asarray(scaled, dtype=np.float32)
    codes.setflags(write=False)
    return codes


def slot_codes(slot: str) -> NDArray[np.float32]:
    """Return the codes of one slot, `(n_classes, 32)`, a read-only view."""
    at = SLOTS.index(slot)
    start = sum(len(CLASSES[name]) for name in SLOTS[:at])
    return codebook()[start : start + len(CLASSES[slot])]


@cache
def goal_classes(goal: Goal | None) -> tuple[int, int, int, int]:
    """Return the class index of each slot; `None` is the command to do nothing."""
    values = (goal.family, goal.colour, goal.shape, goal.direction) if goal else (None,) * 4
    named = zip(SLOTS, values, strict=True)
    family, colour, shape, direction = (
        CLASSES[slot].index(value or NOTHING[slot]) for slot, value in named
    )
    return family, colour, shape, direction


def goal_tokens(goal: Goal | None) -> NDArray[np.float32]:
    """Return the tokens of a goal understood beyond doubt, `(4, 32)`."""
    pairs = zip(SLOTS, goal_classes(goal), strict=True)
    return np.stack([slot_codes(slot)[at] for slot, at in pairs])
