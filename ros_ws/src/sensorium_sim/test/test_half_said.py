"""Lines that lack a word: what they say is said, what they lack is not there."""

import numpy as np
import pytest
from sensorium_core.goal import COLOURS, NEEDED, SHAPES
from sensorium_sim.half_said import half_said
from sensorium_sim.lexicon import colour_words


def test_every_line_lacks_something_that_its_family_needs():
    rng = np.random.default_rng(0)
    lost = set()
    for _ in range(500):
        line = half_said(rng)
        family = line.named["family"]
        absent = set(NEEDED[family]) - set(line.named)
        assert absent
        assert set(line.named) <= {"family", *NEEDED[family]}
        assert not set(line.text) & set("{}()|~<>")
        lost |= {(family, name) for name in absent}
    assert lost == {(family, name) for family in ("put", "stack") for name in NEEDED[family]}


def test_a_line_says_the_colours_that_it_names():
    rng, words = np.random.default_rng(1), colour_words()
    for _ in range(500):
        line = half_said(rng)
        for slot in ("colour", "onto_colour"):
            if slot in line.named:
                assert line.named[slot] in COLOURS
                assert any(word in line.text for word in words[line.named[slot]])
        assert line.named.get("onto_shape", SHAPES[0]) in SHAPES


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_same_seed_draws_the_same_and_lines_differ(split):
    draws = [
        [half_said(rng, split).text for rng in [np.random.default_rng(4)] for _ in range(50)]
        for _ in range(2)
    ]
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 45
