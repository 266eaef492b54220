"""A policy file whose motion never ends: the tool goes round in a circle above the table.

Faults are to meet an arm that moves, whatever the scene. The file is a policy like any other: the
fusion node runs it with ONNX Runtime, from the same senses, under the same contract.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.contract import tabletop
from sensorium_core.policy import METADATA_KEY, OUTPUTS

CENTRE_M = (0.50, 0.0)
HEIGHT_M = 0.25
RADIUS_M = 0.08
RATE_RAD_S = 0.8
"""About 6 cm/s of the tool."""


def write_circle_policy(path: Path) -> Path:
    """Write the file; returns its path."""
    contract = tabletop()
    horizon, n = contract.action.horizon, len(contract.senses)
    answers = {
        "target": np.array([[*CENTRE_M, HEIGHT_M]], np.float32),
        "present": np.ones(1, np.float32),
        "done": np.zeros(1, np.float32),
        "weights": np.full((1, n), 1 / n, np.float32),
    }
    shapes = {"chunk": (1, horizon, 5)} | {name: a.shape for name, a in answers.items()}
    nodes, constants = _circle(horizon, contract.action.step_s)
    nodes += [helper.make_node("Identity", [f"{name}_"], [name]) for name in answers]
    constants |= {f"{name}_": value for name, value in answers.items()}
    graph = helper.make_graph(
        nodes,
        "circle",
        [helper.make_tensor_value_info("reference", TensorProto.FLOAT, [1, 5])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, shapes[o]) for o in OUTPUTS],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, {METADATA_KEY: contract.to_json()})
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _circle(horizon: int, step_s: float) -> tuple[list[onnx.NodeProto], dict[str, np.ndarray]]:
    """Nodes from `reference` `(1, 5)` x, y, z, yaw, opening to `chunk` `(1, horizon, 5)`."""
    turns = RATE_RAD_S * step_s * np.arange(1, horizon + 1)
    ahead = np.stack([[[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] for a in turns])
    constants = {
        "centre": np.array([CENTRE_M], np.float32),
        "ahead": (RADIUS_M * ahead).astype(np.float32),
        "height": np.array([[HEIGHT_M]], np.float32),
        "nothing": np.full((1, horizon, 1), 0.0, np.float32),
        "ones": np.ones((1, horizon, 1), np.float32),
        "flat": np.array([1, horizon, 2], np.int64),
        "parts": np.array([2, 1, 1, 1], np.int64),
        "tiny": np.array([[1e-4]], np.float32),
        "axis": np.array([1], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Split", ["reference", "parts"], ["xy", "z", "yaw", "opening"], axis=1),
        node("Sub", ["xy", "centre"], ["arm"]),
        node("Add", ["arm", "tiny"], ["arm_not_zero"]),
        node("ReduceL2", ["arm_not_zero", "axis"], ["length"]),
        node("Div", ["arm_not_zero", "length"], ["unit"]),
        node("MatMul", ["unit", "ahead"], ["ring"]),
        node("Reshape", ["ring", "flat"], ["ring_rows"]),
        node("Sub", ["ring_rows", "arm"], ["move"]),
        node("Split", ["move"], ["dx", "dy"], axis=2, num_outputs=2),
        node("Cos", ["yaw"], ["c"]),
        node("Sin", ["yaw"], ["s"]),
        node("Mul", ["dx", "c"], ["dx_c"]),
        node("Mul", ["dy", "s"], ["dy_s"]),
        node("Mul", ["dy", "c"], ["dy_c"]),
        node("Mul", ["dx", "s"], ["dx_s"]),
        node("Add", ["dx_c", "dy_s"], ["forward"]),
        node("Sub", ["dy_c", "dx_s"], ["left"]),
        node("Sub", ["height", "z"], ["rise"]),
        node("Mul", ["rise_row", "ones"], ["up"]),
        node("Mul", ["opening_row", "ones"], ["open"]),
        node("Concat", ["forward", "left", "up", "nothing", "open"], ["chunk"], axis=2),
    ]
    rows = [node("Unsqueeze", [name, "axis"], [f"{name}_row"]) for name in ("rise", "opening")]
    return nodes[:18] + rows + nodes[18:], constants
