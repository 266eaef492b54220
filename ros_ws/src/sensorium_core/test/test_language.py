"""The shipped encoder: what it accepts, what it refuses, and what it says about it."""

import time
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.codebook import goal_tokens
from sensorium_core.errors import LanguageFileError, TextTooLongError
from sensorium_core.goal import Goal
from sensorium_core.language import LanguageEncoder

ENCODER = Path(__file__).parents[4] / "models/language/encoder.onnx"
UNDERSTOOD = {
    "pick up the red cube": Goal("pick", "red", "cube"),
    "could you grab the red block for me": Goal("pick", "red", "cube"),
    "push the blue cylinder to the left": Goal("push", "blue", "cylinder", "left"),
    "Please slide the green ball away from you.": Goal("push", "green", "ball", "away"),
    "PULL THE YELLOW CUBE CLOSER": Goal("push", "yellow", "cube", "closer"),
    "press the green button": Goal("press", "green"),
    "push the purple button": Goal("press", "purple"),
    "lift the orange one": Goal("pick", "orange", None),
    "take the cylinder": Goal("pick", None, "cylinder"),
    "don't forget to pick up the red cube": Goal("pick", "red", "cube"),
}
REFUSED = {
    "don't pick up the cube": "negation",
    "never push the red ball to the left": "negation",
    "leave the red ball alone": "negation",
    "stop": "negation",
    "throw the red ball": "unknown_skill",
    "stack the red cube on the blue cube": "unknown_skill",
    "pick up the banana": "unknown_object",
    "grab the pink cube": "unknown_object",
    "push the red cube": "incomplete",
    "pick up": "incomplete",
    "the red cube": "incomplete",
    "pick up the red cube and push the ball to the left": "multiple",
    "what colour is the cube?": "not_a_command",
    "asdf jkl qwer": "not_a_command",
    "": "not_a_command",
    "?!...": "not_a_command",
    "😀": "not_a_command",
}


@pytest.fixture(scope="module")
def encoder() -> LanguageEncoder:
    return LanguageEncoder(ENCODER)


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_a_command_is_understood(encoder, text):
    command = encoder.encode(text)
    assert (command.in_scope, command.goal) == (True, UNDERSTOOD[text]), command
    assert command.reason is None
    assert command.reason_class == "ok"


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_a_command_is_refused_with_the_reason(encoder, text):
    command = encoder.encode(text)
    assert not command.in_scope
    assert command.reason_class == REFUSED[text]
    assert command.reason


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_tokens_of_a_clear_command_are_almost_the_exact_codes(encoder, text):
    tokens = encoder.encode(text).tokens
    assert tokens.shape == (7, 32)
    assert tokens.dtype == np.float32
    np.testing.assert_allclose(tokens, goal_tokens(UNDERSTOOD[text]), atol=0.1)


def test_tokens_are_never_longer_than_one(encoder):
    for text in (*UNDERSTOOD, *REFUSED):
        assert np.linalg.norm(encoder.encode(text).tokens, axis=1).max() <= 1 + 1e-5


def test_the_reason_quotes_the_word_that_gave_it_away(encoder):
    assert '"throw"' in (encoder.encode("throw the red ball").reason or "")
    assert "banana" in (encoder.encode("pick up the banana").reason or "")
    assert "told not to" in (encoder.encode("don't pick up the cube").reason or "")


def test_case_punctuation_and_articles_do_not_matter(encoder):
    goal = Goal("push", "red", "cube", "right")
    texts = ["push red cube right", "Push the red cube, right!", "PUSH THE RED CUBE RIGHT"]
    assert [encoder.encode(text).goal for text in texts] == [goal] * 3


def test_the_same_text_gives_the_same_bytes(encoder):
    again = LanguageEncoder(ENCODER)
    text = "pick up the red cube"
    assert encoder.encode(text).tokens.tobytes() == again.encode(text).tokens.tobytes()


def test_long_text_is_refused_or_an_error(encoder):
    command = encoder.encode("please " * 70)
    assert not command.in_scope
    assert "too long" in (command.reason or "")
    with pytest.raises(TextTooLongError):
        encoder.encode("a" * 513)


def test_the_file_is_small_and_one_instruction_takes_milliseconds(encoder):
    assert ENCODER.stat().st_size <= 20e6
    text = "could you push the blue cylinder over to the left please"
    times = []
    for _ in range(20):
        began = time.thread_time()
        encoder.encode(text)
        times.append(time.thread_time() - began)
    assert np.median(times) < 0.020


def test_a_file_that_is_not_an_encoder_is_an_error(tmp_path):
    with pytest.raises(LanguageFileError, match="no such file"):
        LanguageEncoder(tmp_path / "absent.onnx")
    (tmp_path / "junk.onnx").write_bytes(b"not an onnx file")
    with pytest.raises(LanguageFileError, match=r"junk\.onnx"):
        LanguageEncoder(tmp_path / "junk.onnx")
