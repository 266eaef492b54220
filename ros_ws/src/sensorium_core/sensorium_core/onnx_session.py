"""Opens an ONNX file for the robot: checked first, one thread, and none that spins.

What is hashed and checked is what is run: the file is read once.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import onnxruntime as ort

from sensorium_core.bounded import one_line, read_bytes
from sensorium_core.errors import SensoriumError
from sensorium_core.hashes import bytes_sha256
from sensorium_core.onnx_check import MAX_BYTES, check_model

_STATE = ort.capi.onnxruntime_pybind11_state
_FAULTS = (
    _STATE.InvalidArgument, _STATE.InvalidGraph, _STATE.InvalidProtobuf, _STATE.Fail,
    _STATE.NotImplemented, _STATE.RuntimeException, _STATE.NoSuchFile, RuntimeError, ValueError,
)  # fmt: skip
"""What ONNX Runtime raises for an empty, inconsistent, garbled or otherwise unusable file."""
RUN_FAULTS = (*_FAULTS, _STATE.EPFail)
"""What ONNX Runtime raises when a file loads and yet cannot be run."""


class Opened(NamedTuple):
    """A session, the hash of the bytes that it was made of, and the file's own metadata."""

    session: ort.InferenceSession
    sha256: str
    metadata: dict[str, str]


def open_session(
    path: Path, unreadable: Callable[[Path, str], SensoriumError], sha256: str = ""
) -> Opened:
    """An ONNX Runtime session on one thread that leaves the other core to the senses.

    Raises what `unreadable` makes of the path and the fault: when the bytes are not those of
    `sha256` (any, where it is empty), when `check_model` refuses them, or the file is broken.
    """
    try:
        data = read_bytes(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise unreadable(path, f"cannot be read ({one_line(error)})") from None
    found = bytes_sha256(data)
    if sha256 and found != sha256.lower():
        raise unreadable(path, f"has sha256 {found}, pinned is {sha256[:64]!r}")
    try:
        check_model(data)
    except ValueError as error:
        raise unreadable(path, one_line(error)) from None
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(
            data, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
        metadata = dict(session.get_modelmeta().custom_metadata_map)
        for node in (*session.get_inputs(), *session.get_outputs()):
            node.name, node.type, node.shape  # noqa: B018 - raises on names that are no text
    except _FAULTS as fault:
        words = f"is not a readable ONNX file ({one_line(fault)})"
        raise unreadable(path, words) from fault
    return Opened(session, found, metadata)


def misfit(
    session: ort.InferenceSession,
    takes: Mapping[str, tuple[str, tuple[int, ...]]],
    gives: Mapping[str, tuple[int, ...]],
) -> tuple[str, str] | None:
    """How a file differs from what its contract says, and the remedy; None where it fits.

    Args:
        session: of the file.
        takes: ONNX type and shape of every input that there may be.
        gives: shape of every output that there must be, of floats.
    """
    found = {o.name: o for o in session.get_outputs()}
    absent = set(gives) - found.keys()
    if absent:
        return f"lacks the outputs {sorted(absent)}", "export it anew"
    wanted = [(i, takes.get(i.name)) for i in session.get_inputs()]
    wanted += [(found[name], ("tensor(float)", shape)) for name, shape in gives.items()]
    for node, expected in wanted:
        if expected is None:
            return f"takes {node.name[:60]!r}", f"its contract gives {sorted(takes)}"
        if node.type != expected[0] or not _fits(node.shape, expected[1]):
            return (
                f"has {node.name} of {node.type} {node.shape!s:.80}",
                f"its contract says {expected[0]} {list(expected[1])}",
            )
    return None


def _fits(declared: Sequence[int | str | None], expected: tuple[int, ...]) -> bool:
    """Whether a declared shape, whose named or unknown axes may be anything, allows another."""
    return len(declared) == len(expected) and all(
        a == b or not isinstance(a, int) for a, b in zip(declared, expected, strict=True)
    )
