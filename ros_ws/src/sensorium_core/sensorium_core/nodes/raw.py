"""Joint states, wrenches and images from CDR bytes, for subscriptions with `raw=True`.

At 500 Hz, building a Python message costs more than everything that is done with it. Only little
endian CDR, which every ROS 2 middleware on common processors writes.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from sensorium_core.errors import MessageDecodeError

Array = NDArray[np.float64]
_NS = 1_000_000_000
_LITTLE_ENDIAN = b"\x00\x01"
_STAMP_AND_LENGTH = struct.Struct("<iII")
_SIX = struct.Struct("<6d")
_U32 = struct.Struct("<I")
_TWO_U32 = struct.Struct("<2I")
_THREE_U32 = struct.Struct("<3I")
_MAX_NAMES, _MAX_NAME_BYTES = 1024, 1024
_PIXELS = {"rgb8": (np.dtype(np.uint8), 3), "16UC1": (np.dtype("<u2"), 1)}


def read_wrench(payload: bytes) -> tuple[int, Array]:
    """Stamp [ns] and force, torque `(6,)` [N, Nm] of a `geometry_msgs/WrenchStamped`.

    Raises `MessageDecodeError` on bytes that are none.
    """
    stamp_ns, end = _read_header(payload, "WrenchStamped")
    try:
        return stamp_ns, np.array(_SIX.unpack_from(payload, _aligned(end, 8)))
    except struct.error as error:
        raise MessageDecodeError("WrenchStamped", str(error), "six doubles") from None


class JointStateReader:
    """Reads `sensor_msgs/JointState` in the order of `names`; one per subscription.

    Where the numbers stand is found once and kept for as long as frame and names stay the same.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._prefix = b""
        self._columns: list[int] | None = None

    def read(self, payload: bytes) -> tuple[int, Array, Array] | None:
        """Stamp [ns], positions and velocities `(n,)`; None when one of our joints is absent.

        Velocities that were not sent are zero. Raises `MessageDecodeError` on foreign bytes.
        """
        stamp_ns, end = _read_header(payload, "JointState")
        try:
            if not self._prefix or not payload.startswith(self._prefix, 12):
                self._learn(payload, end)
            positions, end = _read_doubles(payload, 12 + len(self._prefix))
            velocities, _ = _read_doubles(payload, end)
        except (struct.error, UnicodeDecodeError, ValueError) as error:
            raise MessageDecodeError("JointState", str(error), "names and doubles") from None
        columns = self._columns
        if columns is None or len(positions) < self._n_given:
            return None
        moving = len(velocities) == len(positions)
        speeds = velocities[columns] if moving else np.zeros(len(columns))
        return stamp_ns, positions[columns], speeds

    def _learn(self, payload: bytes, end: int) -> None:
        """Read frame and names, which few messages change."""
        offset = _aligned(end, 4)
        (count,) = _U32.unpack_from(payload, offset)
        if count > _MAX_NAMES:
            raise ValueError(f"{count} joint names; at most {_MAX_NAMES} are read")
        offset += 4
        given = []
        for _ in range(count):
            offset = _aligned(offset, 4)
            (length,) = _U32.unpack_from(payload, offset)
            if length > _MAX_NAME_BYTES:
                raise ValueError(f"a name of {length} bytes; at most {_MAX_NAME_BYTES} are read")
            given.append(payload[offset + 4 : offset + 3 + length].decode())
            offset += 4 + length
        known = set(self._names) <= set(given)
        self._columns = [given.index(n) for n in self._names] if known else None
        self._n_given = len(given)
        self._prefix = payload[12:offset]


def read_stamp(payload: bytes) -> int:
    """Header stamp [ns] of any message that begins with a `std_msgs/Header`."""
    return _read_header(payload, "message with a header")[0]


def read_image(payload: bytes, encoding: str) -> NDArray[np.generic]:
    """Pixels of a `sensor_msgs/Image` as a view: `rgb8` `(rows, cols, 3)`, `16UC1` `(rows, cols)`.

    Raises `MessageDecodeError` on other encodings, and when the bytes do not fill the picture.
    """
    _, end = _read_header(payload, "Image")
    try:
        offset = _aligned(end, 4)
        rows, cols, length = _THREE_U32.unpack_from(payload, offset)
        got = payload[offset + 12 : offset + 11 + length].decode("ascii", "replace")
        offset = _aligned(offset + 12 + length + 1, 4)
        step, count = _TWO_U32.unpack_from(payload, offset)
    except struct.error as error:
        raise MessageDecodeError("Image", str(error), "size, encoding, step, data") from None
    dtype, channels = _PIXELS[encoding]
    wide = cols * channels * dtype.itemsize
    filled = rows > 0 and step >= wide > 0 and rows * step == count
    if got != encoding or not filled or len(payload) - offset - 8 < count:
        words = f"is {cols}x{rows} {got!r:.20} in {len(payload)} bytes, step {step}"
        raise MessageDecodeError("Image", words, f"a full {encoding} picture")
    lines = np.frombuffer(payload, np.uint8, count, offset + 8).reshape(rows, step)[:, :wide]
    if step != wide:
        lines = np.ascontiguousarray(lines)
    pixels = lines.view(dtype)
    return pixels.reshape(rows, cols, channels) if channels > 1 else pixels


def _read_header(payload: bytes, kind: str) -> tuple[int, int]:
    """Stamp [ns] and where the header ends."""
    if payload[:2] != _LITTLE_ENDIAN or len(payload) < 16:
        raise MessageDecodeError(kind, f"starts with {payload[:4]!r}", "CDR_LE")
    sec, nanosec, length = _STAMP_AND_LENGTH.unpack_from(payload, 4)
    return sec * _NS + nanosec, 16 + length


def _read_doubles(payload: bytes, offset: int) -> tuple[Array, int]:
    offset = _aligned(offset, 4)
    (count,) = _U32.unpack_from(payload, offset)
    if count == 0:
        return np.zeros(0), offset + 4
    offset = _aligned(offset + 4, 8)
    return np.frombuffer(payload, "<f8", count, offset), offset + 8 * count


def _aligned(offset: int, size: int) -> int:
    """The next multiple of `size`, counted after the four bytes of encapsulation."""
    return offset + -(offset - 4) % size
