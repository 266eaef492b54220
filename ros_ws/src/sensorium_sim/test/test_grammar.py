"""Hundreds of phrasings a family, a tenth of them held out for good, every one of them meant."""

import numpy as np
import pytest
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import ALL_FAMILIES, COLOURS, DIRECTIONS, MANNERS, SHAPES, WEIGHTS, Goal
from sensorium_sim.grammar import all_goals, phrases, phrasings
from sensorium_sim.lexicon import expand, fields, load, tidy
from sensorium_sim.noise import disturb


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_each_family_has_hundreds_of_phrasings_and_a_tenth_is_held_out(family):
    known = phrasings(family)
    heldout = sum(phrasing.heldout for phrasing in known)
    assert len(known) > 500
    assert 0.08 < heldout / len(known) < 0.12


@pytest.mark.parametrize("family", ALL_FAMILIES)
def test_splits_share_no_phrasing(family):
    templates = {True: set(), False: set()}
    for phrasing in phrasings(family):
        templates[phrasing.heldout].add(phrasing.template)
    assert not templates[True] & templates[False]


def test_the_held_out_part_does_not_move_when_the_data_grows():
    """These two were held out when the grammar was first written."""
    held = {phrasing.template: phrasing.heldout for phrasing in phrasings("pick")}
    assert held["lift {object}"] is False
    assert [name for name, kept in held.items() if kept][:2] == [
        "gently pick up {object}",
        "try and pick up {object}",
    ]


def test_goals_cover_partial_references():
    assert len(all_goals("press")) == 6
    assert len(all_goals("pick")) == 7 * 4 - 1
    assert len(all_goals("push")) == (7 * 4 - 1) * 4
    counts = {"insert": 2, "hold": 12, "give": 2, "feel": 2, "put": 18 * 6, "stack": 18 * 17}
    assert {family: len(all_goals(family)) for family in counts} == counts
    assert Goal("pick", "red", None) in all_goals("pick")
    assert Goal("push", None, "ball", "left") in all_goals("push")


@pytest.mark.parametrize("split", ["train", "heldout", "unseen"])
def test_every_goal_can_be_said_in_every_split(split):
    rng = np.random.default_rng(0)
    for goal in (goal for family in ALL_FAMILIES for goal in all_goals(family)):
        text = phrases(goal, rng, split)
        assert not set(text) & set("{}()|~<>"), text
        assert text == tidy(text)


NEEDS = {
    "insert": [{"object"}],
    "hold": [{"object", "manner"}, {"object", "touch"}],
    "give": [{"object"}, {"weighs"}],
    "feel": [{"object"}, {"quality"}],
    "put": [{"object", "onto"}],
    "stack": [{"object", "onto"}],
}


@pytest.mark.parametrize("family", NEEDS)
def test_every_phrasing_of_touch_says_all_that_the_family_needs(family):
    for phrasing in phrasings(family):
        said = set(fields(phrasing.template))
        assert any(needed <= said for needed in NEEDS[family]), phrasing


def test_how_hard_tells_a_press_from_a_hold():
    """No press is said with a word for how hard, and no hold without one."""
    words = load("words")
    hardness = {
        word
        for manner in MANNERS
        for text in (*words["manners"][manner], *words["touches"][manner])
        for word in ("gently", "softly", "lightly", "firmly", "hard", "firm", "gentle", "strongly")
        if word in text.split()
    }
    assert len(hardness) == 8
    for phrasing in phrasings("press"):
        assert not hardness & set(phrasing.template.split()), phrasing
    for phrasing in phrasings("hold"):
        assert not hardness & set(phrasing.template.split()), phrasing


def test_the_same_seed_says_the_same():
    goal = Goal("push", "blue", "cylinder", "left")
    said = [[phrases(goal, np.random.default_rng(5)) for _ in range(3)] for _ in range(2)]
    assert said[0] == said[1]


@pytest.mark.parametrize(
    "goal", [Goal("push", "red", "cube"), Goal("press"), Goal("pick"), Goal("press", None, "ball")]
)
def test_an_incomplete_goal_cannot_be_said(goal):
    with pytest.raises(UnknownNameError, match="unknown"):
        phrases(goal, np.random.default_rng(0))


def test_no_word_names_two_things():
    words = load("words")
    kinds = {"colours": COLOURS, "shapes": SHAPES, "directions": DIRECTIONS, "manners": MANNERS}
    kinds |= {"qualities": tuple(words["qualities"]), "weighs": WEIGHTS, "touches": MANNERS}
    for kind, names in kinds.items():
        meant = [{text for item in words[kind][name] for text in expand(item)} for name in names]
        assert sum(map(len, meant)) == len(set.union(*meant))


def test_unseen_words_are_not_taught():
    words = load("words")
    for kind in words["unseen"]:
        taught = {word for names in words[kind].values() for word in names}
        assert not taught & {word for names in words["unseen"][kind].values() for word in names}


def test_typing_noise_keeps_the_words_mostly_as_they_are():
    rng = np.random.default_rng(0)
    text = "please pick up the red cube from the table"
    changed = [disturb(text, rng).lower().rstrip(".!?;, ") for _ in range(300)]
    assert 0.3 < np.mean([line == text for line in changed]) < 0.9
    assert all(len(line) > len(text) // 2 for line in changed)
