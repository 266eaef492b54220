"""Reads the later part of an MCAP file without reading over what comes before it.

Only where the file's index can be trusted with that: it has one, and the times of its chunks
only grow.
"""

import struct
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.reader import SeekingReader
from mcap.records import Chunk, ChunkIndex
from mcap.summary import Summary
from sensorium_core.errors import BagError

_BACK_NS = 500_000_000
_SILENCE_NS = 3_600_000_000_000
_OPCODE_AND_LENGTH = 9
_DAMAGE = (McapError, ValueError, struct.error, RuntimeError, EOFError, OverflowError, MemoryError)


def later_records(
    file: Path, from_ns: int, always: Collection[str], record_limit: int
) -> Iterator[object] | None:
    """Header, schemas, channels and the chunks from `from_ns` on; None where all must be read.

    Earlier chunks that hold a topic of `always` are there too.
    """
    with file.open("rb") as stream:
        try:
            reader = SeekingReader(stream, record_size_limit=record_limit)
            header, summary = reader.get_header(), reader.get_summary()
        except _DAMAGE:
            return None
    chunks = None if summary is None else later_chunks(summary, from_ns, always)
    if summary is None or chunks is None:
        return None
    declared = [header, *summary.schemas.values(), *summary.channels.values()]
    return _records(file, declared, chunks)


def later_chunks(
    summary: Summary, from_ns: int, always: Collection[str]
) -> Sequence[ChunkIndex] | None:
    """The chunks to read, in the order of the file; None where their times do not tell."""
    chunks = sorted(summary.chunk_indexes, key=lambda chunk: chunk.chunk_start_offset)
    wanted = {c.id for c in summary.channels.values() if c.topic in always}
    kept, newest_ns = [], None
    for chunk in chunks:
        start_ns, end_ns = chunk.message_start_time, chunk.message_end_time
        if newest_ns is not None and not -_BACK_NS < start_ns - newest_ns < _SILENCE_NS:
            return None
        newest_ns = end_ns if newest_ns is None else max(newest_ns, end_ns)
        held = chunk.message_index_offsets.keys()
        if end_ns >= from_ns or not held or wanted & held:
            kept.append(chunk)
    return kept if chunks else None


def _records(
    file: Path, declared: Sequence[object], chunks: Sequence[ChunkIndex]
) -> Iterator[object]:
    yield from declared
    with file.open("rb") as stream:
        for chunk in chunks:
            stream.seek(chunk.chunk_start_offset + _OPCODE_AND_LENGTH)
            try:
                record = Chunk.read(ReadDataStream(stream))
            except _DAMAGE as error:
                raise BagError(
                    file, f"is damaged ({error!r:.200})", "`sensorium repair` recovers the rest"
                ) from None
            yield record
