"""Reads fast sensors' messages one at a time, as they arrive: a few microseconds each.

A node that subscribes raw hands its payloads here; that costs a third of building ROS messages.
Arrays are read-only views of the payload.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from sensorium_core.cdr import NS, CdrCursor
from sensorium_core.errors import MessageDecodeError

Array = NDArray[np.float64]

WRENCH = "geometry_msgs/msg/WrenchStamped"
JOINT_STATE = "sensor_msgs/msg/JointState"
_HEAD = struct.Struct("<4sIII")
_U32 = struct.Struct("<I")
_ENCAPSULATION = b"\x00\x01"
_SIX_DOUBLES = 48


def read_stamp(payload: bytes, type_name: str) -> int:
    """Header stamp [ns]."""
    return _head(payload, type_name)[0]


def read_wrench(payload: bytes) -> tuple[int, Array]:
    """Stamp [ns] and force, torque `(6,)` of a `geometry_msgs/WrenchStamped`."""
    stamp_ns, frame_bytes = _head(payload, WRENCH)
    offset = 4 + (12 + frame_bytes + 7) // 8 * 8
    if len(payload) < offset + _SIX_DOUBLES:
        raise MessageDecodeError(
            WRENCH, f"ends after {len(payload)} bytes", f"at least {offset + _SIX_DOUBLES}"
        )
    return stamp_ns, np.frombuffer(payload, "<f8", 6, offset)


def _head(payload: bytes, type_name: str) -> tuple[int, int]:
    """Stamp and length of the frame's name, its zero included."""
    if len(payload) < _HEAD.size:
        raise MessageDecodeError(type_name, f"ends after {len(payload)} bytes", "a header")
    encapsulation, seconds, nanoseconds, frame_bytes = _HEAD.unpack_from(payload)
    if encapsulation[:2] != _ENCAPSULATION:
        raise MessageDecodeError(type_name, f"starts with {encapsulation!r}", "CDR_LE")
    return seconds * NS + nanoseconds, frame_bytes


class JointStateReader:
    """Positions then velocities `(2 * n,)` of chosen joints, whatever order a driver sends.

    Names seldom change: where the values are is worked out once and kept.
    """

    def __init__(self, joints: tuple[str, ...]) -> None:
        self._joints = joints
        self._names = b""
        self._columns: list[int] = []
        self._count = 0
        self._positions = self._velocities = 0

    def read(self, payload: bytes) -> tuple[int, Array]:
        """Stamp [ns] and values; raises `MessageDecodeError` when a joint or its rate is absent."""
        stamp_ns = read_stamp(payload, JOINT_STATE)
        if not self._names or payload[12 : self._positions] != self._names:
            self._learn(payload)
        if not self._has_velocities(payload):
            raise MessageDecodeError(JOINT_STATE, "lacks velocities", f"{self._count} of them")
        at = np.frombuffer(payload, "<f8", self._count, self._positions)
        rates = np.frombuffer(payload, "<f8", self._count, self._velocities)
        return stamp_ns, np.concatenate((at[self._columns], rates[self._columns]))

    @property
    def _velocities_count(self) -> int:
        """Where the number of velocities stands."""
        return self._positions + 8 * self._count

    def _has_velocities(self, payload: bytes) -> bool:
        if len(payload) < self._velocities + 8 * self._count:
            return False
        return bool(_U32.unpack_from(payload, self._velocities_count)[0] == self._count)

    def _learn(self, payload: bytes) -> None:
        """Find where the values of messages like this one are."""
        cursor = CdrCursor(payload, JOINT_STATE)
        cursor.header()
        names = [cursor.string() for _ in range(cursor.u32())]
        absent = [joint for joint in self._joints if joint not in names]
        if absent:
            raise MessageDecodeError(JOINT_STATE, f"lacks {absent}", f"all of {self._joints}")
        count = cursor.u32()
        if count != len(names):
            raise MessageDecodeError(JOINT_STATE, f"has {count} positions", f"{len(names)}")
        cursor.align(8)
        self._positions, self._count = cursor.offset, count
        velocities = self._velocities_count + 4
        self._velocities = velocities + -(velocities - 4) % 8
        self._columns = [names.index(joint) for joint in self._joints]
        self._names = bytes(payload[12 : self._positions])
