"""Makes a whole bag of what a crash, a power cut or a bad disk has left; the source stays.

Every message in a whole chunk is kept. Our files number the messages of each topic, so that it can
be told how many are missing, and of which topic.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from mcap.records import Channel, Header, Metadata, Schema
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from sensorium_core.errors import BagError

from sensorium_recording.bag_reader import file_order
from sensorium_recording.bag_writer import LIBRARY, PARTIAL_SUFFIX, BagWriter
from sensorium_recording.definitions import Definition, definition_of
from sensorium_recording.mcap_records import chunk_records, summary_declarations
from sensorium_recording.rosbag2_metadata import parse_offer
from sensorium_recording.salvage import Damage, Piece, salvage

_Key = TypeVar("_Key")
_NAMELESS = "(declaration lost)"


@dataclass
class Repair:
    """What was recovered."""

    source: Path
    bag: Path
    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    """Time of the newest recovered message; what was received later is lost."""
    missing: dict[str, int] = field(default_factory=dict)
    """By topic, messages that are gone from between recovered ones."""
    damages: list[tuple[Path, Damage]] = field(default_factory=list)
    left_out: dict[tuple[str, str], int] = field(default_factory=dict)
    """By topic and reason, whole messages that the new bag cannot hold."""
    notes: list[str] = field(default_factory=list)
    """What to know about the definitions of types."""

    def take(self, time_ns: int) -> None:
        """Count a recovered message."""
        self.first_ns = min(self.first_ns, time_ns) if self.messages else time_ns
        self.last_ns = max(self.last_ns, time_ns)
        self.messages += 1


@dataclass
class _Source:
    """One file's declarations; each file numbers its channels for itself."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    ours: bool = False
    """Whether we wrote it, and numbered the messages of each topic."""


def default_output(source: Path) -> Path:
    """`NAME.partial` becomes `NAME`, anything else `NAME_repaired`."""
    if source.name.endswith(PARTIAL_SUFFIX):
        return source.with_name(source.name.removesuffix(PARTIAL_SUFFIX))
    return source.with_name(source.stem + "_repaired")


def repair(source: Path, output: Path | None = None) -> Repair:
    """Write a new bag with all that is whole in `source`, a bag's folder or an MCAP file.

    Raises:
        BagError: nothing can be recovered, or the output exists.
    """
    files = sorted([source] if source.is_file() else source.glob("*.mcap"), key=file_order)
    if not files:
        raise BagError(source, "holds no .mcap file", "name a recording's folder or file")
    result = Repair(source, output or default_output(source))
    if result.bag.exists():
        raise BagError(result.bag, "exists already", "remove it or name another with --output")
    with _writer(result) as bag:
        copy = _Copy(bag, result)
        for file in files:
            copy.file(file)
        if not result.messages:
            raise BagError(source, "holds no whole chunk", "nothing can be recovered")
    return result


def _writer(result: Repair) -> BagWriter:
    """Grows in a folder of its own: `NAME.partial` may be the source, which stays."""
    scratch = result.bag.with_name(f"{result.bag.name}.repairing{PARTIAL_SUFFIX}")
    source = result.source.resolve()
    stale = scratch.resolve() not in (source, *source.parents)
    return BagWriter(result.bag, partial=scratch, replace_partial=stale)


class _Copy:
    """Takes what is whole over into the new bag."""

    def __init__(self, bag: BagWriter, result: Repair) -> None:
        self._bag, self._result = bag, result
        self._newest: dict[str, int] = {}
        self._types: dict[str, str] = {}
        """Of the topics of the new bag."""
        self._refusals: dict[tuple[str, str], str] = {}
        """By topic and type why its messages are left out; empty: they are not."""

    def file(self, file: Path) -> None:
        if file.stat().st_size == 0:
            self._result.damages.append((file, Damage(0, 0, "the file is empty")))
            return
        schemas, channels = summary_declarations(file) or ({}, [])
        known = _Source(dict(schemas), {channel.id: channel for channel in channels})
        for found in salvage(file):
            if isinstance(found, Damage):
                self._result.damages.append((file, found))
            elif isinstance(found, Header):
                known.ours = found.library.startswith(LIBRARY)
            elif isinstance(found, Metadata):
                self._bag.write_metadata(found.name, dict(found.metadata))
            else:
                for message in _messages(file, found, known, self._result):
                    self._take(known, *message)

    def _take(
        self, known: _Source, channel_id: int, sequence: int, time_ns: int, payload: bytes
    ) -> None:
        channel = known.channels.get(channel_id)
        schema = known.schemas.get(channel.schema_id) if channel is not None else None
        if channel is None or schema is None:
            _count(self._result.missing, _NAMELESS)
        elif known.ours and self._is_repeat(channel.topic, sequence):
            return
        elif why := self._refusal(channel, schema):
            _count(self._result.left_out, (channel.topic, why))
        else:
            self._bag.write(channel.topic, schema.name, time_ns, payload)
            self._result.take(time_ns)

    def _is_repeat(self, topic: str, sequence: int) -> bool:
        """Whether a later file repeats a latched message; else what is missing is counted."""
        gap = sequence - self._newest.get(topic, -1) - 1
        if gap < 0:
            return True
        if gap:
            _count(self._result.missing, topic, gap)
        self._newest[topic] = sequence
        return False

    def _refusal(self, channel: Channel, schema: Schema) -> str:
        key = channel.topic, schema.name
        if key not in self._refusals:
            self._refusals[key] = self._declare(channel, schema)
        return self._refusals[key]

    def _declare(self, channel: Channel, schema: Schema) -> str:
        """Add a topic to the new bag; returns why it cannot have it."""
        taken = self._types.get(channel.topic)
        if taken is not None:
            return f"they are {schema.name}, those before {taken}; a topic has one type"
        definition = _definition(schema)
        if definition.problem:
            return definition.problem
        if definition.note and definition.note not in self._result.notes:
            self._result.notes.append(definition.note)
        offer = parse_offer(channel.metadata.get("offered_qos_profiles", ""))
        self._bag.add_topic(channel.topic, schema.name, offer=offer, schema=definition.schema)
        self._types[channel.topic] = schema.name
        return ""


def _count(counts: dict[_Key, int], key: _Key, more: int = 1) -> None:
    counts[key] = counts.get(key, 0) + more


def _messages(
    file: Path, piece: Piece, known: _Source, result: Repair
) -> Iterator[tuple[int, int, int, bytes]]:
    """Channel, sequence, time and payload of a chunk's messages; declarations go to `known`."""
    try:
        for record in chunk_records(file, piece.data):
            if isinstance(record, Schema):
                known.schemas[record.id] = record
            elif isinstance(record, Channel):
                known.channels[record.id] = record
            else:
                channel, sequence, time_ns, begin, end = record
                yield channel, sequence, time_ns, piece.data[begin:end]
    except BagError as error:
        result.damages.append((file, Damage(piece.offset, piece.length, str(error))))


def _definition(schema: Schema) -> Definition:
    """What to write for a type; a definition that only we cannot read is kept as it is."""
    text = schema.data.decode("utf-8", "replace")
    found = definition_of(schema.name, MessageDefinition(_format(schema), text))
    if found.problem and schema.encoding == "ros2msg" and text.strip():
        return Definition(text, note=f"{found.problem}; kept as it is")
    return found


def _format(schema: Schema) -> MessageDefinitionFormat:
    formats = {"ros2msg": MessageDefinitionFormat.MSG, "ros2idl": MessageDefinitionFormat.IDL}
    return formats.get(schema.encoding, MessageDefinitionFormat.NONE)
