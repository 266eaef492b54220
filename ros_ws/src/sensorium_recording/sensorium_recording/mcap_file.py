"""Writes the MCAP container: chunks with CRCs, message indexes and a summary.

Rare records are laid out by the `mcap` library; messages, which come by the thousand, are packed
here, at a tenth of the library's cost. One thread.

Source: MCAP specification, https://mcap.dev/spec.
"""

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
_MAGIC = b"\x89MCAP0\r\n"
_MESSAGE = struct.Struct("<BQHIQQ")
_MESSAGE_HEAD = 22
_INDEX = struct.Struct("<BQHI")
_CHUNK = struct.Struct("<BQQQQII")
_LZ4_LEVEL = -3
"""Noisy pictures hardly compress: this takes half the time of level 0 for 4 % more room."""
_COMPRESS: dict[str, Callable[[bytearray], bytes]] = {
    "lz4": partial(lz4.frame.compress, compression_level=_LZ4_LEVEL),
    "zstd": zstandard.compress,
}


class McapFile:
    """An MCAP file being written to a binary stream."""

    def __init__(self, stream: BinaryIO, compression: str, library: str) -> None:
        """`compression` is lz4 or zstd."""
        self._stream, self._compression = stream, compression
        self._schemas: list[Schema] = []
        self._channels: list[Channel] = []
        self._chunks: list[ChunkIndex] = []
        self._metadata: list[MetadataIndex] = []
        self._counts: dict[int, int] = {}
        self._first_ns: int | None = None
        self._last_ns = 0
        self._buffer = bytearray()
        self._index: dict[int, array[int]] = {}
        stream.write(_MAGIC + _bytes(Header(profile="ros2", library=library)))

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
        if len(buffer) > CHUNK_BYTES:
            self._end_chunk()

    def add_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Append a metadata record."""
        record = _bytes(Metadata(name=name, metadata=dict(values)))
        self._metadata.append(MetadataIndex(self._stream.tell(), len(record), name))
        self._stream.write(record)

    def finish(self) -> None:
        """Write what is pending and the summary; the stream stays open."""
        self._end_chunk()
        self._stream.write(_bytes(DataEnd(0)))
        start = self._stream.tell()
        summary, offsets = bytearray(), bytearray()
        groups: tuple[tuple[Opcode, list[McapRecord]], ...] = (
            (Opcode.SCHEMA, [*self._schemas]),
            (Opcode.CHANNEL, [*self._channels]),
            (Opcode.STATISTICS, [self._statistics()]),
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
        self._stream.write(summary + offsets + _bytes(footer) + _MAGIC)

    def _end_chunk(self) -> None:
        if not self._index:
            return
        data = self._buffer
        times = np.concatenate([np.asarray(index)[::2] for index in self._index.values()])
        first_ns, last_ns = int(times.min()), int(times.max())
        packed = _COMPRESS[self._compression](data)
        name = self._compression.encode()
        size = _CHUNK.size - 9 + len(name) + 8 + len(packed)
        crc = zlib.crc32(data)
        head = _CHUNK.pack(Opcode.CHUNK, size, first_ns, last_ns, len(data), crc, len(name))
        start = self._stream.tell()
        self._stream.write(head + name + struct.pack("<Q", len(packed)))
        self._stream.write(packed)
        offsets, length = self._write_indexes(start + 9 + size)
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
        self._buffer.clear()
        self._index.clear()

    def _write_indexes(self, start: int) -> tuple[dict[int, int], int]:
        """Message indexes of the chunk; their offsets by channel, and their length together."""
        offsets, length = {}, 0
        for channel, index in self._index.items():
            data = np.asarray(index).astype("<u8").tobytes()
            self._stream.write(
                _INDEX.pack(Opcode.MESSAGE_INDEX, 6 + len(data), channel, len(data)) + data
            )
            offsets[channel] = start + length
            length += _INDEX.size + len(data)
            self._counts[channel] = self._counts.get(channel, 0) + len(index) // 2
        return offsets, length

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self._counts,
            chunk_count=len(self._chunks),
            message_count=sum(self._counts.values()),
            message_end_time=self._last_ns,
            message_start_time=self._first_ns or 0,
            metadata_count=len(self._metadata),
            schema_count=len(self._schemas),
        )


def _bytes(record: McapRecord) -> bytes:
    builder = RecordBuilder()
    record.write(builder)
    return bytes(builder.end())
