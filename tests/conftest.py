"""What the tests across packages share."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.contract import tabletop
from sensorium_core.policy import METADATA_KEY, OUTPUTS


@pytest.fixture(scope="session")
def policy(tmp_path_factory):
    """A policy file that sees its object in everything, and drifts away for ever."""
    contract = tabletop()
    chunk = np.zeros((1, contract.action.horizon, 5), np.float32)
    chunk[0, :, 0] = 0.004 * np.arange(1, contract.action.horizon + 1)
    n = len(contract.senses)
    answers = {
        "chunk": chunk,
        "target": np.array([[0.5, 0.0, 0.02]], np.float32),
        "present": np.ones(1, np.float32),
        "done": np.zeros(1, np.float32),
        "weights": np.full((1, n), 1 / n, np.float32),
    }
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_"], [name]) for name in OUTPUTS],
        "drift",
        [helper.make_tensor_value_info("valid", TensorProto.FLOAT, [1, n])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, answers[o].shape) for o in OUTPUTS],
        [numpy_helper.from_array(answers[name], f"{name}_") for name in OUTPUTS],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    path = tmp_path_factory.mktemp("policy") / "policy.onnx"
    onnx.save(model, path)
    return path
