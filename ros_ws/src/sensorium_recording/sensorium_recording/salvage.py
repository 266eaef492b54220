"""Finds every whole chunk in a damaged MCAP file, past whatever is broken between them.

A file that was cut short ends inside a record; one with flipped bits has a record that is not what
it says. In both cases the search goes on at the next place that looks like a chunk.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Chunk, Header, Metadata
from sensorium_core.errors import BagError

from sensorium_recording.mcap_file import MAGIC
from sensorium_recording.mcap_records import DAMAGE, RECORD_LIMIT, inflate

_RECORD = struct.Struct("<BQ")
_SMALL_LIMIT = 64 << 20
_NAME_AT = 9 + 8 + 8 + 8 + 4
"""From the start of a chunk record to the length of its compression's name."""
_MARKS = tuple(struct.pack("<I", len(name)) + name for name in (b"lz4", b"zstd"))
_PLAIN = (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Damage:
    """Bytes of a file that could not be read."""

    offset: int
    length: int
    problem: str


@dataclass(frozen=True)
class Piece:
    """Records of a whole chunk, or one outside of any."""

    offset: int
    """In the file, as is `length`."""
    length: int
    data: bytes


Found: TypeAlias = Piece | Header | Metadata | Damage
"""What lies in a file, in order; damage is what could not be read."""


def salvage(file: Path) -> Iterator[Found]:
    """Everything whole in a file, in order, with what is broken in between."""
    with file.open("rb") as stream:
        yield from _Search(file, stream).run()


class _Search:
    def __init__(self, file: Path, stream: BinaryIO) -> None:
        self._file, self._stream = file, stream
        self._size = file.stat().st_size

    def run(self) -> Iterator[Found]:
        offset = 0
        if self._stream.read(len(MAGIC)) == MAGIC:
            offset = len(MAGIC)
        while offset < self._size:
            found, end = self._record(offset)
            if isinstance(found, str):
                after = self._next_chunk(offset + 1)
                yield Damage(offset, after - offset, found)
                offset = after
                continue
            if isinstance(found, bytes):
                yield Piece(offset, (end or self._size) - offset, found)
            elif found is not None:
                yield found
            if end is None:
                return
            offset = end

    def _record(self, offset: int) -> tuple[bytes | Header | Metadata | str | None, int | None]:
        """What is at an offset (or what is wrong there), and where the next record begins."""
        self._stream.seek(offset)
        head = self._stream.read(_RECORD.size)
        if len(head) < _RECORD.size:
            return "the file is cut short", None
        opcode, length = _RECORD.unpack(head)
        limit = RECORD_LIMIT if opcode == Opcode.CHUNK else _SMALL_LIMIT
        if not 1 <= opcode <= 0x0F or length > limit:
            return f"no record ({opcode:#04x}, {length} bytes)", None
        end = offset + _RECORD.size + length
        if end > self._size:
            return "the file is cut short", None
        if opcode == Opcode.DATA_END:
            return None, None
        if opcode in _PLAIN:
            return head + self._stream.read(length), end
        if opcode not in (Opcode.CHUNK, Opcode.HEADER, Opcode.METADATA):
            return None, end
        return self._read(opcode, self._stream.read(length)), end

    def _read(self, opcode: int, body: bytes) -> bytes | Header | Metadata | str:
        stream = ReadDataStream(BytesIO(body))
        try:
            if opcode == Opcode.HEADER:
                return Header.read(stream)
            if opcode == Opcode.METADATA:
                return Metadata.read(stream)
            return inflate(self._file, Chunk.read(stream))
        except BagError as error:
            return str(error)
        except DAMAGE as error:
            return f"unreadable record ({error!r:.80})"

    def _next_chunk(self, offset: int) -> int:
        """Where the next chunk seems to begin, or the end of the file."""
        overlap = _NAME_AT + 16
        while offset < self._size:
            self._stream.seek(offset)
            block = self._stream.read(_BLOCK + overlap)
            places = sorted(p for mark in _MARKS for p in _occurrences(block, mark))
            for place in places:
                start = place - _NAME_AT
                if start >= 0 and block[start] == Opcode.CHUNK:
                    found, _ = self._record(offset + start)
                    if isinstance(found, bytes):
                        return offset + start
            offset += _BLOCK
        return self._size


def _occurrences(block: bytes, mark: bytes) -> Iterator[int]:
    place = block.find(mark)
    while place >= 0:
        yield place
        place = block.find(mark, place + 1)
