"""Records of one MCAP file, bounded: no length that a file claims makes us take its word for it.

For `bag_reader`, `bag_seek` and `salvage`; callers see `BagError`.
"""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

import lz4.frame
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, Footer, Metadata, Schema
from mcap.stream_reader import StreamReader
from sensorium_core.errors import BagError

from sensorium_recording.bag_writer import PARTIAL_SUFFIX

RECORD_LIMIT = 256 << 20
"""Longest record, and chunk when unpacked, that is read [bytes]."""
LATEST_NS = (1 << 63) - 1
"""Times must fit in 64 bits with a sign [ns]."""
DAMAGE = (
    McapError, ValueError, struct.error, RuntimeError, EOFError, OverflowError, MemoryError,
    zstandard.ZstdError,
)  # fmt: skip
"""What reading foreign bytes may raise."""
_HEAD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<BQHIQQ")
_IS_MESSAGE = int(Opcode.MESSAGE)
_LEAST_MESSAGE = _MESSAGE.size - _HEAD.size
REMEDY = "`sensorium repair` recovers what is whole"

Place: TypeAlias = tuple[int, int, int, int, int]
"""Channel, sequence and log time of a message; where its payload begins and ends in the chunk."""


def read_records(file: Path) -> Iterator[object]:
    """The records of a file in order. Raises `BagError` where it is damaged or cut short."""
    remedy = ""
    if file.parent.name.endswith(PARTIAL_SUFFIX):
        remedy = f"stop the recording first; where it was cut off, {REMEDY}"
    complete = False
    with file.open("rb") as stream:
        try:
            reader = _Records(stream, emit_chunks=True, record_size_limit=RECORD_LIMIT)
            for record in reader.records:
                complete = complete or isinstance(record, Footer)
                yield record
        except DAMAGE as error:
            raise BagError(
                file, f"is damaged or cut short ({error!r:.200})", remedy or REMEDY
            ) from None
    if not complete:
        raise BagError(file, "ends without a footer", remedy or REMEDY)


class _Records(StreamReader):  # type: ignore[misc]
    """All records but indexes: nobody here needs them, and they cost a quarter of the time."""

    def _read_record(self, opcode: int, length: int) -> object:
        if opcode in (Opcode.MESSAGE_INDEX, Opcode.CHUNK_INDEX):
            return None
        return super()._read_record(opcode, length)


def inflate(file: Path, chunk: Chunk) -> bytes:
    """What a chunk holds. Raises `BagError` when it is not what was written."""
    if chunk.uncompressed_size > RECORD_LIMIT:
        words = (
            f"holds a chunk of {chunk.uncompressed_size} bytes; at most {RECORD_LIMIT} are read"
        )
        raise BagError(file, words, REMEDY)
    try:
        data = _unpacked(chunk)
        if len(data) != chunk.uncompressed_size:
            raise ValueError(f"{len(data)} bytes instead of {chunk.uncompressed_size}")
    except DAMAGE as error:
        raise BagError(file, f"holds a damaged chunk ({error})", REMEDY) from None
    if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
        raise BagError(file, "holds a chunk whose CRC does not match", REMEDY)
    return data


def chunk_records(file: Path, data: bytes) -> Iterator[Schema | Channel | Place]:
    """What an unpacked chunk holds, in order. Raises `BagError` where a record does not fit."""
    offset, size = 0, len(data)
    try:
        while offset < size:
            if data[offset] == _IS_MESSAGE:
                _, length, channel, sequence, time_ns, _ = _MESSAGE.unpack_from(data, offset)
                begin, offset = offset + _MESSAGE.size, offset + _HEAD.size + length
                if length < _LEAST_MESSAGE or offset > size or time_ns > LATEST_NS:
                    raise ValueError(f"a message of {length} bytes at {time_ns} ns")
                yield channel, sequence, time_ns, begin, offset
                continue
            opcode, length = _HEAD.unpack_from(data, offset)
            begin, offset = offset + _HEAD.size, offset + _HEAD.size + length
            if offset > size:
                raise ValueError(f"a record of {length} bytes")
            if opcode == Opcode.SCHEMA:
                yield Schema.read(ReadDataStream(BytesIO(data[begin:offset])))
            elif opcode == Opcode.CHANNEL:
                yield Channel.read(ReadDataStream(BytesIO(data[begin:offset])))
    except DAMAGE as error:
        words = f"holds a chunk with a bad record ({error!r:.200})"
        raise BagError(file, words, REMEDY) from None


def _unpacked(chunk: Chunk) -> bytes:
    """At most one byte more than the chunk says that it holds."""
    limit = chunk.uncompressed_size + 1
    if chunk.compression == "lz4":
        found: bytes = lz4.frame.LZ4FrameDecompressor().decompress(chunk.data, limit)
        return found
    if chunk.compression == "zstd":
        return zstandard.ZstdDecompressor().stream_reader(chunk.data).read(limit)
    if chunk.compression:
        raise ValueError(f"compressed by {chunk.compression!r:.20}; lz4 and zstd are read")
    return bytes(chunk.data)


def summary_declarations(file: Path) -> tuple[dict[int, Schema], list[Channel]] | None:
    """Schemas by id, and channels, as the summary at a file's end tells; None without one."""
    with file.open("rb") as stream:
        try:
            summary = SeekingReader(stream, record_size_limit=RECORD_LIMIT).get_summary()
        except (*DAMAGE, OSError):
            return None
    if summary is None or not summary.channels:
        return None
    return summary.schemas, list(summary.channels.values())


def metadata_records(file: Path) -> list[Metadata]:
    """A file's metadata, by its index or else by reading all. Raises `BagError`."""
    with file.open("rb") as stream:
        try:
            reader = SeekingReader(stream, record_size_limit=RECORD_LIMIT)
            if reader.get_summary() is not None:
                return list(reader.iter_metadata())
        except (*DAMAGE, OSError):
            pass
    return [record for record in read_records(file) if isinstance(record, Metadata)]
