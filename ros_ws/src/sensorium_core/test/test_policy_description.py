"""What a running policy is made of, as it is published and read back."""

import json

import numpy as np
import pytest
from sensorium_core.errors import MessageDecodeError
from sensorium_core.policy_description import PolicyDescription

POSE = tuple(np.eye(4).ravel().tolist())
PLAIN = PolicyDescription("a" * 64, "b" * 64, "c" * 64, ("wrench",), POSE)
WITH_FAST = PolicyDescription("a" * 64, "b" * 64, "c" * 64, (), POSE, "d" * 64)


@pytest.mark.parametrize("about", [PLAIN, WITH_FAST])
def test_it_comes_back_as_it_was(about):
    assert PolicyDescription.from_json(about.to_json()) == about


def test_a_fast_half_is_named_only_where_there_is_one():
    assert "fast_sha256" not in json.loads(PLAIN.to_json())
    assert json.loads(WITH_FAST.to_json())["fast_sha256"] == "d" * 64


@pytest.mark.parametrize("text", ["", "{}", "[1]", PLAIN.to_json()[:-1] + ', "odd": 1}'])
def test_anything_else_is_refused(text):
    with pytest.raises(MessageDecodeError):
        PolicyDescription.from_json(text)
