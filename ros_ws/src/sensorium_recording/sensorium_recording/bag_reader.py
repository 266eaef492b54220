"""Reads bags: a rosbag2 directory or a bare `.mcap`, chunk by chunk, every CRC checked.

Decodes what Sensorium writes and any other ROS 2 CDR bag of standard types. Safe on any thread.
"""

import struct
import zlib
from collections.abc import Collection, Iterator
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import lz4.frame
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Channel, Chunk, Footer, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, get_chunk_data_stream
from sensorium_core.errors import BagError

_RECORD = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_REMEDY = "record it again, or read what is left of it with `mcap recover`"
_Channels = dict[int, tuple[str, str] | None]
"""Topic and type by channel id; None for a channel that nobody asked for."""


class RawMessage(NamedTuple):
    """One message as it lies in the bag; the payload is CDR."""

    topic: str
    type_name: str
    log_time_ns: int
    payload: bytes


class BagReader:
    """One bag. Cheap to make; opens the file anew for each pass."""

    def __init__(self, path: Path) -> None:
        """`path` is a rosbag2 directory or an MCAP file. Raises `BagError` when it is neither."""
        self.path = path
        self._file = _mcap_file(path)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages in file order, of all topics or of `topics` only.

        Raises `BagError` on a file that is truncated, damaged or no MCAP at all.
        """
        schemas: dict[int, Schema] = {}
        channels: _Channels = {}
        for record in self._records():
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                channels[record.id] = _wanted(record, schemas, topics)
            elif isinstance(record, Message):
                found = self._known(channels, record.channel_id)
                if found is not None:
                    yield RawMessage(*found, record.log_time, record.data)
            elif isinstance(record, Chunk):
                yield from self._chunk(record, schemas, channels, topics)

    def topics(self) -> dict[str, str]:
        """Type by topic."""
        schemas: dict[int, Schema] = {}
        found: dict[str, str] = {}
        for record in self._records(inside_chunks=True):
            if isinstance(record, Schema):
                schemas[record.id] = record
            elif isinstance(record, Channel):
                schema = schemas.get(record.schema_id)
                found[record.topic] = schema.name if schema else ""
        return found

    def metadata(self) -> dict[str, dict[str, str]]:
        """The file's metadata records by name."""
        return {r.name: dict(r.metadata) for r in self._records() if isinstance(r, Metadata)}

    def _records(self, inside_chunks: bool = False) -> Iterator[object]:
        complete = False
        with self._file.open("rb") as stream:
            try:
                for record in StreamReader(
                    stream, emit_chunks=not inside_chunks, validate_crcs=inside_chunks
                ).records:
                    complete = complete or isinstance(record, Footer)
                    yield record
            except (McapError, ValueError, struct.error, RuntimeError) as error:
                raise BagError(
                    self.path, f"is damaged or cut short ({error!r})", _REMEDY
                ) from None
        if not complete:
            raise BagError(self.path, "ends without a footer", _REMEDY)

    def _chunk(
        self,
        chunk: Chunk,
        schemas: dict[int, Schema],
        channels: _Channels,
        topics: Collection[str] | None,
    ) -> Iterator[RawMessage]:
        data = self._inflate(chunk)
        offset, end = 0, len(data)
        while offset < end:
            opcode, length = _RECORD.unpack_from(data, offset)
            offset += 9
            if opcode == Opcode.MESSAGE:
                channel, _, log_time, _ = _MESSAGE.unpack_from(data, offset)
                found = self._known(channels, channel)
                if found is not None:
                    yield RawMessage(*found, log_time, data[offset + 22 : offset + length])
            elif opcode == Opcode.SCHEMA:
                schema = Schema.read(_stream(data, offset, length))
                schemas[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                record = Channel.read(_stream(data, offset, length))
                channels[record.id] = _wanted(record, schemas, topics)
            offset += length

    def _known(self, channels: _Channels, channel: int) -> tuple[str, str] | None:
        if channel not in channels:
            raise BagError(self.path, f"holds a message of unknown channel {channel}", _REMEDY)
        return channels[channel]

    def _inflate(self, chunk: Chunk) -> bytes:
        try:
            if chunk.compression == "lz4":
                data: bytes = lz4.frame.decompress(chunk.data)
            else:
                data = get_chunk_data_stream(chunk)[0].read(chunk.uncompressed_size)
        except (RuntimeError, McapError) as error:
            raise BagError(self.path, f"holds a damaged chunk ({error})", _REMEDY) from None
        if chunk.uncompressed_crc and zlib.crc32(data) != chunk.uncompressed_crc:
            raise BagError(self.path, "holds a chunk whose CRC does not match", _REMEDY)
        return data


def _wanted(
    channel: Channel, schemas: dict[int, Schema], topics: Collection[str] | None
) -> tuple[str, str] | None:
    if topics is not None and channel.topic not in topics:
        return None
    schema = schemas.get(channel.schema_id)
    return channel.topic, schema.name if schema else ""


def _stream(data: bytes, offset: int, length: int) -> ReadDataStream:
    return ReadDataStream(BytesIO(data[offset : offset + length]))


def _mcap_file(path: Path) -> Path:
    if not path.exists():
        raise BagError(path, "does not exist", "check the path")
    if path.is_file():
        file = path
    else:
        files = sorted(path.glob("*.mcap"))
        if not files:
            raise BagError(path, "holds no .mcap file", "name a rosbag2 directory or an MCAP file")
        if len(files) > 1:
            raise BagError(path, f"is split over {len(files)} files", "name one of them")
        file = files[0]
    if file.stat().st_size == 0:
        raise BagError(path, "is empty", "the recording never began; record it again")
    return file
