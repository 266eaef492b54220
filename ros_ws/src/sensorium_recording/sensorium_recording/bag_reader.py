"""Reads bags: a rosbag2 directory or a bare `.mcap`, chunk by chunk, every CRC checked.

Decodes what Sensorium writes and any other ROS 2 CDR bag of standard types. Memory stays at one
chunk, whatever the bag's size. Safe on any thread.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from mcap.records import Channel, Chunk, Header, Message, Schema
from sensorium_core.errors import BagError

from sensorium_recording.bag_seek import Seek
from sensorium_recording.bag_writer import LIBRARY
from sensorium_recording.mcap_records import (
    LATEST_NS,
    REMEDY,
    chunk_records,
    inflate,
    metadata_records,
    read_records,
    summary_declarations,
)
from sensorium_recording.rosbag2_metadata import Offer, parse_offer

_NUMBER = re.compile(r"_(\d+)$")


class RawMessage(NamedTuple):
    """One message as it lies in the bag; the payload is CDR."""

    topic: str
    type_name: str
    log_time_ns: int
    payload: bytes


class Topic(NamedTuple):
    """What a bag says of one of its topics."""

    type_name: str
    offer: Offer


class BagReader:
    """One bag of one or more files. Cheap to make; opens files anew for each pass."""

    def __init__(self, path: Path) -> None:
        """`path` is a rosbag2 directory or an MCAP file. Raises `BagError` when it is neither."""
        self.path = path
        self.files = mcap_files(path)

    def messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Messages in file order, of all topics or of `topics` only.

        Latched messages that a later file of a recording repeats come once.

        Raises `BagError` on a file that is truncated, damaged or no MCAP at all.
        """
        newest: dict[str, int] = {}
        for number, file in enumerate(self.files):
            yield from _File(file, topics, newest, follows=number > 0).messages()

    def messages_from(
        self, from_ns: int, always: Collection[str], topics: Collection[str] | None = None
    ) -> Iterator[RawMessage] | None:
        """As `messages`, without chunks that end before `from_ns` and hold no topic of `always`.

        None where the files' indexes do not tell which those are.
        """
        seek = Seek(from_ns, always)
        parts = [seek.records(file) for file in self.files]
        if None in parts:
            return None
        newest: dict[str, int] = {}
        return chain.from_iterable(
            _File(file, topics, newest, follows=number > 0).messages(records)
            for number, (file, records) in enumerate(zip(self.files, parts, strict=True))
        )

    def channels(self) -> dict[str, Topic]:
        """Type and offered quality of service by topic."""
        found: dict[str, Topic] = {}
        for file in self.files:
            schemas, channels = _declarations(file)
            for channel in channels:
                schema = schemas.get(channel.schema_id)
                offer = parse_offer(channel.metadata.get("offered_qos_profiles", ""))
                found[channel.topic] = Topic(schema.name if schema else "", offer)
        return found

    def topics(self) -> dict[str, str]:
        """Type by topic."""
        return {name: topic.type_name for name, topic in self.channels().items()}

    def metadata(self) -> dict[str, dict[str, str]]:
        """The bag's metadata records by name; the last file's where files differ."""
        found: dict[str, dict[str, str]] = {}
        for file in self.files:
            found |= {record.name: dict(record.metadata) for record in metadata_records(file)}
        return found


def mcap_files(path: Path) -> list[Path]:
    """The files of a bag in their order. Raises `BagError` when there are none or one is empty."""
    if not path.exists():
        raise BagError(path, "does not exist", "check the path")
    files = [path] if path.is_file() else sorted(path.glob("*.mcap"), key=file_order)
    if not files:
        raise BagError(path, "holds no .mcap file", "name a rosbag2 directory or an MCAP file")
    if len({_NUMBER.sub("", file.stem) for file in files}) > 1:
        raise BagError(path, f"holds {len(files)} recordings", "name one of them")
    for file in files:
        if file.stat().st_size == 0:
            raise BagError(file, "is empty", "the recording never began; record it again")
    return files


def file_order(file: Path) -> tuple[int, str]:
    """`name_10.mcap` comes after `name_9.mcap`."""
    number = _NUMBER.search(file.stem)
    return (int(number[1]) if number else -1, file.name)


def _declarations(file: Path) -> tuple[dict[int, Schema], list[Channel]]:
    """Schemas and channels, by the summary where there is one, else by reading everything."""
    found = summary_declarations(file)
    if found is not None:
        return found
    whole = _File(file, (), {}, follows=False)
    for _ in whole.messages():
        pass
    return whole.schemas, list(whole.declared.values())


class _File:
    """One pass over one file. `newest` is shared by the passes over the files of a bag."""

    def __init__(
        self, file: Path, topics: Collection[str] | None, newest: dict[str, int], follows: bool
    ) -> None:
        self._file, self._topics = file, topics
        self._newest, self._follows = newest, follows
        self._ours = False
        self.schemas: dict[int, Schema] = {}
        self.declared: dict[int, Channel] = {}
        self._channels: dict[int, tuple[str, str] | None] = {}
        """Topic and type by channel; None for a channel that nobody asked for."""

    def messages(self, records: Iterable[object] | None = None) -> Iterator[RawMessage]:
        for record in read_records(self._file) if records is None else records:
            if isinstance(record, Chunk):
                yield from self._chunk(inflate(self._file, record))
            elif isinstance(record, Message):
                found = self._known(record.channel_id)
                if record.log_time > LATEST_NS:
                    raise BagError(self._file, f"holds a time of {record.log_time} ns", REMEDY)
                if found is not None:
                    yield RawMessage(*found, record.log_time, record.data)
            elif isinstance(record, Header):
                self._ours = record.library.startswith(LIBRARY)
            else:
                self._take(record)

    def _chunk(self, data: bytes) -> Iterator[RawMessage]:
        for record in chunk_records(self._file, data):
            if not isinstance(record, tuple):
                self._take(record)
                continue
            channel, sequence, log_time_ns, begin, end = record
            found = self._known(channel)
            if found is not None and not self._is_repeat(found[0], sequence):
                yield RawMessage(*found, log_time_ns, data[begin:end])

    def _take(self, record: object) -> None:
        if isinstance(record, Schema):
            self.schemas[record.id] = record
        elif isinstance(record, Channel):
            self.declared[record.id] = record
            wanted = self._topics is None or record.topic in self._topics
            schema = self.schemas.get(record.schema_id)
            names = (record.topic, schema.name if schema else "")
            self._channels[record.id] = names if wanted else None

    def _is_repeat(self, topic: str, sequence: int) -> bool:
        if not self._ours:
            return False
        newest = self._newest.get(topic, -1)
        if sequence > newest:
            self._newest[topic] = sequence
            return False
        return self._follows

    def _known(self, channel: int) -> tuple[str, str] | None:
        if channel not in self._channels:
            raise BagError(self._file, f"holds a message of unknown channel {channel}", REMEDY)
        return self._channels[channel]
