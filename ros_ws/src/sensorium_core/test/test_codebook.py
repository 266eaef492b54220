"""The codes between language and policy: orthonormal, complete and never changing."""

import hashlib

import numpy as np
import pytest
from sensorium_core.codebook import CLASSES, SLOTS, codebook, goal_classes, goal_tokens, slot_codes
from sensorium_core.goal import Goal


def test_codes_are_orthonormal():
    codes = codebook()
    assert codes.shape == (20, 32)
    np.testing.assert_allclose(codes @ codes.T, np.eye(20), atol=1e-6)


def test_codes_are_the_same_for_ever():
    signs = np.packbits(codebook() > 0).tobytes()
    assert hashlib.sha256(signs).hexdigest()[:16] == "5592103ee708cf47"


def test_codes_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        codebook()[0, 0] = 1


def test_slots_divide_the_codebook():
    parts = np.concatenate([slot_codes(slot) for slot in SLOTS])
    np.testing.assert_array_equal(parts, codebook())


@pytest.mark.parametrize(
    ("goal", "names"),
    [
        (Goal("pick", "red", "cube"), ("pick", "red", "cube", "none")),
        (Goal("push", None, "ball", "closer"), ("push", "unspecified", "ball", "closer")),
        (Goal("press", "orange"), ("press", "orange", "unspecified", "none")),
        (None, ("none", "unspecified", "unspecified", "none")),
    ],
)
def test_a_goal_is_the_codes_of_its_classes(goal, names):
    classes = goal_classes(goal)
    assert tuple(CLASSES[slot][at] for slot, at in zip(SLOTS, classes, strict=True)) == names
    read = [
        int(np.argmax(slot_codes(s) @ t)) for s, t in zip(SLOTS, goal_tokens(goal), strict=True)
    ]
    assert tuple(read) == classes
