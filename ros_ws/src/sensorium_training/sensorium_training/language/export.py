"""Writes the language network as one self-describing ONNX file, weights in eight bits.

Matrices are stored as int8 with one scale a row or column and turned back into floats when the
file is loaded, so that the arithmetic, and with it every decision, is the same on every machine.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from sensorium_core.codebook import CLASSES, SLOTS
from sensorium_core.language import FORMAT, MAX_PIECES

from sensorium_training.language.network import LanguageNet
from sensorium_training.onnx_file import traced

_OPSET = 18
_SMALLEST = 4096
"""Weights with fewer numbers stay in floats."""


def to_onnx(net: LanguageNet) -> onnx.ModelProto:
    """Trace the network with a free batch and length."""
    net.eval()
    ids = torch.ones((2, 9), dtype=torch.int64)
    sizes = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    options = {"dynamic_shapes": (sizes,), "opset_version": _OPSET}
    return traced(net, (ids,), ("ids",), LanguageNet.OUTPUTS, {}, **options)


def quantise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replace large float matrices by int8 values times scales, in place."""
    graph = model.graph
    kept, nodes = [], []
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.ndim != 2 or array.size < _SMALLEST:
            kept.append(tensor)
            continue
        axis = 1 if array.shape[0] > array.shape[1] * 4 else 0
        values, scale = _to_int8(array, axis)
        names = [f"{tensor.name}_{part}" for part in ("int8", "scale", "float")]
        kept += [
            numpy_helper.from_array(values, names[0]),
            numpy_helper.from_array(scale, names[1]),
        ]
        nodes += [
            helper.make_node("Cast", [names[0]], [names[2]], to=TensorProto.FLOAT),
            helper.make_node("Mul", [names[2], names[1]], [tensor.name]),
        ]
    body = list(graph.node)
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *body])
    return model


def largest_difference(
    net: LanguageNet, model: onnx.ModelProto, ids: list[NDArray[np.int64]]
) -> float:
    """Compare torch with the float model, line by line; the largest difference of any output."""
    session = ort.InferenceSession(model.SerializeToString())
    differences = []
    for line in ids:
        with torch.no_grad():
            wanted = net(torch.from_numpy(line[None]))
        pairs = zip(wanted, session.run(None, {"ids": line[None]}), strict=True)
        differences += [float(np.abs(a.numpy() - b).max()) for a, b in pairs]
    return max(differences)


def agreement(
    exact: onnx.ModelProto, rounded: onnx.ModelProto, ids: list[NDArray[np.int64]]
) -> float:
    """Share of lines that two models decide alike: refused by both, or the same four slots."""
    sessions = [ort.InferenceSession(model.SerializeToString()) for model in (exact, rounded)]
    same = 0
    for line in ids:
        first, second = (_decision(session.run(None, {"ids": line[None]})) for session in sessions)
        same += first == second
    return same / len(ids)


def _decision(outputs: list[NDArray[np.float32]]) -> tuple[int, ...]:
    _, *slots, reason, _ = outputs
    return () if reason.argmax() else tuple(int(scores.argmax()) for scores in slots)


def describe(model: onnx.ModelProto, vocabulary: list[str], facts: dict[str, str]) -> None:
    """Put what the run time needs, and where the file comes from, into the metadata."""
    entries = {
        "format": FORMAT,
        "classes": json.dumps({slot: list(CLASSES[slot]) for slot in SLOTS}),
        "max_pieces": str(MAX_PIECES),
        "vocabulary": "\n".join(vocabulary),
        **facts,
    }
    helper.set_model_props(model, entries)
    model.producer_name, model.doc_string = "sensorium", "Language encoder of Sensorium"


def save(model: onnx.ModelProto, path: Path) -> None:
    """Check the model and write it, whole or not at all."""
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    onnx.save(model, str(part))
    part.replace(path)


def _to_int8(
    array: NDArray[np.float32], axis: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """One scale per row (`axis` 1) or per column (`axis` 0)."""
    scale = np.abs(array).max(axis=axis, keepdims=True) / 127
    scale = np.maximum(scale, 1e-12).astype(np.float32)
    return np.rint(array / scale).astype(np.int8), scale
