"""CDR of `sensor_msgs/Image` as numpy: rgb8, bgr8, mono8, 16UC1, 32FC1. Keeps no state."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sensorium_core.cdr import MAX_NAME_BYTES, CdrBuilder, CdrCursor, Stamps
from sensorium_core.errors import MessageDecodeError

Image = NDArray[np.generic]
TYPE = "sensor_msgs/msg/Image"
MAX_SIDE = 1 << 14
"""Most rows, and most columns, of an image that is read."""
MAX_BYTES = 256 << 20

_ENCODINGS: dict[str, tuple[str, int]] = {
    "rgb8": ("u1", 3),
    "bgr8": ("u1", 3),
    "mono8": ("u1", 1),
    "16UC1": ("<u2", 1),
    "32FC1": ("<f4", 1),
}


def encode_image(stamp_ns: int, frame_id: str, image: Image, encoding: str) -> bytes:
    """Payload of an image `(rows, cols)` or `(rows, cols, 3)`."""
    pixel, channels = _pixel(encoding)
    data = np.ascontiguousarray(image, dtype=pixel)
    builder = CdrBuilder()
    builder.header(stamp_ns, frame_id)
    builder.u32(image.shape[0])
    builder.u32(image.shape[1])
    builder.string(encoding)
    builder.u8(0)
    builder.u32(image.shape[1] * channels * data.itemsize)
    builder.u32(data.nbytes)
    return b"".join((builder.done(), data.data))


def decode_image(payload: bytes) -> tuple[int, str, Image]:
    """`(stamp_ns, frame_id, image)`; the image is a read-only view of the payload.

    bgr8 becomes rgb. Raises `MessageDecodeError` for other encodings and for wrong sizes.
    """
    cursor = CdrCursor(payload, TYPE)
    stamp_ns, frame_id = cursor.header()
    rows, cols, encoding = cursor.u32(), cursor.u32(), cursor.string(MAX_NAME_BYTES)
    big_endian = cursor.u8()
    step, size = cursor.u32(), cursor.u32()
    pixel, channels = _pixel(encoding)
    dtype = np.dtype(pixel).newbyteorder(">") if big_endian else np.dtype(pixel)
    row_bytes = cols * channels * dtype.itemsize
    if rows * cols == 0 or max(rows, cols) > MAX_SIDE or size > MAX_BYTES:
        raise MessageDecodeError(
            TYPE,
            f"is {rows}x{cols} in {size} bytes",
            f"1 to {MAX_SIDE} rows and columns, at most {MAX_BYTES} bytes",
        )
    if step < row_bytes or size != rows * step:
        raise MessageDecodeError(
            TYPE,
            f"{encoding} {rows}x{cols} has step {step} and {size} bytes",
            f"step >= {row_bytes} and {rows} x step bytes",
        )
    raw = np.frombuffer(cursor.take(size), dtype=np.uint8).reshape(rows, step)[:, :row_bytes]
    image = np.ascontiguousarray(raw).view(dtype)
    if channels == 3:
        image = image.reshape(rows, cols, 3)
    return stamp_ns, frame_id, image[..., ::-1] if encoding == "bgr8" else image


def decode_images(payloads: Sequence[bytes]) -> tuple[Stamps, Image]:
    """Stamps `(n,)` and images `(n, rows, cols[, 3])` of one topic; all of one size."""
    decoded = [decode_image(p) for p in payloads]
    shapes = {image.shape for _, _, image in decoded}
    if len(shapes) > 1:
        raise MessageDecodeError(TYPE, f"changes its size: {sorted(shapes)}", "one size per topic")
    stamps = np.array([stamp for stamp, _, _ in decoded], dtype=np.int64)
    return stamps, np.stack([image for _, _, image in decoded]) if decoded else np.empty((0, 0))


def _pixel(encoding: str) -> tuple[str, int]:
    if encoding not in _ENCODINGS:
        raise MessageDecodeError(TYPE, f"has encoding {encoding[:40]!r}", ", ".join(_ENCODINGS))
    return _ENCODINGS[encoding]
