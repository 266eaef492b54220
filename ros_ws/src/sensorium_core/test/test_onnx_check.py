"""Models are data: what would read files, loop, or make much of little is refused unopened."""

import hashlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.contract import tabletop
from sensorium_core.errors import LanguageFileError, PolicyFileError
from sensorium_core.language import LanguageEncoder
from sensorium_core.onnx_check import MAX_ELEMENTS, check_model
from sensorium_core.policy import METADATA_KEY, Policy, input_shapes, output_shapes

MODELS = Path(__file__).parents[4] / "models"
FLOAT = TensorProto.FLOAT


def model(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto] | None = None
) -> onnx.ModelProto:
    """A model `x` (2,) to `y` (2,)."""
    x, y = (helper.make_tensor_value_info(name, FLOAT, [2]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], constants or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def refusal(made: onnx.ModelProto) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        check_model(made.SerializeToString())
    return str(caught.value)


def relu() -> onnx.ModelProto:
    return model([helper.make_node("Relu", ["x"], ["y"])])


@pytest.mark.parametrize("file", ["tabletop/policy.onnx", "language/encoder.onnx"])
def test_what_we_ship_passes(file):
    check_model((MODELS / file).read_bytes())


@pytest.mark.parametrize("place", ["../secret.bin", "/etc/passwd", "weights.bin"])
def test_constants_in_other_files_are_refused(tmp_path, place):
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.bin").write_bytes(b"\0" * 8)
    constant = onnx.TensorProto(name="c", dims=[2], data_type=FLOAT, data_location=1)
    constant.external_data.add(key="location", value=place)
    made = model([helper.make_node("Add", ["x", "c"], ["y"])], [constant])
    path = tmp_path / "inner" / "policy.onnx"
    path.write_bytes(made.SerializeToString())
    with pytest.raises(PolicyFileError, match="constants in another file"):
        Policy(path)


def test_a_place_of_constants_is_refused_even_where_it_is_said_not_to_count():
    constant = numpy_helper.from_array(np.ones(2, np.float32), "c")
    constant.external_data.add(key="location", value="../secret.bin")
    made = model([helper.make_node("Add", ["x", "c"], ["y"])], [constant])
    assert "another file" in refusal(made)
    held = helper.make_node("Constant", [], ["c"], value=constant)
    assert "another file" in refusal(model([held, helper.make_node("Add", ["x", "c"], ["y"])]))


def test_operators_that_are_not_onnx_or_make_much_of_little_are_refused():
    own = helper.make_node("Anything", ["x"], ["y"], domain="com.example")
    assert "com.example" in refusal(model([own]))
    shape = numpy_helper.from_array(np.array([1 << 40], np.int64), "s")
    assert "ConstantOfShape" in refusal(
        model([helper.make_node("ConstantOfShape", ["s"], ["y"])], [shape])
    )
    assert "Tile" in refusal(model([helper.make_node("Tile", ["x", "s"], ["y"])], [shape]))


@pytest.mark.parametrize("sizes", [[1 << 40], [1 << 13, 1 << 12], [-(1 << 30)]])
def test_an_expansion_beyond_its_bound_is_refused(sizes):
    node = helper.make_node("Expand", ["x", "s"], ["y"])
    assert "expands" in refusal(model([node], [numpy_helper.from_array(np.array(sizes), "s")]))
    whole = helper.make_tensor("s", TensorProto.INT64, [len(sizes)], sizes)
    assert "expands" in refusal(model([node], [whole]))


def test_an_expansion_to_what_is_computed_is_refused():
    shape = helper.make_node("Shape", ["x"], ["s"])
    assert "expands" in refusal(model([shape, helper.make_node("Expand", ["x", "s"], ["y"])]))
    check_model(
        model(
            [helper.make_node("Expand", ["x", "s"], ["y"])],
            [numpy_helper.from_array(np.array([2]), "s")],
        ).SerializeToString()
    )


def test_loops_branches_and_functions_are_refused():
    inner = relu().graph
    branch = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    assert "graph within" in refusal(model([branch]))
    made = relu()
    made.functions.add(name="f", domain="d")
    assert "functions" in refusal(made)


def test_a_constant_that_claims_more_than_it_may_is_refused():
    claim = onnx.TensorProto(name="c", dims=[MAX_ELEMENTS + 1], data_type=FLOAT)
    assert "constant of shape" in refusal(
        model([helper.make_node("Add", ["x", "c"], ["y"])], [claim])
    )


@given(st.binary(max_size=300))
def test_bytes_that_are_no_model_are_refused_in_words(data):
    with pytest.raises(ValueError, match=r"."):
        check_model(data)


@given(st.data())
def test_a_damaged_model_is_checked_without_another_error(data):
    whole = bytearray(relu().SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        check_model(bytes(whole))


def test_a_file_of_another_hash_is_refused_before_it_is_parsed(tmp_path):
    junk = tmp_path / "policy.onnx"
    junk.write_bytes(b"not a model at all")
    found = hashlib.sha256(junk.read_bytes()).hexdigest()
    with pytest.raises(PolicyFileError, match=f"has sha256 {found}, pinned is '0000"):
        Policy(junk, "0" * 64)
    with pytest.raises(LanguageFileError, match=f"has sha256 {found}, pinned is '0000"):
        LanguageEncoder(junk, "0" * 64)
    with pytest.raises(PolicyFileError, match="not a readable ONNX file"):
        Policy(junk, found)


def test_a_file_of_the_pinned_hash_is_loaded():
    path = MODELS / "tabletop" / "policy.onnx"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert Policy(path, digest.upper()).sha256 == digest


def constant_policy(path: Path, **changes: tuple[int, ...]) -> Path:
    """A policy that answers zeros; `changes` are shapes that differ from the contract's."""
    shapes = {**output_shapes(tabletop()), **changes}
    nodes = [helper.make_node("Identity", [f"c_{name}"], [name]) for name in shapes]
    zeros = {f"c_{name}": np.zeros(shape, np.float32) for name, shape in shapes.items()}
    constants = [numpy_helper.from_array(array, name) for name, array in zeros.items()]
    takes = [helper.make_tensor_value_info("valid", FLOAT, input_shapes(tabletop())["valid"][1])]
    gives = [helper.make_tensor_value_info(n, FLOAT, s) for n, s in shapes.items()]
    graph = helper.make_graph(nodes, "g", takes, gives, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(made, {METADATA_KEY: tabletop().to_json()})
    path.write_bytes(made.SerializeToString())
    return path


def test_a_policy_that_answers_another_shape_than_its_contract_is_refused(tmp_path):
    Policy(constant_policy(tmp_path / "a.onnx"))
    with pytest.raises(PolicyFileError, match=r"chunk .*its contract says"):
        Policy(constant_policy(tmp_path / "b.onnx", chunk=(1, 9, 5)))
    with pytest.raises(PolicyFileError, match=r"weights .*its contract says"):
        Policy(constant_policy(tmp_path / "c.onnx", weights=(1, 1_000_000)))


def test_metadata_that_is_no_text_is_refused(tmp_path):
    path = constant_policy(tmp_path / "a.onnx")
    data = path.read_bytes().replace(b'"tabletop"', b'"table\xff\xfep"')
    path.write_bytes(data)
    with pytest.raises(PolicyFileError, match="not a readable ONNX file"):
        Policy(path)
