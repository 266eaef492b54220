"""Fast CDR (XCDR1, little endian) of messages whose layout does not change from one to the next.

A wrench or a joint state differs from its predecessor only in its stamp and some float64 runs, so
a whole batch is one numpy array. Padding is zero, which makes bags reproducible (ROS 2's own
serializer leaves it undefined). Nothing here keeps state; safe on any thread.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sensorium_core.errors import MessageDecodeError

Array = NDArray[np.float64]
Stamps = NDArray[np.int64]

ENCAPSULATION = b"\x00\x01\x00\x00"
NS = 1_000_000_000
MAX_NAMES = 1024
"""Most joints of one message, and most numbers of each kind that it may give."""
MAX_NAME_BYTES = 1024
"""Longest name of a joint or a frame."""
MAX_STRING_BYTES = 1 << 20
_STAMP = slice(4, 12)
_U32 = struct.Struct("<I")
_STAMP_PARTS = struct.Struct("<II")


class CdrBuilder:
    """Grows one payload field by field."""

    def __init__(self) -> None:
        self._buffer = bytearray(ENCAPSULATION)
        self._gaps: list[range] = []

    def align(self, size: int) -> None:
        """Pad with zeros up to a multiple of `size` after the encapsulation header."""
        self._gap(-(len(self._buffer) - 4) % size)

    def _gap(self, size: int) -> None:
        self._gaps.append(range(len(self._buffer), len(self._buffer) + size))
        self._buffer += bytes(size)

    def u8(self, value: int) -> None:
        """One byte."""
        self._buffer.append(value)

    def u32(self, value: int) -> None:
        """One unsigned 32-bit integer."""
        self.align(4)
        self._buffer += _U32.pack(value)

    def string(self, text: str) -> None:
        """A zero-terminated string with its length."""
        data = text.encode() + b"\0"
        self.u32(len(data))
        self._buffer += data

    def header(self, stamp_ns: int, frame_id: str) -> None:
        """`std_msgs/Header`."""
        self.u32(stamp_ns // NS)
        self.u32(stamp_ns % NS)
        self.string(frame_id)

    def zeros_f64(self, count: int) -> tuple[int, int]:
        """Room for `count` doubles; returns `(offset, count)` for a `PackedLayout`."""
        if count:
            self.align(8)
        offset = len(self._buffer)
        self._gap(8 * count)
        return offset, count

    def done(self) -> bytes:
        """The payload so far."""
        return bytes(self._buffer)

    def layout(self, *runs: tuple[int, int]) -> "PackedLayout":
        """What was built, as the template of messages that differ in stamp and `runs` only."""
        loose = {*range(4, 12), *(i for gap in self._gaps for i in gap)}
        fixed = tuple(i for i in range(len(self._buffer)) if i not in loose)
        return PackedLayout(self.done(), runs, fixed)


@dataclass(frozen=True)
class PackedLayout:
    """A message that differs from its template only in its stamp and in runs of doubles."""

    template: bytes
    runs: tuple[tuple[int, int], ...]
    """`(offset, count)` of each run of float64, in the order of the value columns."""
    fixed: tuple[int, ...]
    """Indices of the bytes that every message of this layout has in common."""

    @property
    def width(self) -> int:
        """Number of value columns."""
        return sum(count for _, count in self.runs)

    def encode(self, stamps_ns: Stamps, values: Array) -> list[bytes]:
        """Payloads of `n` messages from stamps `(n,)` and values `(n, width)`."""
        n, size = len(stamps_ns), len(self.template)
        rows = np.empty((n, size), dtype=np.uint8)
        rows[:] = np.frombuffer(self.template, dtype=np.uint8)
        stamps = np.stack([stamps_ns // NS, stamps_ns % NS], axis=1).astype("<u4")
        rows[:, _STAMP] = stamps.view(np.uint8)
        column = 0
        for offset, count in self.runs:
            block = np.ascontiguousarray(values[:, column : column + count], dtype="<f8")
            rows[:, offset : offset + 8 * count] = block.view(np.uint8)
            column += count
        blob = rows.tobytes()
        return [blob[i : i + size] for i in range(0, n * size, size)]

    def encode_one(self, stamp_ns: int, values: Array) -> bytes:
        """Payload of one message, from values `(width,)`; quicker than a batch of one."""
        payload = bytearray(self.template)
        _STAMP_PARTS.pack_into(payload, 4, *divmod(stamp_ns, NS))
        data = np.ascontiguousarray(values, dtype="<f8").tobytes()
        begin = 0
        for offset, count in self.runs:
            payload[offset : offset + 8 * count] = data[begin : begin + 8 * count]
            begin += 8 * count
        return bytes(payload)

    def decode(self, rows: NDArray[np.uint8]) -> tuple[Stamps, Array]:
        """Stamps `(n,)` and values `(n, width)` of payload rows `(n, size)`."""
        values = [_doubles(rows, offset, count) for offset, count in self.runs]
        return stamps_of(rows), np.concatenate(values, axis=1) if values else np.empty((0, 0))


def _doubles(rows: NDArray[np.uint8], offset: int, count: int) -> Array:
    return np.ascontiguousarray(rows[:, offset : offset + 8 * count]).view("<f8")


def stamps_of(rows: NDArray[np.uint8]) -> Stamps:
    """Header stamps `(n,)` [ns] of payload rows `(n, >= 12)`."""
    parts = np.ascontiguousarray(rows[:, _STAMP]).view("<u4").astype(np.int64)
    stamps: Stamps = parts[:, 0] * NS + parts[:, 1]
    return stamps


@lru_cache(maxsize=64)
def wrench_layout(frame_id: str) -> PackedLayout:
    """`geometry_msgs/WrenchStamped`: force x, y, z [N], torque x, y, z [Nm]."""
    builder = CdrBuilder()
    builder.header(0, frame_id)
    run = builder.zeros_f64(6)
    return builder.layout(run)


@lru_cache(maxsize=64)
def joint_state_layout(
    names: tuple[str, ...], frame_id: str = "", lengths: tuple[int, int, int] | None = None
) -> PackedLayout:
    """`sensor_msgs/JointState`; `lengths` of position, velocity, effort default to (n, n, 0)."""
    builder = CdrBuilder()
    builder.header(0, frame_id)
    builder.u32(len(names))
    for name in names:
        builder.string(name)
    runs = []
    for length in lengths or (len(names), len(names), 0):
        builder.u32(length)
        runs.append(builder.zeros_f64(length))
    return builder.layout(*runs)


class CdrCursor:
    """Reads one payload field by field; raises `MessageDecodeError` when it ends too soon."""

    def __init__(self, payload: bytes | memoryview, type_name: str) -> None:
        self.payload = payload
        self._type = type_name
        self.offset = 4
        if len(payload) < 4 or bytes(payload[:2]) != ENCAPSULATION[:2]:
            raise MessageDecodeError(type_name, f"starts with {bytes(payload[:4])!r}", "CDR_LE")

    def align(self, size: int) -> None:
        """Skip padding."""
        self.offset += -(self.offset - 4) % size

    def take(self, size: int) -> memoryview:
        """The next `size` bytes, as a view."""
        end = self.offset + size
        if end > len(self.payload):
            raise MessageDecodeError(
                self._type, f"ends after {len(self.payload)} bytes", f"at least {end}"
            )
        view = memoryview(self.payload)[self.offset : end]
        self.offset = end
        return view

    def u8(self) -> int:
        """One byte."""
        return self.take(1)[0]

    def u32(self) -> int:
        """One unsigned 32-bit integer."""
        self.align(4)
        value: int = _U32.unpack(self.take(4))[0]
        return value

    def count(self, most: int, what: str) -> int:
        """An unsigned 32-bit integer that tells how many of `what` follow."""
        count = self.u32()
        if count > most:
            raise MessageDecodeError(self._type, f"has {count} {what}", f"at most {most}")
        return count

    def string(self, most: int = MAX_STRING_BYTES) -> str:
        """A string without its zero, of at most `most` bytes."""
        data = bytes(self.take(self.count(most, "bytes in a string")))
        try:
            return data[:-1].decode()
        except UnicodeDecodeError:
            raise MessageDecodeError(
                self._type, f"holds the string {data[:40]!r}", "UTF-8"
            ) from None

    def header(self) -> tuple[int, str]:
        """`(stamp_ns, frame_id)`."""
        stamp_ns = self.u32() * NS + self.u32()
        return stamp_ns, self.string(MAX_NAME_BYTES)


def decode_wrenches(payloads: Sequence[bytes]) -> tuple[Stamps, Array]:
    """Stamps `(n,)` and force, torque `(n, 6)` of `geometry_msgs/WrenchStamped` payloads."""
    name = "geometry_msgs/msg/WrenchStamped"
    if not payloads:
        return np.empty(0, np.int64), np.empty((0, 6))
    return _decode_batch(name, payloads, wrench_layout(CdrCursor(payloads[0], name).header()[1]))


def decode_joint_states(
    payloads: Sequence[bytes],
) -> tuple[Stamps, tuple[str, ...], Array, Array]:
    """Stamps `(n,)`, names, positions and velocities `(n, n_joints)` of JointState payloads.

    Raises `MessageDecodeError` when names or sizes change within the batch.
    """
    if not payloads:
        return np.empty(0, np.int64), (), np.empty((0, 0)), np.empty((0, 0))
    type_name = "sensor_msgs/msg/JointState"
    names, layout = _joint_layout(CdrCursor(payloads[0], type_name))
    stamps, values = _decode_batch(type_name, payloads, layout)
    n, counts = len(names), [count for _, count in layout.runs]
    if counts[0] != n or counts[1] not in (0, n):
        raise MessageDecodeError(type_name, f"has {counts} values for {n} names", f"{[n, n]}")
    velocities = values[:, n : 2 * n] if counts[1] else np.full((len(values), n), np.nan)
    return stamps, names, values[:, :n], velocities


def _joint_layout(cursor: CdrCursor) -> tuple[tuple[str, ...], PackedLayout]:
    _, frame_id = cursor.header()
    names = tuple(
        cursor.string(MAX_NAME_BYTES) for _ in range(cursor.count(MAX_NAMES, "joint names"))
    )
    lengths = []
    for _ in range(3):
        lengths.append(cursor.count(MAX_NAMES, "numbers"))
        if lengths[-1]:
            cursor.align(8)
            cursor.take(8 * lengths[-1])
    return names, joint_state_layout(names, frame_id, (lengths[0], lengths[1], lengths[2]))


def _decode_batch(
    type_name: str, payloads: Sequence[bytes], layout: PackedLayout
) -> tuple[Stamps, Array]:
    # ROS 2's serializer may leave a tail of undefined bytes, so only the layout's part is read.
    size = len(layout.template)
    short = next((len(p) for p in payloads if len(p) < size), None)
    if short is not None:
        raise MessageDecodeError(type_name, f"ends after {short} bytes", f"at least {size}")
    if any(len(p) != size for p in payloads):
        payloads = [p[:size] for p in payloads]
    rows = np.frombuffer(b"".join(payloads), dtype=np.uint8).reshape(-1, size)
    fixed = np.array(layout.fixed)
    if not bool((rows[:, fixed] == rows[0, fixed]).all()):
        raise MessageDecodeError(
            type_name, "changes its frame, names or sizes within one topic", "one layout"
        )
    return layout.decode(rows)
