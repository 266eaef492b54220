"""Reads an ONNX file as plain data before ONNX Runtime does, and refuses what is more than data.

Only what the checks need is decoded, field by field, from protocol buffers' wire format; nothing
is copied. Raises `ValueError` with words; `onnx_session` makes the file's error of it. No state.

Source: onnx.proto (IR version 10); protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from math import prod
from typing import TypeAlias

MAX_BYTES = 128 << 20
"""Largest model file."""
MAX_NODES = 20_000
MAX_ELEMENTS = 1 << 24
"""Most elements of one constant, and of what one `Expand` makes."""
OPERATORS = frozenset((
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan",
    "Atanh", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Concat",
    "Constant", "Conv", "ConvInteger", "Cos", "Cosh", "CumSum", "DequantizeLinear", "Div",
    "DynamicQuantizeLinear", "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor",
    "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool",
    "GlobalMaxPool", "Greater", "GreaterOrEqual", "GroupNormalization", "HardSigmoid",
    "HardSwish", "Identity", "InstanceNormalization", "IsInf", "IsNaN",
    "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "MatMul",
    "MatMulInteger", "Max", "MaxPool", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not",
    "Or", "PRelu", "Pow", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "Reciprocal",
    "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round",
    "Selu", "Shape", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax",
    "Softplus", "Softsign", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tan", "Tanh", "TopK",
    "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
))  # fmt: skip
"""What a model may compute: tensors in, tensors of like size out, no loops."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INT64 = 7
Field: TypeAlias = tuple[int, int | memoryview]
"""Number, and value: an integer, or the bytes of all else."""


def check_model(data: bytes) -> None:
    """Raise `ValueError` unless a file is a model of `OPERATORS` alone, complete in itself."""
    graph = None
    for number, value in _fields(memoryview(data)):
        if number == 7:
            graph = _message(value)
        elif number in (20, 25):
            raise ValueError("holds functions or training of its own; only a plain graph is run")
    if graph is None:
        raise ValueError("is not a readable ONNX file (no graph)")
    _check_graph(graph)


def _check_graph(graph: memoryview) -> None:
    nodes: list[memoryview] = []
    constants: dict[bytes, int] = {}
    for number, value in _fields(graph):
        if number == 1:
            nodes.append(_message(value))
        elif number == 5:
            name, made = _check_tensor(_message(value))
            constants[name] = made
        elif number == 15:
            raise ValueError("holds a sparse constant; write it out")
        if len(nodes) > MAX_NODES or len(constants) > MAX_NODES:
            raise ValueError(f"holds more than {MAX_NODES} operators or constants")
    for node in nodes:
        _check_node(node, constants)


def _check_node(node: memoryview, constants: dict[bytes, int]) -> None:
    inputs: list[bytes] = []
    operator = domain = ""
    for number, value in _fields(node):
        if number == 1:
            inputs.append(bytes(_message(value)))
        elif number == 4:
            operator = _text(value)
        elif number == 7:
            domain = _text(value)
        elif number == 5:
            _check_attribute(_message(value))
    if domain not in ("", "ai.onnx"):
        raise ValueError(f"uses the operator {operator!r:.40} of {domain!r:.40}, not ONNX's own")
    if operator not in OPERATORS:
        raise ValueError(f"uses the operator {operator!r:.40}, which no policy here may")
    if operator == "Expand":
        made = constants.get(inputs[1]) if len(inputs) == 2 else None
        if made is None or made > MAX_ELEMENTS:
            raise ValueError(f"expands to no fixed size of at most {MAX_ELEMENTS} elements")


def _check_attribute(attribute: memoryview) -> None:
    for number, value in _fields(attribute):
        if number in (5, 10):
            _check_tensor(_message(value))
        elif number in (6, 11):
            raise ValueError("holds a graph within an operator; loops and branches are not run")
        elif number in (22, 23):
            raise ValueError("holds a sparse constant; write it out")


def _check_tensor(tensor: memoryview) -> tuple[bytes, int]:
    """Name of a constant, and the product of its values where it is a list of whole numbers."""
    dims: list[int] = []
    values: list[int] = []
    name, kind = b"", 0
    for number, value in _fields(tensor):
        if number == 1:
            dims += _integers(value)
        elif number == 2:
            kind = _integers(value)[0]
        elif number == 7:
            values += _integers(value)
        elif number == 8:
            name = bytes(_message(value))
        elif number == 9 and len(_message(value)) <= 64:
            values += _words(_message(value))
        elif number == 13 or (number == 14 and value != 0):
            raise ValueError("keeps constants in another file; export it as one")
    if len(dims) > 16 or any(d < 0 for d in dims) or prod(dims) > MAX_ELEMENTS:
        raise ValueError(f"holds a constant of shape {dims[:16]}; at most {MAX_ELEMENTS} elements")
    shape = values if kind == _INT64 and len(values) <= 16 else [MAX_ELEMENTS + 1]
    return name, prod(max(abs(v), 1) for v in shape)


def _fields(data: memoryview) -> Iterator[Field]:
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError("is not a readable ONNX file (a field of no known kind)")
        if size > end - at:
            raise ValueError("is not a readable ONNX file (cut short)")
        yield number, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("is not a readable ONNX file (cut short)")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _integers(value: int | memoryview) -> list[int]:
    """A repeated whole number, packed or not; with its sign."""
    if isinstance(value, int):
        return [_signed(value)]
    found: list[int] = []
    at = 0
    while at < len(value) and len(found) <= 64:
        number, at = _varint(value, at)
        found.append(_signed(number))
    return found


def _words(raw: memoryview) -> list[int]:
    """Whole numbers of 64 bits each; none where they do not fit."""
    return list(raw.cast("B").cast("q")) if len(raw) % 8 == 0 and raw.contiguous else []


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("is not a readable ONNX file (a number where a record belongs)")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_message(value)).decode("utf-8", "replace")
