"""A policy file that cannot be used says what is wrong and what to do next."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.errors import PolicyFileError
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, Goal
from sensorium_core.policy import METADATA_KEY, UNHEARD_KEY, Policy, input_shapes, output_shapes

RELEASED = Path(__file__).parents[4] / "models" / "tabletop" / "policy.onnx"


def test_a_missing_policy_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="does not exist; run `make train`"):
        Policy(tmp_path / "nothing")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_policy_is_refused(tmp_path: Path, share: float) -> None:
    data = RELEASED.read_bytes()
    broken = tmp_path / "policy.onnx"
    broken.write_bytes(data[: int(share * len(data))])
    with pytest.raises(PolicyFileError, match="not a readable ONNX file"):
        Policy(broken)


def test_the_language_encoder_is_no_policy() -> None:
    with pytest.raises(PolicyFileError, match="carries no contract"):
        Policy(RELEASED.parents[1] / "language" / "encoder.onnx")


def test_the_released_policy_carries_its_contract_and_provenance() -> None:
    contract = Policy(RELEASED).contract
    assert contract.required == ("joints", "cloud", "scene_rgb")
    assert contract.provenance["git_commit"]


def test_the_released_policy_takes_four_tokens_and_is_given_the_first_four() -> None:
    policy = Policy(RELEASED)
    assert policy.families == FAMILIES
    rng, goal = np.random.default_rng(0), Goal("pick", "red", "cube")
    tensors = inputs(policy, rng)
    tensors["text"] = goal_tokens(goal)[None]
    whole = policy.run(tensors)
    tensors["text"] = np.concatenate([tensors["text"][:, :4], rng.random((1, 3, 32))], axis=1)
    other = policy.run({**tensors, "text": tensors["text"].astype(np.float32)})
    np.testing.assert_array_equal(whole.chunk, other.chunk)
    assert np.abs(whole.chunk).max() > 0


@pytest.mark.parametrize(("words", "families"), [(4, FAMILIES), (7, ALL_FAMILIES)])
def test_a_policy_says_by_its_tokens_what_it_can_be_told(tmp_path, words, families) -> None:
    policy = Policy(spoken_to(tmp_path / "policy.onnx", words))
    assert policy.families == families
    tensors = inputs(policy, np.random.default_rng(0))
    tensors["text"] = np.arange(7 * 32, dtype=np.float32).reshape(1, 7, 32)
    assert policy.run(tensors).present == tensors["text"][:, :words].sum()


@pytest.mark.parametrize("words", [1, 5, 8])
def test_any_other_number_of_tokens_is_refused(tmp_path, words) -> None:
    with pytest.raises(PolicyFileError, match=r"has text of .*its contract says .*\[1, 7, 32\]"):
        Policy(spoken_to(tmp_path / "policy.onnx", words))


def test_a_file_tells_the_senses_that_it_was_trained_without(tmp_path) -> None:
    assert Policy(spoken_to(tmp_path / "a.onnx", 4)).unheard == frozenset()
    deaf = spoken_to(tmp_path / "b.onnx", 4, **{UNHEARD_KEY: "wrench,pads"})
    assert Policy(deaf).unheard == {"wrench", "pads"}
    with pytest.raises(PolicyFileError, match="does not hear 'smell'"):
        Policy(spoken_to(tmp_path / "c.onnx", 4, **{UNHEARD_KEY: "wrench,smell"}))


def inputs(policy: Policy, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Random tensors of all that a step can give."""
    shapes = input_shapes(policy.contract)
    return {name: rng.random(shape).astype(np.float32) for name, (_, shape) in shapes.items()} | {
        name: rng.integers(0, 256, shape, dtype=np.uint8)
        for name, (kind, shape) in shapes.items()
        if kind == "tensor(uint8)"
    }


def spoken_to(path: Path, words: int, **told: str) -> Path:
    """A policy that takes only words, and says their sum as `present`."""
    contract = tabletop()
    shapes = output_shapes(contract)
    nodes = [helper.make_node("ReduceSum", ["text", "axes"], ["present"], keepdims=0)]
    constants = [numpy_helper.from_array(np.array([1, 2]), "axes")]
    for name in set(shapes) - {"present"}:
        constants.append(numpy_helper.from_array(np.ones(shapes[name], np.float32), f"c_{name}"))
        nodes.append(helper.make_node("Identity", [f"c_{name}"], [name]))
    takes = [helper.make_tensor_value_info("text", TensorProto.FLOAT, (1, words, 32))]
    gives = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    graph = helper.make_graph(nodes, "policy", takes, gives, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: contract.to_json(), **told})
    onnx.save(model, path)
    return path
