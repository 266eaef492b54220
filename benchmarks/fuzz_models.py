"""Small valid ONNX files, made at run time: seeds for fuzzing what opens policies and encoders."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.codebook import CLASSES, SLOTS
from sensorium_core.contract import tabletop
from sensorium_core.goal import COLOURS
from sensorium_core.language import FORMAT, REASONS
from sensorium_core.policy import METADATA_KEY, TOKENS, input_shapes, output_shapes

_RELEASED = Path(__file__).resolve().parents[1] / "models"
_KINDS = {"tensor(uint8)": TensorProto.UINT8, "tensor(float)": TensorProto.FLOAT}
_CLASSES = json.dumps({slot: list(CLASSES[slot]) for slot in SLOTS})


@lru_cache(maxsize=1)
def tiny_policy() -> bytes:
    """A policy of the tabletop contract that answers constants, and adds one sense to each."""
    contract = tabletop()
    takes = [
        helper.make_tensor_value_info(name, _KINDS[kind], shape)
        for name, (kind, shape) in input_shapes(contract).items()
    ]
    nodes = [helper.make_node("ReduceSum", ["memory"], ["sum"], keepdims=0)]
    constants, gives = [], []
    for name, shape in output_shapes(contract).items():
        constants.append(numpy_helper.from_array(np.ones(shape, np.float32), f"c_{name}"))
        nodes.append(helper.make_node("Add", [f"c_{name}", "sum"], [name]))
        gives.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    graph = helper.make_graph(nodes, "policy", takes, gives, constants)
    return _file(graph, {METADATA_KEY: contract.to_json()})


@lru_cache(maxsize=1)
def tiny_encoder() -> bytes:
    """A language encoder of a few words that answers constants."""
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "pick", "the", "red", "cube", "##s")
    shapes = {"tokens": (1, *TOKENS)}
    shapes |= {slot: (1, len(CLASSES[slot])) for slot in SLOTS}
    shapes["reason"] = (1, len(REASONS))
    nodes, constants, gives = [], [], []
    for name, shape in shapes.items():
        constants.append(numpy_helper.from_array(np.full(shape, 0.1, np.float32), f"c_{name}"))
        nodes.append(helper.make_node("Identity", [f"c_{name}"], [name]))
        gives.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    nodes.append(helper.make_node("Cast", ["ids"], ["pointer"], to=TensorProto.FLOAT))
    gives.append(helper.make_tensor_value_info("pointer", TensorProto.FLOAT, (1, "n")))
    takes = [helper.make_tensor_value_info("ids", TensorProto.INT64, (1, "n"))]
    graph = helper.make_graph(nodes, "encoder", takes, gives, constants)
    colours = json.dumps({colour: [colour] for colour in COLOURS})
    facts = {"format": FORMAT, "classes": _CLASSES, "vocabulary": "\n".join(words)}
    return _file(graph, {**facts, "threshold": "0.5", "colour_words": colours})


def released(name: str) -> Path:
    """A file under `models/`."""
    return _RELEASED / name


def _file(graph: onnx.GraphProto, facts: dict[str, str]) -> bytes:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    helper.set_model_props(model, facts)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
