"""Tracing a network to an ONNX file, and what every such file tells."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import torch
from torch import Tensor, nn


def traced(
    net: nn.Module, inputs: Sequence[Tensor], input_names: Sequence[str],
    output_names: Sequence[str], told: Mapping[str, str], **options: Any,
) -> onnx.ModelProto:  # fmt: skip
    """A network as an ONNX model.

    What torch notes of the making is taken out: stack traces with the paths of this machine, a
    sixth of the file and another one in every folder.

    Args:
        net: in evaluation mode.
        inputs: an example of each.
        input_names: of the same order.
        output_names: of what it answers.
        told: metadata by name.
        options: of `torch.onnx.export`.
    """
    # torch's exporter warns about itself (deprecated calls, torchvision) on every use.
    logging.getLogger("torch.onnx._internal.exporter").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net, tuple(inputs), dynamo=True, verbose=False, input_names=list(input_names),
            output_names=list(output_names), **options,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    _strip(model.graph.node)
    for function in model.functions:
        _strip(function.node)
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    for key, words in told.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, words
    model.producer_name = "sensorium"
    return model


def _strip(nodes: Sequence[onnx.NodeProto]) -> None:
    for node in nodes:
        del node.metadata_props[:]
        node.doc_string = ""
