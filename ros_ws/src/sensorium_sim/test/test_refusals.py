"""Lines to hold still on: every reason, both splits, disjoint in patterns and vocabulary."""

import re

import numpy as np
import pytest
from sensorium_sim.lexicon import known_words, load, split_words
from sensorium_sim.refusals import _LISTS, REASONS, RefusalGrammar, any_families

MARK = re.compile(r"<([^>]*)>")


@pytest.fixture(scope="module")
def grammars():
    return {split: RefusalGrammar(split) for split in ("train", "heldout")}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_every_reason_has_many_different_lines(grammars, split, reason):
    rng = np.random.default_rng(0)
    lines = {grammars[split].draw(rng, reason).plain for _ in range(200)}
    assert len(lines) > 60
    assert not any(set(line) & set("{}()|") for line in lines)


def test_fixed_patterns_of_the_splits_are_disjoint(grammars):
    for reason in REASONS:
        train, heldout = (
            {text for line in grammars[split].patterns[reason] for text in line if _is_fixed(text)}
            for split in ("train", "heldout")
        )
        assert not train & heldout


def _is_fixed(pattern):
    return not any(f"{{{name}}}" in pattern for name in _LISTS)


@pytest.mark.parametrize("name", ["nouns", "skills", "strange_colours", "errands", "smalltalk"])
def test_vocabulary_of_the_splits_is_disjoint_and_both_are_big(name):
    words = load("strange")[name]
    train, heldout = split_words(words, "train"), split_words(words, "heldout")
    assert not set(train) & set(heldout)
    assert len(heldout) >= 5
    assert len(train) > 2 * len(heldout)


def test_dictionary_words_never_contradict_what_the_arm_knows():
    known = RefusalGrammar("train", ["red", "cube", "orb", "walrus", "parsnip", "grab"])
    assert set(known._dictionary) <= {"walrus", "parsnip"}
    assert {"red", "cube", "orb", "grab", "left"} <= known_words()


def test_strange_words_are_not_words_for_known_things():
    words = load("words")
    known = {
        word for kind in ("colours", "shapes") for names in words[kind].values() for word in names
    }
    strange = load("strange")
    for name in ("strange_colours", "strange_shapes", "nouns"):
        assert not known & set(strange[name])


def test_what_the_arm_has_learned_is_no_strange_word():
    strange = load("strange")
    every = {word for name in ("skills", "nouns", "strange_shapes") for word in strange[name]}
    assert not every & {"stack", "insert", "put", "place", "hold", "give", "peg", "bowl", "button"}
    assert not {*strange["strange_pegs"]} & {"round", "square", "circular", "four-sided"}
    qualities = {name for names in load("words")["qualities"].values() for name in names}
    assert not {*strange["strange_qualities"], *strange["strange_pegs"]} & qualities


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_no_skill_that_was_learned_is_refused_as_unknown(grammars, split):
    rng = np.random.default_rng(1)
    for _ in range(1500):
        marked = set(MARK.findall(grammars[split].draw(rng, "unknown_skill").text))
        assert not marked & {"put", "place", "stack", "insert", "press", "push", "pick"}


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_negations_are_of_all_families(grammars, split):
    rng = np.random.default_rng(2)
    lines = " ".join(grammars[split].draw(rng, "negation").plain for _ in range(600))
    assert all(f" {word} " in lines for word in ("peg", "bowl", "gently", "top", "push", "lift"))


def test_the_same_seed_draws_the_same(grammars):
    draws = [
        [grammars["train"].draw(rng).text for _ in range(20)]
        for rng in (np.random.default_rng(9), np.random.default_rng(9))
    ]
    assert draws[0] == draws[1]


def test_a_pick_and_then_a_push_are_met_as_one_line():
    """The pairs of the tabletop families are no rarity among nine, whatever families are added."""
    rng = np.random.default_rng(0)
    drawn = [(any_families(rng), any_families(rng)) for _ in range(4000)]
    pick_then_push = np.mean([1 / (len(first) * len(second)) for first, second in drawn])
    assert pick_then_push > 0.04
    assert {len(families) for pair in drawn for families in pair} == {3, 9}
