"""Brings a foreign rosbag2 recording in: topics renamed, payloads and times as they were.

Message by message: memory does not grow with the bag. One thread.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sensorium_core.contract import Contract
from sensorium_core.errors import BagError

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.contract_fit import Fit, FitCheck
from sensorium_recording.foreign_bag import ForeignBag
from sensorium_recording.topic_map import renamed

IMPORT = "import"
"""Name of the metadata record that tells where a bag came from."""


@dataclass(frozen=True)
class ImportReport:
    """What was brought in."""

    path: Path
    counts: dict[str, int]
    """Messages by new topic."""
    skipped: dict[str, tuple[int, str]]
    """Messages left out, and why, by old topic."""
    notes: tuple[str, ...]
    """What else to know."""
    fits: tuple[Fit, ...]


def import_bag(
    source: Path,
    output: Path,
    topic_map: Mapping[str, str],
    contract: Contract,
    on_message: Callable[[int], None] = lambda total: None,
) -> ImportReport:
    """Write `output`, a bag of ours, from a rosbag2 recording.

    Args:
        topic_map: new by old absolute topic; the others keep their names.
        contract: goes into the bag; the report tells how the topics fit it.
        on_message: called for each message with the number of all that will come.

    Raises:
        BagError: the source is damaged, ROS 1 or big-endian, or `output` exists.
        TopicMapError: two topics would become one.
        UnknownNameError: the map names a topic that the source lacks.
    """
    if output.exists():
        raise BagError(output, "exists already", "remove it or name another")
    with ForeignBag(source) as bag:
        kept = _names(bag, topic_map)
        check = FitCheck(contract, {new: bag.topics[old].type_name for old, new in kept.items()})
        try:
            counts = _copy(bag, output, kept, contract, check, on_message)
        except OSError as error:
            raise BagError(output, f"cannot be written ({error})", "free room or move") from None
        skipped = {t: (bag.skipped_counts[t], why) for t, why in bag.skipped.items()}
        notes = (*bag.notes, *_short(bag, kept, counts))
    return ImportReport(output, counts, skipped, notes, check.fits())


def _names(bag: ForeignBag, topic_map: Mapping[str, str]) -> dict[str, str]:
    """New name by old, of the topics that are kept; the map may name the others too."""
    everything = dict.fromkeys((*bag.topics, *bag.skipped))
    names = renamed(topic_map, everything)
    return {old: names[old] for old in bag.topics}


def _copy(
    bag: ForeignBag,
    output: Path,
    names: Mapping[str, str],
    contract: Contract,
    check: FitCheck,
    on_message: Callable[[int], None],
) -> dict[str, int]:
    total = sum(topic.messages for topic in bag.topics.values())
    with BagWriter(output) as writer:
        _declare(writer, bag, names)
        for old in bag.messages(names.keys()):
            message = RawMessage(names[old.topic], *old[1:])
            writer.write(*message)
            check.take(message)
            on_message(total)
        writer.write_metadata("contract", {"json": contract.to_json()})
        writer.write_metadata(IMPORT, _origin(bag, names))
    return writer.counts


def _declare(writer: BagWriter, bag: ForeignBag, names: Mapping[str, str]) -> None:
    for old, new in names.items():
        topic = bag.topics[old]
        writer.add_topic(new, topic.type_name, offer=topic.offer, schema=topic.schema)


def _origin(bag: ForeignBag, names: Mapping[str, str]) -> dict[str, str]:
    changed = {old: new for old, new in names.items() if old != new}
    return {
        "source": str(bag.path),
        "sha256": bag.sha256(),
        "map": json.dumps(changed, sort_keys=True),
        "skipped": json.dumps(bag.skipped, sort_keys=True),
    }


def _short(bag: ForeignBag, names: Mapping[str, str], counts: Mapping[str, int]) -> list[str]:
    """Topics of which the source holds fewer messages than it says."""
    return [
        f"{old}: the bag says {bag.topics[old].messages} messages and holds {counts[new]}"
        for old, new in names.items()
        if counts[new] != bag.topics[old].messages
    ]
