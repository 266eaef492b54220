"""Instructions: every line is either clean text or a named error, and never anything else."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import InstructionError
from sensorium_drivers.language import MAX_CHARACTERS, parse_instruction, read_instructions


@given(st.text(max_size=600))
def test_what_passes_is_short_visible_and_stays_the_same_when_parsed_again(text):
    try:
        clean = parse_instruction(text)
    except InstructionError:
        return
    assert len(text) <= MAX_CHARACTERS
    assert clean == clean.strip() == parse_instruction(clean)
    assert not any(unicodedata.category(c).startswith("C") for c in clean)


@pytest.mark.parametrize("text", ["pick\x00up", "a\x1b[2J", "red \u202eebuc", "zero\u200bwidth"])
def test_control_and_direction_characters_are_refused_and_named(text):
    with pytest.raises(InstructionError, match=r"U\+"):
        parse_instruction(text)


def test_the_length_limit_is_sharp():
    assert len(parse_instruction("x" * 512)) == 512
    with pytest.raises(InstructionError, match="513 characters"):
        parse_instruction("x" * 513)


def test_a_file_gives_one_item_a_line_and_goes_on_after_a_bad_one():
    lines = ["# a comment\n", "Pick up the red cube\n", "\n", "bad\x07\n", " push it \n"]
    items = list(read_instructions(lines))
    assert items[0] == "Pick up the red cube"
    assert items[1] == ""
    assert isinstance(items[2], InstructionError)
    assert items[3] == "push it"
