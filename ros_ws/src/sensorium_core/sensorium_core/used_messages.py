"""Which messages an observation was made of, as text in `policy/step`.

Key `used/<modality>`: `offset:crc` of each message; the offset is from the step's time [ns].
"""

import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sensorium_core.errors import MessageDecodeError
from sensorium_core.observation import Observation

PREFIX = "used/"


def tell_used(seen: Observation) -> dict[str, str]:
    """Keys and values of one observation."""
    return {
        PREFIX + name: " ".join(f"{stamp - seen.t_ns}:{crc(value):08x}" for stamp, value in parts)
        for name, parts in seen.parts.items()
    }


def read_used(t_ns: int, values: Mapping[str, str]) -> dict[str, list[tuple[int, int]]]:
    """By modality, `(stamp_ns, crc)` of each message.

    Raises `MessageDecodeError` on foreign text.
    """
    try:
        return {
            key.removeprefix(PREFIX): [_pair(t_ns, item) for item in text.split()]
            for key, text in values.items()
            if key.startswith(PREFIX)
        }
    except ValueError as error:
        raise MessageDecodeError(
            "policy/step", f"tells messages that cannot be read ({error})", "offset:crc"
        ) from None


def _pair(t_ns: int, item: str) -> tuple[int, int]:
    offset, digits = item.split(":")
    return t_ns + int(offset), int(digits, 16)


def crc(value: NDArray[np.generic]) -> int:
    """CRC-32 over an array's bytes."""
    return zlib.crc32(np.ascontiguousarray(value).tobytes())
