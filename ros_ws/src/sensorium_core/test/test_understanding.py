"""From slots to a goal, or to words: nothing that does not add up gets through."""

import numpy as np
import pytest
from sensorium_core.codebook import CLASSES, NOTHING, SLOTS, slot_values
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, Goal
from sensorium_core.understanding import REASONS, check, explain, goal_of

STACK = {"family": "stack", "colour": "red", "shape": "cube"}
ON_BALL = {**STACK, "onto_colour": "red", "onto_shape": "ball"}


@pytest.mark.parametrize(
    ("named", "kind"),
    [
        ({}, "not_a_command"),
        ({"family": "push", "colour": "red", "shape": "cube"}, "incomplete"),
        ({"family": "pick"}, "incomplete"),
        ({"family": "press"}, "incomplete"),
        ({"family": "press", "colour": "red", "shape": "cube"}, "unknown_object"),
        ({"family": "pick", "colour": "red", "direction": "left"}, "multiple"),
        ({"family": "pick", "colour": "red", "detail": "soft"}, "multiple"),
        ({"family": "pick", "colour": "red", "onto_colour": "red"}, "multiple"),
        ({"family": "pick", "colour": "red", "shape": "cube"}, "ok"),
        ({"family": "insert"}, "incomplete"),
        ({"family": "insert", "detail": "soft"}, "incomplete"),
        ({"family": "insert", "detail": "round", "colour": "red"}, "unknown_object"),
        ({"family": "hold", "colour": "red"}, "incomplete"),
        ({"family": "hold", "detail": "gently"}, "incomplete"),
        ({"family": "hold", "colour": "red", "detail": "gently"}, "ok"),
        ({"family": "put", "colour": "red", "onto_colour": "red"}, "incomplete"),
        ({"family": "put", "colour": "red", "shape": "cube", "detail": "soft"}, "incomplete"),
        ({**STACK, "onto_colour": "red"}, "incomplete"),
        ({**STACK, "onto_colour": "red", "onto_shape": "cube"}, "multiple"),
        (ON_BALL, "ok"),
        (
            {**STACK, "onto_colour": "red", "onto_shape": "ball", "detail": "soft"},
            "unknown_object",
        ),
    ],
)
def test_slots_that_do_not_add_up_are_refused(named, kind):
    got, words = check(named, {})
    assert got == kind
    assert (words is None) == (kind == "ok")


def test_what_is_missing_is_asked_for_with_what_may_be_said():
    asked = {
        "which peg? say round or square": {"family": "insert"},
        "how hard? say gently or firmly": {"family": "hold", "colour": "red"},
        "which bowl? say its colour": {"family": "put", "colour": "red", "shape": "ball"},
        "which object? say its shape": {"family": "put", "colour": "red"},
        "on which object? say its shape": {**STACK, "onto_colour": "blue"},
    }
    for words, named in asked.items():
        assert check(named, {}) == ("incomplete", words)


def test_whatever_the_slots_say_only_whole_goals_get_through():
    rng = np.random.default_rng(0)
    through = 0
    for _ in range(20_000):
        drawn = {slot: str(rng.choice(CLASSES[slot])) for slot in SLOTS}
        sparse = {s: n if rng.random() < 0.4 else NOTHING[s] for s, n in drawn.items()}
        sparse["family"] = drawn["family"]
        named = {slot: None if name == NOTHING[slot] else name for slot, name in sparse.items()}
        kind, words = check(named, {})
        goal = goal_of(named)
        if kind == "ok":
            through += 1
            assert goal is not None
            assert slot_values(goal) == named
        else:
            assert words
    assert through > 500


@pytest.mark.parametrize("slot", SLOTS)
def test_an_unsure_slot_is_not_acted_on(slot):
    named = {"family": "pick", "colour": "red", "shape": "cube"}
    kind, words = check(named, {slot: ("red", 0.4)})
    assert kind == "incomplete"
    assert f"not sure of the {slot.replace('_', ' ')}" in (words or "")


def test_half_a_goal_is_no_goal():
    assert goal_of({"family": "insert"}) is None
    assert goal_of({"family": None}) is None
    assert goal_of({"family": "feel", "detail": "soft"}) == Goal("feel", quality="soft")
    assert goal_of({"family": "push"}) == Goal("push")


@pytest.mark.parametrize("kind", REASONS[1:])
@pytest.mark.parametrize("families", [FAMILIES, ALL_FAMILIES])
def test_every_reason_has_words(kind, families):
    assert len(explain(kind, "word", families)) > 20


def test_an_arm_boasts_of_nothing_that_its_file_does_not_know():
    for kind in ("unknown_skill", "unknown_object", "incomplete"):
        few, all_of_them = (explain(kind, "word", known) for known in (FAMILIES, ALL_FAMILIES))
        for word in ("peg", "bowl", "stack"):
            assert word not in few
        assert "peg" in all_of_them
