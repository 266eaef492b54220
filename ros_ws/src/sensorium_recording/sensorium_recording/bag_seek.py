"""Reads the later part of an MCAP file without reading over what comes before it.

Only where the file's index can be trusted with that: it has one, and the times of its chunks
only grow.
"""

import struct
from collections.abc import Collection, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Chunk, ChunkIndex
from mcap.summary import Summary
from sensorium_core.errors import BagError

from sensorium_recording.mcap_records import DAMAGE, RECORD_LIMIT

_BACK_NS = 500_000_000
_SILENCE_NS = 3_600_000_000_000
_HEAD = struct.Struct("<BQ")


class Seek:
    """Goes through the files of one bag in their order."""

    def __init__(self, from_ns: int, always: Collection[str]) -> None:
        """Chunks that end before `from_ns` are left out unless they hold a topic of `always`."""
        self._from_ns, self._always = from_ns, always
        self._newest_ns: int | None = None

    def records(self, file: Path) -> Iterator[object] | None:
        """Header, schemas, channels and chunks of the next file; None where all must be read."""
        with file.open("rb") as stream:
            try:
                reader = SeekingReader(stream, record_size_limit=RECORD_LIMIT)
                header, summary = reader.get_header(), reader.get_summary()
            except (*DAMAGE, OSError):
                return None
        chunks = None if summary is None else self._chunks(summary)
        if summary is None or chunks is None:
            return None
        declared = [header, *summary.schemas.values(), *summary.channels.values()]
        return _records(file, declared, chunks)

    def _chunks(self, summary: Summary) -> Sequence[ChunkIndex] | None:
        """The chunks to read, in the order of the file; None where their times do not tell."""
        wanted = {c.id for c in summary.channels.values() if c.topic in self._always}
        kept = []
        for chunk in sorted(summary.chunk_indexes, key=lambda chunk: chunk.chunk_start_offset):
            end_ns, held = chunk.message_end_time, chunk.message_index_offsets.keys()
            newest_ns = end_ns if self._newest_ns is None else self._newest_ns
            if not -_BACK_NS < end_ns - newest_ns < _SILENCE_NS:
                return None
            self._newest_ns = max(newest_ns, end_ns)
            if end_ns >= self._from_ns or not held or wanted & held:
                kept.append(chunk)
        return kept if summary.chunk_indexes else None


def _records(
    file: Path, declared: Sequence[object], chunks: Sequence[ChunkIndex]
) -> Iterator[object]:
    yield from declared
    with file.open("rb") as stream:
        for chunk in chunks:
            try:
                record = _chunk(stream, chunk.chunk_start_offset)
            except (*DAMAGE, OSError) as error:
                raise BagError(
                    file, f"is damaged ({error!r:.200})", "`sensorium repair` recovers the rest"
                ) from None
            yield record


def _chunk(stream: BinaryIO, offset: int) -> Chunk:
    """The chunk at an offset; an index may point anywhere."""
    stream.seek(offset)
    opcode, length = _HEAD.unpack(stream.read(_HEAD.size))
    if opcode != Opcode.CHUNK or length > RECORD_LIMIT:
        raise ValueError(f"no chunk at {offset}, where the index tells of one")
    return Chunk.read(ReadDataStream(BytesIO(stream.read(length))))
