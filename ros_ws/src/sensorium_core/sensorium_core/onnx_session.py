"""Opens an ONNX file for the robot: one thread, and none that spins beside the senses."""

from collections.abc import Callable
from pathlib import Path

import onnxruntime as ort

from sensorium_core.errors import SensoriumError

_STATE = ort.capi.onnxruntime_pybind11_state
_FAULTS = (_STATE.InvalidArgument, _STATE.InvalidGraph, _STATE.InvalidProtobuf, _STATE.Fail)
"""What ONNX Runtime raises for an empty, inconsistent, garbled or otherwise unusable file."""


def open_session(
    path: Path, unreadable: Callable[[Path, str], SensoriumError]
) -> ort.InferenceSession:
    """An ONNX Runtime session on one thread that leaves the other core to the senses.

    Raises what `unreadable` makes of the path and the fault, when the file is broken.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _FAULTS as fault:
        raise unreadable(path, f"not a readable ONNX file ({fault})") from fault
