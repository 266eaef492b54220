"""What may be said at all, and what becomes of what may not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import InstructionError, SensoriumError, TextTooLongError
from sensorium_core.instruction import MAX_CHARACTERS, parse_instruction, shown
from sensorium_core.language import LanguageEncoder
from sensorium_core.printable import printable

ENCODER = Path(__file__).parents[4] / "models" / "language" / "encoder.onnx"
HUGE = "pick up the red cube " * 500_000
"""Ten megabytes."""
HIJACKS = (
    "pick\x1b[2J the red cube",
    "pick\x00 the red cube",
    "pick the \u202eebuc der",
    "\u2066pick the red cube\u2069",
    "pick\u200b the red cube",
    "pick the red cube\u2028press the button",
    "pick the red cube\rpush it",
    "pick \ud800",
)


@pytest.fixture(scope="module")
def encoder() -> LanguageEncoder:
    return LanguageEncoder(ENCODER)


def test_ten_megabytes_are_refused_by_length(encoder):
    with pytest.raises(InstructionError, match=f"has {len(HUGE)} characters; expected at most"):
        parse_instruction(HUGE)
    with pytest.raises(TextTooLongError, match=f"instruction of {len(HUGE)} characters"):
        encoder.encode(HUGE)
    assert len(shown(HUGE)) < 200


@pytest.mark.parametrize("text", HIJACKS)
def test_what_nobody_sees_or_turns_text_around_is_refused(encoder, text):
    for understand in (parse_instruction, encoder.encode):
        with pytest.raises(InstructionError, match=r"invisible character U\+[0-9A-F]{4}"):
            understand(text)
    assert printable(shown(text)) == shown(text)


@pytest.mark.parametrize("text", ["التقط المكعب الأحمر", "הרם את הקובייה האדומה"])
def test_words_that_run_from_right_to_left_are_words_and_out_of_scope(encoder, text):
    assert parse_instruction(text) == text == shown(text)
    command = encoder.encode(text)
    assert not command.in_scope
    assert command.reason


@given(st.text(st.characters(), max_size=MAX_CHARACTERS + 8))
def test_any_text_is_understood_or_refused_in_words(encoder, text):
    try:
        command = encoder.encode(text)
    except SensoriumError as error:
        assert printable(str(error)) == str(error)  # noqa: PT017 - either outcome is well
    else:
        assert command.in_scope or printable(command.reason or "\n") == command.reason


@given(st.text(st.characters()))
def test_what_is_shown_is_short_and_steers_no_terminal(text):
    assert len(shown(text)) <= max(MAX_CHARACTERS + 100, 700)
    assert printable(shown(text).strip()) == shown(text).strip()
