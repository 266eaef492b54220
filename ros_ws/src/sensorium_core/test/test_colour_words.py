"""A colour counts only if a word for it was said."""

import pytest
from sensorium_core.colour_words import ColourWords, distance

WORDS = ColourWords({"red": ["red", "crimson"], "blue": ["blue", "navy"], "orange": ["orange"]})


@pytest.mark.parametrize(
    ("first", "second", "slips"),
    [
        ("red", "red", 0),
        ("yelow", "yellow", 1),
        ("ornage", "orange", 1),
        ("blur", "blue", 1),
        ("", "ab", 2),
        ("kitten", "sitting", 3),
    ],
)
def test_distance_counts_slips_both_ways(first, second, slips):
    assert distance(first, second) == distance(second, first) == slips


@pytest.mark.parametrize(
    ("text", "colour", "said"),
    [
        ("pick the crimson cube", "red", True),
        ("pick the crimsno cube", "red", True),
        ("push teh ornage ball", "orange", True),
        ("take the cobalt cube", "red", False),
        ("take the sapphire cube", "blue", False),
        ("take the red cube", "blue", False),
        ("", "red", False),
    ],
)
def test_a_colour_needs_a_word_for_it(text, colour, said):
    assert WORDS.were_said(colour, text.split()) is said


def test_the_words_survive_json():
    again = ColourWords.from_json(WORDS.to_json())
    assert again.to_json() == WORDS.to_json()
