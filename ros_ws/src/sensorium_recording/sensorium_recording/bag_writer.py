"""Writes a rosbag2 directory: `metadata.yaml` and MCAP files, 1 MiB chunks with CRCs.

lz4 keeps up with live sensors; zstd takes three times as long and half the room, for data sets.

The bytes depend on nothing but what is written: no wall clock, no host, no random. The directory
appears under its final name only when it is complete; until then it is `NAME.partial`, from which
`repair` recovers every chunk. One thread calls; in the background another one writes.
"""

import os
import shutil
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sensorium_core.errors import BagError

from sensorium_recording.backlog import Backlog
from sensorium_recording.mcap_file import McapFile
from sensorium_recording.rosbag2_metadata import (
    FileFacts,
    Offer,
    TopicFacts,
    metadata_yaml,
    offer_yaml,
)
from sensorium_recording.typestore import schema_text, type_hash

PARTIAL_SUFFIX = ".partial"
LIBRARY = "sensorium"
"""Who wrote a file; the reader knows our repeated messages by it."""


@dataclass(frozen=True)
class Split:
    """When a new file is begun; zero: never."""

    max_bytes: int = 0
    """Of messages, before compression; a file is a little smaller."""
    max_s: float = 0.0
    """Between the first and the last message of a file."""


@dataclass
class _Topic:
    type_name: str
    offer: Offer
    schema: str
    type_hash: str
    count: int = 0
    in_files: int = 0
    """Messages in all files, those repeated at the start of a file among them."""
    latest: deque[tuple[int, int, bytes]] = field(default_factory=deque)
    """Sequence, time and payload of what every file must hold."""


class BagWriter:
    """A bag being written. Use as a context manager: an exception inside leaves no bag."""

    def __init__(
        self,
        directory: Path,
        compression: Literal["lz4", "zstd"] = "lz4",
        split: Split | None = None,
        background: bool = False,
        replace_partial: bool = False,
        partial: Path | None = None,
    ) -> None:
        """Start `directory`.

        Args:
            directory: must not exist.
            compression: of chunks.
            split: when a new file is begun.
            background: `write` only hands over; errors of the disk come with a later call.
            replace_partial: remove what an earlier, unfinished write has left.
            partial: where the bag grows; `NAME.partial` if not named.

        Raises:
            BagError: the bag exists, or an unfinished one of its name, or it cannot be written.
        """
        self.directory = directory
        self.partial = partial or directory.with_name(directory.name + PARTIAL_SUFFIX)
        if directory.exists():
            raise BagError(directory, "exists already", "remove it or name another")
        if replace_partial:
            shutil.rmtree(self.partial, ignore_errors=True)
        try:
            self.partial.mkdir(parents=True)
        except FileExistsError:
            raise BagError(
                self.partial,
                "exists already: a recording in progress, or one that was cut off",
                "`sensorium repair` makes a bag of it; or remove it",
            ) from None
        except OSError as error:
            raise BagError(
                self.partial, f"cannot be written ({error})", "choose another directory"
            ) from None
        self._compression, self._split = compression, split or Split()
        self._topics: dict[str, _Topic] = {}
        self._mcaps: list[tuple[Path, int, McapFile, dict[str, int]]] = []
        """Every file: path, inode, contents, and its channels by topic."""
        self._metadata: dict[str, dict[str, str]] = {}
        self._files: list[FileFacts] = []
        self._open = True
        self.backlog = Backlog() if background else None
        self._begin_file()

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        return {name: topic.count for name, topic in self._topics.items()}

    @property
    def path(self) -> Path:
        """The file that is being written."""
        return self.partial / self._files[-1].name

    @property
    def inode(self) -> int:
        """Of the open file; that of `path` differs once the file was removed or replaced."""
        return os.fstat(self._stream.fileno()).st_ino

    def on_disk(self) -> dict[str, int]:
        """Messages in whole chunks, by topic, of the files that are still there."""
        found: dict[str, int] = {}
        for path, inode, mcap, channels in self._mcaps:
            if not path.exists() or path.stat().st_ino != inode:
                continue
            for name, channel in channels.items():
                found[name] = found.get(name, 0) + mcap.counts.get(channel, 0)
        return {name: min(n, self._topics[name].count) for name, n in found.items()}

    def add_topic(
        self,
        topic: str,
        type_name: str,
        latched: bool = False,
        offer: Offer | None = None,
        schema: str | None = None,
    ) -> None:
        """Declare a topic; `write` does so by itself, but only this can tell its quality.

        `schema` is the definition of a type that is none of Jazzy's.
        """
        known = self._topics.get(topic)
        if known is None:
            told = offer or Offer(latched=latched)
            text, digest = schema or schema_text(type_name), ""
            if schema is None:
                digest = type_hash(type_name)
            self._topics[topic] = _Topic(type_name, told, text, digest)
            self._declare(topic)
        elif known.type_name != type_name:
            raise BagError(
                self.directory,
                f"topic {topic} is {known.type_name}, not {type_name}",
                "one type per topic",
            )

    def write(self, topic: str, type_name: str, log_time_ns: int, payload: bytes) -> None:
        """Append one CDR message. Messages of one topic must come in the order of their time."""
        known = self._topics.get(topic)
        if known is None or known.type_name != type_name:
            self.add_topic(topic, type_name)
            known = self._topics[topic]
        if self._is_full(log_time_ns):
            self._roll()
        self._append(topic, known, known.count, log_time_ns, payload)
        self._files[-1].take(log_time_ns)
        if known.offer.latched:
            known.latest.append((known.count, log_time_ns, payload))
            while len(known.latest) > known.offer.depth:
                known.latest.popleft()
        known.count += 1

    def write_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Add a metadata record, for example the contract or the seed; every file has it."""
        self._metadata[name] = dict(values)
        self._mcap.add_metadata(name, values)

    def flush(self, sync: bool = False) -> None:
        """Write what is pending; with `sync` so that a power cut does not take it."""
        self._mcap.end_chunk()
        if sync:
            self._mcap.sync()

    def close(self) -> Path:
        """Finish the file, publish the directory under its name and return it."""
        if not self._open:
            return self.directory
        self._mcap.finish()
        self._open = False
        if self.backlog is not None:
            self.backlog.close()
        topics = [
            TopicFacts(name, t.type_name, t.type_hash, t.offer, t.in_files)
            for name, t in self._topics.items()
        ]
        with (self.partial / "metadata.yaml").open("w") as file:
            file.write(metadata_yaml(self._files, topics))
            if self.backlog is not None:
                file.flush()
                os.fsync(file.fileno())
        self.partial.rename(self.directory)
        return self.directory

    def discard(self) -> None:
        """Drop what was written; nothing stays on disk."""
        if self._open:
            self.abandon()
            shutil.rmtree(self.partial, ignore_errors=True)

    def abandon(self) -> Path:
        """Stop writing where it is, for a disk that is full; returns what can be recovered."""
        self._open = False
        with suppress(OSError):
            if self.backlog is not None:
                self.backlog.close()
        with suppress(OSError):
            self._stream.close()
        return self.partial

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _begin_file(self) -> None:
        name = f"{self.directory.name}_{len(self._files)}.mcap"
        self._stream = (self.partial / name).open("wb")
        run = self.backlog.submit if self.backlog is not None else None
        self._mcap = McapFile(self._stream, self._compression, LIBRARY, run)
        self._files.append(FileFacts(name))
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        path = self.partial / name
        self._mcaps.append((path, self.inode, self._mcap, self._channels))

    def _roll(self) -> None:
        """End the file and begin another, which has all that a reader of it alone needs."""
        self._mcap.finish()
        self._begin_file()
        for name, values in self._metadata.items():
            self._mcap.add_metadata(name, values)
        for name, topic in self._topics.items():
            self._declare(name)
            for sequence, time_ns, payload in topic.latest:
                self._append(name, topic, sequence, time_ns, payload)
                self._files[-1].count += 1

    def _declare(self, name: str) -> None:
        topic = self._topics[name]
        if topic.type_name not in self._schemas:
            schema = self._mcap.add_schema(topic.type_name, topic.schema)
            self._schemas[topic.type_name] = schema
        facts = {
            "offered_qos_profiles": offer_yaml(topic.offer),
            "topic_type_hash": topic.type_hash,
        }
        number = self._mcap.add_channel(name, self._schemas[topic.type_name], facts)
        self._channels[name] = number

    def _append(
        self, name: str, topic: _Topic, sequence: int, time_ns: int, payload: bytes
    ) -> None:
        self._mcap.add_message(self._channels[name], sequence, time_ns, payload)
        topic.in_files += 1

    def _is_full(self, time_ns: int) -> bool:
        first_ns = self._files[-1].first_ns
        if first_ns is None:
            return False
        by_time = 0 < self._split.max_s * 1e9 <= time_ns - first_ns
        return by_time or 0 < self._split.max_bytes <= self._mcap.bytes_added
