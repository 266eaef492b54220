"""Encoder files of this release and of the first: what each knows, and what none may say."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.codebook import (
    CLASSES,
    SLOTS,
    TABLETOP_SLOTS,
    goal_classes,
    goal_tokens,
    slot_codes,
)
from sensorium_core.errors import LanguageFileError
from sensorium_core.goal import ALL_FAMILIES, COLOURS, FAMILIES, Goal
from sensorium_core.language import FORMAT, LanguageEncoder
from sensorium_core.understanding import REASONS

ALL = {slot: list(CLASSES[slot]) for slot in SLOTS}
FIRST = {slot: list(CLASSES[slot]) for slot in TABLETOP_SLOTS} | {
    "family": ["pick", "push", "press", "none"]
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "pick", "red", "blue", "cube", "on", "gently"]


def write(path: Path, classes: dict[str, list[str]], goal: Goal | None, reason: int = 0) -> Path:
    """An encoder that hears one goal in everything."""
    named = dict(zip(SLOTS, goal_classes(goal), strict=True))
    answers = {slot: np.eye(len(names))[[named[slot]]] for slot, names in classes.items()}
    tokens = np.stack([slot_codes(slot)[named[slot]] for slot in classes])[None]
    answers = {"tokens": tokens, **answers, "reason": np.eye(len(REASONS))[[reason]]}
    nodes, constants, gives = [], [], []
    for name, value in answers.items():
        constants.append(numpy_helper.from_array(value.astype(np.float32), f"c_{name}"))
        nodes.append(helper.make_node("Identity", [f"c_{name}"], [name]))
        gives.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    nodes.append(helper.make_node("Cast", ["ids"], ["pointer"], to=TensorProto.FLOAT))
    gives.append(helper.make_tensor_value_info("pointer", TensorProto.FLOAT, (1, "n")))
    takes = [helper.make_tensor_value_info("ids", TensorProto.INT64, (1, "n"))]
    graph = helper.make_graph(nodes, "encoder", takes, gives, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    facts = {"format": FORMAT, "classes": json.dumps(classes), "vocabulary": "\n".join(WORDS)}
    words = json.dumps({colour: [colour] for colour in COLOURS})
    helper.set_model_props(model, {**facts, "threshold": "0.5", "colour_words": words})
    onnx.save(model, path)
    return path


def test_a_file_that_knows_fewer_classes_still_works(tmp_path):
    goal = Goal("pick", "red", "cube")
    encoder = LanguageEncoder(write(tmp_path / "first.onnx", FIRST, goal))
    assert encoder.families == FAMILIES
    command = encoder.encode("pick red cube")
    assert (command.in_scope, command.goal) == (True, goal)
    np.testing.assert_array_equal(command.tokens, goal_tokens(goal))
    assert list(command.slots) == list(SLOTS)
    for slot in SLOTS:
        assert command.probabilities[slot].shape == (len(CLASSES[slot]),)
        assert command.probabilities[slot].sum() == 1


def test_a_file_that_knows_fewer_classes_says_so_when_it_refuses(tmp_path):
    path = write(tmp_path / "first.onnx", FIRST, None, REASONS.index("unknown_skill"))
    reason = LanguageEncoder(path).encode("gently").reason or ""
    assert reason.startswith("I know pick up, push and press a button; I do not know")


@pytest.mark.parametrize(
    "goal",
    [
        Goal("pick", "red", "cube"),
        Goal("insert", quality="round"),
        Goal("hold", "red", manner="gently"),
        Goal("put", "red", "cube", onto_colour="blue"),
        Goal("stack", "red", "cube", onto_colour="blue", onto_shape="ball"),
    ],
    ids=lambda goal: goal.family,
)
def test_a_file_of_this_release_says_every_slot(tmp_path, goal):
    encoder = LanguageEncoder(write(tmp_path / "all.onnx", ALL, goal))
    assert encoder.families == ALL_FAMILIES
    command = encoder.encode("pick red cube on blue")
    assert (command.in_scope, command.goal, command.reason) == (True, goal, None)
    np.testing.assert_array_equal(command.tokens, goal_tokens(goal))


def test_every_colour_acted_on_must_have_been_said(tmp_path):
    goal = Goal("put", "red", "cube", onto_colour="blue")
    encoder = LanguageEncoder(write(tmp_path / "all.onnx", ALL, goal))
    for text, heard in (("red on blue", True), ("red on cube", False), ("cube on blue", False)):
        command = encoder.encode(text)
        assert command.in_scope is heard
        assert heard or "which colour" in (command.reason or "")


@pytest.mark.parametrize(
    "classes",
    [
        {},
        {"family": ["pick", "none"]},
        {**FIRST, "shape": ["cylinder", "cube", "ball", "unspecified"]},
        {**FIRST, "family": ["pick", "push"]},
        {**FIRST, "family": [*CLASSES["family"], "throw"]},
        {**FIRST, "detail": list(CLASSES["detail"])},
        {slot: ALL[slot] for slot in reversed(SLOTS)},
    ],
)
def test_classes_in_another_place_are_refused(tmp_path, classes):
    goal = Goal("pick", "red", "cube")
    path = write(tmp_path / "other.onnx", FIRST, goal)
    model = onnx.load(path)
    props = {p.key: p.value for p in model.metadata_props} | {"classes": json.dumps(classes)}
    helper.set_model_props(model, props)
    onnx.save(model, path)
    with pytest.raises(LanguageFileError, match="are not this release's"):
        LanguageEncoder(path)
