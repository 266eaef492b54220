"""Sensor messages, as they come over the wire, to the arrays that a contract's modalities take."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract, Modality
from sensorium_core.errors import ContractError, ShapeError
from sensorium_core.image_cdr import TYPE as IMAGE
from sensorium_core.image_cdr import decode_image
from sensorium_core.nodes.raw import JointStateReader, read_wrench

Array = NDArray[np.generic]
Decoder = Callable[[bytes], tuple[int, Array]]
"""Payload to capture stamp [ns] and array, a view of the payload where possible."""

_TYPES = {
    "image": IMAGE,
    "depth": IMAGE,
    "vector": "geometry_msgs/msg/WrenchStamped",
    "joints": "sensor_msgs/msg/JointState",
}
_MOST_MM = 65535


def decoder(modality: Modality, contract: Contract) -> Decoder:
    """The function from a modality's payload to its array.

    Raises:
        ContractError: when the contract asks for a message that cannot be read.
    """
    expected = _TYPES.get(modality.kind)
    if modality.message != expected:
        raise ContractError(
            modality.name, f"is a {modality.kind} in {modality.message}", f"expected {expected}"
        )
    if modality.kind == "image":
        return lambda payload: colour(payload, modality.name)
    if modality.kind == "depth":
        return lambda payload: depth_mm(payload, modality.name)
    if modality.kind == "joints":
        return _joints(modality.name, contract.action.joints)
    width = modality.shape[-1]
    if width not in (3, 6):
        raise ContractError(modality.name, f"has width {width}", "3: force, or 6: and torque")
    return lambda payload: _force(payload, width)


def colour(payload: bytes, name: str = "image") -> tuple[int, Array]:
    """Stamp and `(rows, cols, 3)` uint8, red first, from rgb8 or bgr8."""
    stamp_ns, _, image = decode_image(payload)
    if image.ndim != 3 or image.dtype != np.uint8:
        raise ShapeError(name, f"{image.dtype} {image.shape}", "encoding rgb8 or bgr8")
    return stamp_ns, image


def depth_mm(payload: bytes, name: str = "depth") -> tuple[int, Array]:
    """Stamp and `(rows, cols)` uint16 [mm, 0 = no reading], from 16UC1 or metres in 32FC1."""
    stamp_ns, _, image = decode_image(payload)
    if image.ndim == 2 and image.dtype.kind == "u" and image.dtype.itemsize == 2:
        return stamp_ns, image.astype(np.uint16, copy=False)
    if image.ndim == 2 and image.dtype.kind == "f":
        known = np.where(np.isfinite(image), image, 0.0)
        return stamp_ns, np.clip(np.rint(known * 1e3), 0, _MOST_MM).astype(np.uint16)
    raise ShapeError(name, f"{image.dtype} {image.shape}", "encoding 16UC1 or 32FC1")


def _joints(name: str, joints: tuple[str, ...]) -> Decoder:
    """Positions then velocities `(2 * n,)` in the contract's order, whatever the driver's."""
    reader = JointStateReader(joints)

    def read(payload: bytes) -> tuple[int, Array]:
        found = reader.read(payload)
        if found is None:
            raise ShapeError(name, "a joint is absent", f"all of {joints}")
        return found[0], np.concatenate(found[1:])

    return read


def _force(payload: bytes, width: int) -> tuple[int, Array]:
    stamp_ns, wrench = read_wrench(payload)
    return stamp_ns, wrench[:width]
