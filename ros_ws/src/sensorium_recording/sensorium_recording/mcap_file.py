"""Writes the MCAP container: chunks with CRCs, message indexes and a summary.

Rare records are laid out by the `mcap` library; messages, which come by the thousand, are packed
here, at a tenth of the library's cost. One thread adds messages; another may do the writing.

Source: MCAP specification, https://mcap.dev/spec.
"""

import os
import struct
import zlib
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from typing import BinaryIO

import lz4.frame
import numpy as np
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    Header,
    McapRecord,
    Metadata,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

CHUNK_BYTES = 1 << 20
MAGIC = b"\x89MCAP0\r\n"
_MESSAGE = struct.Struct("<BQHIQQ")
_MESSAGE_HEAD = 22
_INDEX = struct.Struct("<BQHI")
_CHUNK = struct.Struct("<BQQQQII")
_LZ4_LEVEL = -10
"""Noisy pictures hardly compress: this takes half the time of level 0 for 5 % more room."""
_COMPRESS: dict[str, Callable[[bytearray], bytes]] = {
    "lz4": partial(lz4.frame.compress, compression_level=_LZ4_LEVEL),
    "zstd": zstandard.compress,
}

Run = Callable[[Callable[[], None], int], None]
_Index = dict[int, "array[int]"]
"""Time and offset, in turn, of a chunk's messages by channel."""


class McapFile:
    """An MCAP file being written to a binary stream.

    What must be quick (`add_message`) happens at once; compressing and writing are jobs, handed to
    `run` in order, with the bytes that each holds.
    """

    def __init__(
        self, stream: BinaryIO, compression: str, library: str, run: Run | None = None
    ) -> None:
        """`compression` is lz4 or zstd; without `run` jobs are run at once."""
        self._run = run or _at_once
        self._tail = _Tail(stream, compression)
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._buffer = bytearray()
        self._index: _Index = {}
        self.bytes_added = 0
        """Of messages and their heads, before compression."""
        head = MAGIC + _bytes(Header(profile="ros2", library=library))
        self._run(partial(self._tail.write, head), 0)

    @property
    def counts(self) -> dict[int, int]:
        """Messages in the chunks that are written, by channel."""
        return self._tail.counts

    def add_schema(self, name: str, text: str) -> int:
        """Declare a ROS 2 type; returns its id."""
        number = len(self._schemas) + 1
        self._schemas.append(Schema(number, text.encode(), "ros2msg", name))
        self._buffer += _bytes(self._schemas[-1])
        return number

    def add_channel(self, topic: str, schema: int, metadata: Mapping[str, str]) -> int:
        """Declare a topic; returns its id."""
        number = len(self._channels) + 1
        self._channels.append(Channel(number, topic, "cdr", dict(metadata), schema))
        self._buffer += _bytes(self._channels[-1])
        return number

    def add_message(self, channel: int, sequence: int, time_ns: int, payload: bytes) -> None:
        """Append one message; a full chunk is compressed and written."""
        buffer = self._buffer
        index = self._index.get(channel)
        if index is None:
            index = self._index[channel] = array("Q")
        index.append(time_ns)
        index.append(len(buffer))
        buffer += _MESSAGE.pack(
            Opcode.MESSAGE, _MESSAGE_HEAD + len(payload), channel, sequence, time_ns, time_ns
        )
        buffer += payload
        self.bytes_added += _MESSAGE.size + len(payload)
        if len(buffer) > CHUNK_BYTES:
            self.end_chunk()

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Append a metadata record."""
        record = _bytes(Metadata(name=name, metadata=dict(values)))
        self._run(partial(self._tail.write_metadata, name, record), len(record))

    def end_chunk(self) -> None:
        """Write what is pending, however little; nothing when no message is."""
        if self._index:
            job = partial(self._tail.write_chunk, self._buffer, self._index)
            self._run(job, len(self._buffer))
            self._buffer, self._index = bytearray(), {}

    def sync(self) -> None:
        """Have what was written so far survive a power cut."""
        self._run(self._tail.sync, 0)

    def finish(self) -> None:
        """Write what is pending and the summary, and close the stream.

        Written by another thread it is also put on the disk, to survive a power cut.
        """
        self.end_chunk()
        durable = self._run is not _at_once
        self._run(partial(self._tail.finish, self._schemas, self._channels, durable), 0)


class _Tail:
    """The end of the file that jobs append to; one thread at a time."""

    def __init__(self, stream: BinaryIO, compression: str) -> None:
        self._stream, self._compression = stream, compression
        self._chunks: list[ChunkIndex] = []
        self._metadata: list[MetadataIndex] = []
        self.counts: dict[int, int] = {}
        self._first_ns: int | None = None
        self._last_ns = 0

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def write_metadata(self, name: str, record: bytes) -> None:
        self._metadata.append(MetadataIndex(self._stream.tell(), len(record), name))
        self._stream.write(record)

    def sync(self) -> None:
        """Also hands the pages back: the next ones are written to them, not to fresh memory."""
        self._stream.flush()
        os.fdatasync(self._stream.fileno())
        os.posix_fadvise(self._stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def finish(self, schemas: list[Schema], channels: list[Channel], durable: bool) -> None:
        self._stream.write(_bytes(DataEnd(0)))
        start = self._stream.tell()
        summary, offsets = bytearray(), bytearray()
        groups: tuple[tuple[Opcode, list[McapRecord]], ...] = (
            (Opcode.SCHEMA, [*schemas]),
            (Opcode.CHANNEL, [*channels]),
            (Opcode.STATISTICS, [self._statistics(len(schemas), len(channels))]),
            (Opcode.CHUNK_INDEX, [*self._chunks]),
            (Opcode.METADATA_INDEX, [*self._metadata]),
        )
        for opcode, records in groups:
            data = b"".join(_bytes(record) for record in records)
            if data:
                offsets += _bytes(SummaryOffset(opcode, start + len(summary), len(data)))
                summary += data
        footer = Footer(start, start + len(summary), 0)
        head = _bytes(footer)[:-4]
        footer.summary_crc = zlib.crc32(bytes(summary) + bytes(offsets) + head)
        self._stream.write(summary + offsets + _bytes(footer) + MAGIC)
        if durable:
            self.sync()
        self._stream.close()
        self._chunks.clear()

    def write_chunk(self, data: bytearray, index: _Index) -> None:
        times = np.concatenate([np.asarray(entries)[::2] for entries in index.values()])
        first_ns, last_ns = int(times.min()), int(times.max())
        packed = _COMPRESS[self._compression](data)
        name = self._compression.encode()
        size = _CHUNK.size - 9 + len(name) + 8 + len(packed)
        crc = zlib.crc32(data)
        head = _CHUNK.pack(Opcode.CHUNK, size, first_ns, last_ns, len(data), crc, len(name))
        start = self._stream.tell()
        self._stream.write(head + name + struct.pack("<Q", len(packed)))
        self._stream.write(packed)
        offsets, length = self._write_indexes(index, start + 9 + size)
        self._stream.flush()
        for channel, entries in index.items():
            self.counts[channel] = self.counts.get(channel, 0) + len(entries) // 2
        self._chunks.append(
            ChunkIndex(
                chunk_length=9 + size,
                chunk_start_offset=start,
                compression=self._compression,
                compressed_size=len(packed),
                message_end_time=last_ns,
                message_index_length=length,
                message_index_offsets=offsets,
                message_start_time=first_ns,
                uncompressed_size=len(data),
            )
        )
        self._first_ns = first_ns if self._first_ns is None else min(first_ns, self._first_ns)
        self._last_ns = max(last_ns, self._last_ns)

    def _write_indexes(self, indexes: _Index, start: int) -> tuple[dict[int, int], int]:
        """Message indexes of the chunk; their offsets by channel, and their length together."""
        offsets, parts, length = {}, [], 0
        for channel, index in indexes.items():
            data = np.asarray(index).astype("<u8").tobytes()
            parts.append(_INDEX.pack(Opcode.MESSAGE_INDEX, 6 + len(data), channel, len(data)))
            parts.append(data)
            offsets[channel] = start + length
            length += _INDEX.size + len(data)
        self._stream.write(b"".join(parts))
        return offsets, length

    def _statistics(self, schemas: int, channels: int) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=channels,
            channel_message_counts=self.counts,
            chunk_count=len(self._chunks),
            message_count=sum(self.counts.values()),
            message_end_time=self._last_ns,
            message_start_time=self._first_ns or 0,
            metadata_count=len(self._metadata),
            schema_count=schemas,
        )


def _at_once(job: Callable[[], None], _bytes_held: int) -> None:
    job()


def _bytes(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())
