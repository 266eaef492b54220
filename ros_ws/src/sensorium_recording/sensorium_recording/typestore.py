"""Every standard ROS 2 message by name, without ROS: classes, schema text, hash and generic CDR.

Backed by `rosbags` (Apache-2.0). Quick enough for messages at tens of hertz; wrenches, joint
states and images go through `cdr` and `images`.
"""

import struct
from functools import lru_cache
from typing import Any

from rosbags.serde import SerdeError
from rosbags.typesys import Stores, get_typestore
from rosbags.typesys.store import Typestore
from sensorium_core.errors import MessageDecodeError, UnknownNameError

_MISFIT = (
    SerdeError, ValueError, LookupError, TypeError, AssertionError, OverflowError, MemoryError,
    struct.error,
)  # fmt: skip
"""What `rosbags` raises for bytes that are not the message."""


@lru_cache(maxsize=1)
def _store() -> Typestore:
    return get_typestore(Stores.ROS2_JAZZY)


def is_known(type_name: str) -> bool:
    """Whether a type is one of Jazzy's."""
    return type_name in _store().types


def message_class(type_name: str) -> Any:
    """Dataclass of a type such as `sensor_msgs/msg/CameraInfo`; constructed by keyword."""
    _require(type_name)
    return _store().types[type_name]


@lru_cache(maxsize=128)
def schema_text(type_name: str) -> str:
    """Full definition of a type and all it contains, as MCAP's `ros2msg` schema wants it."""
    _require(type_name)
    return _store().generate_msgdef(type_name, ros_version=2)[0]


@lru_cache(maxsize=128)
def type_hash(type_name: str) -> str:
    """REP-2011 hash (`RIHS01_...`)."""
    _require(type_name)
    return _store().hash_rihs01(type_name)


@lru_cache(maxsize=256)
def has_header(type_name: str) -> bool:
    """Whether messages of a type begin with a `std_msgs/Header`; False for unknown types."""
    fields = _store().fielddefs.get(type_name, ([], []))[1]
    return bool(fields) and fields[0][1][1] == "std_msgs/msg/Header"


def encode(message: Any) -> bytes:
    """Payload of a message made from `message_class`."""
    return bytes(_store().serialize_cdr(message, message.__msgtype__))


def decode(payload: bytes, type_name: str) -> Any:
    """Message of a payload. Raises `MessageDecodeError` when the bytes do not fit the type."""
    _require(type_name)
    try:
        return _store().deserialize_cdr(payload, type_name)
    except _MISFIT:
        raise MessageDecodeError(
            type_name, f"does not fit its {len(payload)} bytes", "a complete CDR payload"
        ) from None


def _require(type_name: str) -> None:
    types = _store().types
    if type_name not in types:
        package = type_name.split("/")[0]
        near = [name for name in types if name.startswith(package + "/")]
        raise UnknownNameError("message type", type_name, near or ["the types of ROS 2 Jazzy"])
