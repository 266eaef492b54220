"""Sensor messages to the arrays that a contract's modalities take. Views where possible."""

from collections.abc import Callable
from typing import Any

import numpy as np
from geometry_msgs.msg import WrenchStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Image, JointState
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import ContractError, ShapeError

Array = NDArray[np.generic]
Decoder = Callable[[Any], Array]

_COLOUR = ("rgb8", "bgr8")
_DEPTH = ("16UC1", "mono16", "32FC1")
_MESSAGES = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
}


def message_type(modality: Modality) -> type:
    """The ROS class of a modality; raises `ContractError` for one that no decoder reads."""
    if modality.message not in _MESSAGES:
        raise ContractError(
            modality.name,
            f"comes as {modality.message}, which this node cannot read",
            f"known: {', '.join(_MESSAGES)}",
        )
    return _MESSAGES[modality.message]


def decoder(modality: Modality, contract: Contract) -> Decoder:
    """The function from a modality's message to its array."""
    kind = modality.kind
    if kind == "image":
        return lambda message: colour_array(message, modality.name)
    if kind == "depth":
        return lambda message: depth_array_mm(message, modality.name)
    if kind == "joints":
        return JointDecoder(modality.name, contract.action.joints)
    width = modality.shape[-1]
    if kind == "vector" and width in (3, 6):
        return lambda message: wrench_array(message, width)
    raise ContractError(modality.name, f"is a {kind} of width {width}", "wrenches have 3 or 6")


def colour_array(message: Image, name: str = "image") -> Array:
    """`(rows, cols, 3)` uint8, red first: a view of the message."""
    if message.encoding not in _COLOUR:
        raise ShapeError(name, f"encoding {message.encoding!r}", " or ".join(_COLOUR))
    image = _pixels(message, name, np.dtype(np.uint8), 3)
    return image[..., ::-1] if message.encoding == "bgr8" else image


def depth_array_mm(message: Image, name: str = "depth") -> Array:
    """`(rows, cols)` uint16 millimetres, 0 without a reading; a view when it comes as 16UC1."""
    if message.encoding not in _DEPTH:
        raise ShapeError(name, f"encoding {message.encoding!r}", " or ".join(_DEPTH))
    order = ">" if message.is_bigendian else "<"
    if message.encoding != "32FC1":
        image = _pixels(message, name, np.dtype(f"{order}u2"), 1)[..., 0]
        return image.astype(np.uint16, copy=False)
    metres = _pixels(message, name, np.dtype(f"{order}f4"), 1)[..., 0]
    known = np.where(np.isfinite(metres), metres, 0.0)
    return np.clip(np.rint(known * 1e3), 0, 65535).astype(np.uint16)


def _pixels(message: Image, name: str, dtype: np.dtype, channels: int) -> Array:
    rows, cols, step = message.height, message.width, message.step
    row_bytes = cols * channels * dtype.itemsize
    if step < row_bytes or len(message.data) != rows * step:
        raise ShapeError(
            name,
            f"{rows}x{cols} with step {step} and {len(message.data)} bytes",
            f"step >= {row_bytes} and {rows} x step bytes",
        )
    raw = np.frombuffer(message.data, dtype=np.uint8).reshape(rows, step)[:, :row_bytes]
    if step != row_bytes:
        raw = np.ascontiguousarray(raw)
    return raw.view(dtype).reshape(rows, cols, channels)


def wrench_array(message: WrenchStamped, width: int = 6) -> Array:
    """Force (and torque when `width` is 6) `(width,)` [N, Nm]."""
    force, torque = message.wrench.force, message.wrench.torque
    if width == 3:
        return np.array((force.x, force.y, force.z))
    return np.array((force.x, force.y, force.z, torque.x, torque.y, torque.z))


class JointDecoder:
    """Positions then velocities `(2 * n,)` in the contract's order, whatever the message's is."""

    def __init__(self, name: str, joints: tuple[str, ...]) -> None:
        self._name, self._joints = name, joints
        self._names: list[str] = []
        self._columns: list[int] = []

    def __call__(self, message: JointState) -> Array:
        """Raises `ShapeError` when a joint, or its position or velocity, is absent."""
        if message.name != self._names:
            absent = [joint for joint in self._joints if joint not in message.name]
            if absent:
                raise ShapeError(self._name, f"without {absent}", f"all of {self._joints}")
            self._names = list(message.name)
            self._columns = [self._names.index(joint) for joint in self._joints]
        n = len(self._names)
        if len(message.position) != n or len(message.velocity) != n:
            got = f"{len(message.position)} positions and {len(message.velocity)} velocities"
            raise ShapeError(self._name, got, f"{n} of each")
        values = np.array((message.position, message.velocity))
        return values[:, self._columns].reshape(-1)
