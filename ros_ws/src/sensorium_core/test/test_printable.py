"""Text from bags cannot steer the terminal that shows it."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.printable import printable

_TURNS = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


@given(st.text(st.characters()))
def test_nothing_that_steers_a_terminal_is_left(text: str) -> None:
    for character in printable(text):
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(character) not in _TURNS


def test_what_steers_becomes_visible() -> None:
    assert printable("\x1b[2J\n\u202e\x9b") == "\\x1b[2J\\n\\u202e\\x9b"


def test_words_of_every_language_stay() -> None:
    for text in ("push the red cube", "dér Würfel [a/b]", "赤い立方体", "מכעב", "👩‍🔧"):
        assert printable(text) == text
