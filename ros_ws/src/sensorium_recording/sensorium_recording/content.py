"""What the messages of one stream say: entropy, saturation, values that are no numbers.

One class per kind of message, each with fixed memory; `value_content` has the one for numbers.
Every class tells of each message whether it says the same as the one before, which is how a frozen
sensor is found. Not thread safe.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import MessageDecodeError
from sensorium_core.image_cdr import decode_image

from sensorium_recording.statistics import Flags, Histogram, entropy_bits

Pixels = NDArray[np.generic]

SAMPLE = 16384
"""About this many evenly spaced pixels, or bytes, of a message are looked at."""
_BODY = 12
"""Encapsulation and stamp come first; they differ between messages that say the same."""
_DEPTHS = 1 << 16
_MM = 1000.0


@dataclass(frozen=True)
class ContentSummary:
    """What one stream says. Shares are of the pixels or samples looked at, 0 to 1."""

    unit: Literal["byte", "pixel", "value"]
    """What entropy is counted per."""
    entropy_bits: float
    """Over all messages; 0 says that one value is all there ever was."""
    at_low: float = 0.0
    """Share of pixels at 0; of wrench samples on a plateau at the minimum."""
    at_high: float = 0.0
    """Share of bytes at 255, 16-bit pixels at 65535; of wrench samples on a plateau on top."""
    not_finite: float = 0.0
    """Share of NaN and infinity."""
    channels: int = 1
    constant_channels: int = 0
    """Channels of which not one value differs from the others."""
    sampled: float = 1.0
    """Share of the pixels or bytes that was looked at."""


class Content(Protocol):
    """Collects the values of one stream."""

    undecodable: int

    def add(self, payloads: Sequence[bytes]) -> Flags:
        """Take in messages; returns `(n,)`, whether each says the same as the one before."""

    def summary(self) -> ContentSummary | None:
        """What is known so far; None when nothing could be read."""


class ImageContent:
    """`sensor_msgs/Image`: one histogram of evenly spaced pixels."""

    def __init__(self) -> None:
        self.undecodable = 0
        self._kind: np.dtype[Any] = np.dtype(np.uint8)
        self._counts: Histogram = np.zeros(256, np.int64)
        self._seen = self._full = self._not_finite = 0
        self._last: tuple[Pixels, bytes] | None = None

    def add(self, payloads: Sequence[bytes]) -> Flags:
        """Take in images."""
        return np.array([self._one(payload) for payload in payloads], bool)

    def _one(self, payload: bytes) -> bool:
        try:
            image = decode_image(payload)[2]
        except MessageDecodeError:
            self.undecodable += 1
            return False
        stride = max(int(np.ceil(np.sqrt(image.shape[0] * image.shape[1] / SAMPLE))), 1)
        pixels = image[::stride, ::stride]
        self._count(pixels, image.size)
        repeats = self._last is not None and _same(pixels, payload, *self._last)
        self._last = pixels, payload
        return repeats

    def _count(self, pixels: Pixels, full: int) -> None:
        if pixels.dtype != self._kind:
            self._kind = pixels.dtype
            self._counts = np.zeros(256 if pixels.itemsize == 1 else _DEPTHS, np.int64)
            self._seen = self._full = self._not_finite = 0
        flat = pixels.reshape(-1)
        if self._kind.kind == "f":
            finite = np.isfinite(flat)
            self._not_finite += flat.size - int(finite.sum())
            millimetres = flat[finite].astype(np.float64) * _MM
            flat = np.clip(millimetres, 0, _DEPTHS - 1).astype(np.uint16)
        self._counts += np.bincount(flat, minlength=len(self._counts))
        self._seen += pixels.size
        self._full += full

    def summary(self) -> ContentSummary | None:
        """What is known so far."""
        if not self._seen:
            return None
        return ContentSummary(
            unit="byte" if self._kind.itemsize == 1 else "pixel",
            entropy_bits=entropy_bits(self._counts),
            at_low=float(self._counts[0]) / self._seen,
            at_high=0.0 if self._kind.kind == "f" else float(self._counts[-1]) / self._seen,
            not_finite=self._not_finite / self._seen,
            constant_channels=int(np.count_nonzero(self._counts) < 2),
            sampled=self._seen / self._full,
        )


def _same(pixels: Pixels, payload: bytes, last_pixels: Pixels, last: bytes) -> bool:
    # The sampled pixels nearly always settle it, without a look at the whole.
    alike = pixels.shape == last_pixels.shape and np.array_equal(pixels, last_pixels)
    return alike and payload[_BODY:] == last[_BODY:]


class OpaqueContent:
    """Any other sensor's message: a histogram of evenly spaced bytes after the stamp."""

    def __init__(self) -> None:
        self.undecodable = 0
        self._counts: Histogram = np.zeros(256, np.int64)
        self._full = 0
        self._last: bytes | None = None

    def add(self, payloads: Sequence[bytes]) -> Flags:
        """Take in messages."""
        return np.array([self._one(payload[_BODY:]) for payload in payloads], bool)

    def _one(self, body: bytes) -> bool:
        sample = np.frombuffer(body, np.uint8)[:: max(len(body) // SAMPLE, 1)]
        self._counts += np.bincount(sample, minlength=256)
        self._full += len(body)
        repeats = body == self._last
        self._last = body
        return repeats

    def summary(self) -> ContentSummary | None:
        """What is known so far."""
        seen = int(self._counts.sum())
        if not seen:
            return None
        bits = entropy_bits(self._counts)
        return ContentSummary(unit="byte", entropy_bits=bits, sampled=seen / self._full)
