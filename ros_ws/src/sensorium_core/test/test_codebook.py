"""The codes between language and policy: orthonormal, complete and never changing."""

import hashlib

import numpy as np
import pytest
from sensorium_core.codebook import (
    CLASSES,
    NOTHING,
    SLOTS,
    TABLETOP_SLOTS,
    goal_classes,
    goal_tokens,
    slot_codes,
)
from sensorium_core.goal import Goal

FIRST_RELEASE = {
    "family": ("pick", "push", "press", "none"),
    "colour": ("red", "green", "blue", "yellow", "purple", "orange", "unspecified"),
    "shape": ("cube", "cylinder", "ball", "unspecified"),
    "direction": ("left", "right", "away", "closer", "none"),
}


def first_codes():
    return np.concatenate([slot_codes(slot)[: len(FIRST_RELEASE[slot])] for slot in FIRST_RELEASE])


@pytest.mark.parametrize("slot", SLOTS)
def test_codes_of_a_slot_are_orthonormal_and_one_a_class(slot):
    codes = slot_codes(slot)
    assert codes.shape == (len(CLASSES[slot]), 32)
    np.testing.assert_allclose(codes @ codes.T, np.eye(len(codes)), atol=1e-6)
    assert NOTHING[slot] in CLASSES[slot]


def test_codes_and_places_of_the_first_release_are_the_same_for_ever():
    for slot, names in FIRST_RELEASE.items():
        assert CLASSES[slot][: len(names)] == names
    assert tuple(FIRST_RELEASE) == TABLETOP_SLOTS == SLOTS[:4]
    assert first_codes().shape == (20, 32)
    signs = np.packbits(first_codes() > 0).tobytes()
    assert hashlib.sha256(signs).hexdigest()[:16] == "5592103ee708cf47"
    assert np.unique(np.abs(first_codes())).tolist() == [np.float32(1 / np.sqrt(32))]


def test_codes_of_touch_are_the_same_for_ever():
    signs = np.packbits(np.concatenate([slot_codes(slot) for slot in SLOTS]) > 0).tobytes()
    assert hashlib.sha256(signs).hexdigest()[:16] == "339a74f6dcdbef1e"


def test_what_lies_below_or_around_has_the_codes_of_colour_and_shape():
    np.testing.assert_array_equal(slot_codes("onto_colour"), slot_codes("colour"))
    np.testing.assert_array_equal(slot_codes("onto_shape"), slot_codes("shape"))


def test_codes_cannot_be_changed_by_a_caller():
    with pytest.raises(ValueError, match="read-only"):
        slot_codes("family")[0, 0] = 1


@pytest.mark.parametrize(
    ("goal", "names"),
    [
        (Goal("pick", "red", "cube"), "pick red cube none none - -"),
        (Goal("push", None, "ball", "closer"), "push - ball closer none - -"),
        (Goal("press", "orange"), "press orange - none none - -"),
        (None, "none - - none none - -"),
        (Goal("insert", quality="square"), "insert - - none square - -"),
        (Goal("hold", "blue", manner="firmly"), "hold blue - none firmly - -"),
        (Goal("give", quality="lighter"), "give - - none lighter - -"),
        (Goal("feel", quality="soft"), "feel - - none soft - -"),
        (Goal("put", "red", "ball", onto_colour="green"), "put red ball none none green -"),
        (
            Goal("stack", "red", "ball", onto_colour="blue", onto_shape="cube"),
            "stack red ball none none blue cube",
        ),
    ],
)
def test_a_goal_is_the_codes_of_its_classes(goal, names):
    wanted = tuple(name if name != "-" else "unspecified" for name in names.split())
    classes = goal_classes(goal)
    assert tuple(CLASSES[slot][at] for slot, at in zip(SLOTS, classes, strict=True)) == wanted
    tokens = goal_tokens(goal)
    assert tokens.shape == (7, 32)
    read = [int(np.argmax(slot_codes(s) @ t)) for s, t in zip(SLOTS, tokens, strict=True)]
    assert tuple(read) == classes
