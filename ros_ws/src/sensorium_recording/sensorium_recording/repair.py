"""Makes a whole bag of what a crash, a power cut or a bad disk has left; the source stays.

Every message in a whole chunk is kept. Our files number the messages of each topic, so that it can
be told how many are missing, and of which topic.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mcap.records import Channel, Header, Metadata, Schema
from sensorium_core.errors import BagError

from sensorium_recording.bag_reader import file_order
from sensorium_recording.bag_writer import LIBRARY, PARTIAL_SUFFIX, BagWriter
from sensorium_recording.mcap_records import chunk_records, summary_declarations
from sensorium_recording.rosbag2_metadata import Offer, parse_offer
from sensorium_recording.salvage import Damage, Piece, salvage
from sensorium_recording.typestore import is_known

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
    newest: dict[str, int] = {}
    with _writer(result) as bag:
        for file in files:
            _recover(file, bag, newest, result)
        if not result.messages:
            raise BagError(source, "holds no whole chunk", "nothing can be recovered")
    return result


def _writer(result: Repair) -> BagWriter:
    """Grows in a folder of its own: `NAME.partial` may be the source, which stays."""
    scratch = result.bag.with_name(f"{result.bag.name}.repairing{PARTIAL_SUFFIX}")
    source = result.source.resolve()
    stale = scratch.resolve() not in (source, *source.parents)
    return BagWriter(result.bag, partial=scratch, replace_partial=stale)


def _recover(file: Path, bag: BagWriter, newest: dict[str, int], result: Repair) -> None:
    if file.stat().st_size == 0:
        result.damages.append((file, Damage(0, 0, "the file is empty")))
        return
    schemas, channels = summary_declarations(file) or ({}, [])
    known = _Source(dict(schemas), {channel.id: channel for channel in channels})
    for found in salvage(file):
        if isinstance(found, Damage):
            result.damages.append((file, found))
        elif isinstance(found, Header):
            known.ours = found.library.startswith(LIBRARY)
        elif isinstance(found, Metadata):
            bag.write_metadata(found.name, dict(found.metadata))
        else:
            for channel, sequence, time_ns, payload in _messages(file, found, known, result):
                _keep(bag, known, channel, (sequence, time_ns, payload), newest, result)


def _keep(
    bag: BagWriter,
    known: _Source,
    channel_id: int,
    message: tuple[int, int, bytes],
    newest: dict[str, int],
    result: Repair,
) -> None:
    sequence, time_ns, payload = message
    channel = known.channels.get(channel_id)
    schema = known.schemas.get(channel.schema_id) if channel is not None else None
    if channel is None or schema is None:
        result.missing[_NAMELESS] = result.missing.get(_NAMELESS, 0) + 1
        return
    if known.ours:
        gap = sequence - newest.get(channel.topic, -1) - 1
        if gap < 0:  # A latched message that a later file repeats.
            return
        if gap:
            result.missing[channel.topic] = result.missing.get(channel.topic, 0) + gap
        newest[channel.topic] = sequence
    if channel.topic not in bag.counts:
        bag.add_topic(channel.topic, schema.name, offer=_offer(channel), schema=_text(schema))
    bag.write(channel.topic, schema.name, time_ns, payload)
    result.first_ns = time_ns if not result.messages else min(result.first_ns, time_ns)
    result.last_ns = max(result.last_ns, time_ns)
    result.messages += 1


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


def _offer(channel: Channel) -> Offer:
    return parse_offer(channel.metadata.get("offered_qos_profiles", ""))


def _text(schema: Schema) -> str | None:
    return None if is_known(schema.name) else schema.data.decode("utf-8", "replace")
