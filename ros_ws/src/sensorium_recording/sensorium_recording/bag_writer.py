"""Writes a rosbag2 directory: `metadata.yaml` and one MCAP file, 1 MiB chunks with CRCs.

lz4 keeps up with live sensors; zstd takes three times as long and half the room, for data sets.

The bytes depend on nothing but what is written: no wall clock, no host, no random. The directory
appears under its final name only when it is complete. One thread at a time.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Literal

import yaml
from sensorium_core.errors import BagError

from sensorium_recording.mcap_file import McapFile
from sensorium_recording.typestore import schema_text, type_hash

PARTIAL_SUFFIX = ".partial"
_METADATA_VERSION = 9
_LIBRARY = "sensorium"
_Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's, where PyYAML has it: ten times as fast, same text."""
_QOS = {
    "history": "keep_last",
    "depth": 10,
    "reliability": "reliable",
    "durability": "volatile",
    "deadline": {"sec": 9223372036, "nsec": 854775807},
    "lifespan": {"sec": 9223372036, "nsec": 854775807},
    "liveliness": "automatic",
    "liveliness_lease_duration": {"sec": 9223372036, "nsec": 854775807},
    "avoid_ros_namespace_conventions": False,
}


@dataclass
class _Topic:
    type_name: str
    channel: int
    latched: bool
    count: int = field(default=0)


class BagWriter:
    """A bag being written. Use as a context manager: an exception inside leaves no bag."""

    def __init__(self, directory: Path, compression: Literal["lz4", "zstd"] = "lz4") -> None:
        """Start `directory`, which must not exist; an earlier partial write of it is removed."""
        self.directory = directory
        self._partial = directory.with_name(directory.name + PARTIAL_SUFFIX)
        if directory.exists():
            raise BagError(directory, "exists already", "remove it or name another")
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True)
        self._file = (self._partial / f"{directory.name}_0.mcap").open("wb")
        self._mcap = McapFile(self._file, compression, _LIBRARY)
        self._schemas: dict[str, int] = {}
        self._topics: dict[str, _Topic] = {}
        self._first_ns: int | None = None
        self._last_ns = 0
        self._open = True

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        return {name: topic.count for name, topic in self._topics.items()}

    def add_topic(self, topic: str, type_name: str, latched: bool = False) -> None:
        """Declare a topic; `write` does so by itself, but only this can mark it latched."""
        known = self._topics.get(topic)
        if known is not None:
            if known.type_name != type_name:
                raise BagError(
                    self.directory,
                    f"topic {topic} is {known.type_name}, not {type_name}",
                    "one type per topic",
                )
            return
        if type_name not in self._schemas:
            self._schemas[type_name] = self._mcap.add_schema(type_name, schema_text(type_name))
        facts = {
            "offered_qos_profiles": _qos_text(latched),
            "topic_type_hash": type_hash(type_name),
        }
        channel = self._mcap.add_channel(topic, self._schemas[type_name], facts)
        self._topics[topic] = _Topic(type_name, channel, latched)

    def write(self, topic: str, type_name: str, log_time_ns: int, payload: bytes) -> None:
        """Append one CDR message. Messages of one topic must come in the order of their time."""
        known = self._topics.get(topic)
        if known is None or known.type_name != type_name:
            self.add_topic(topic, type_name)
            known = self._topics[topic]
        self._mcap.add_message(known.channel, known.count, log_time_ns, payload)
        known.count += 1
        if self._first_ns is None or log_time_ns < self._first_ns:
            self._first_ns = log_time_ns
        if log_time_ns > self._last_ns:
            self._last_ns = log_time_ns

    def write_metadata(self, name: str, values: Mapping[str, str]) -> None:
        """Add a metadata record, for example the contract or the seed."""
        self._mcap.add_metadata(name, values)

    def close(self) -> Path:
        """Finish the file, publish the directory under its name and return it."""
        if not self._open:
            return self.directory
        self._open = False
        self._mcap.finish()
        self._file.close()
        text = yaml.dump(self._metadata(), Dumper=_Dumper, sort_keys=False)
        (self._partial / "metadata.yaml").write_text(text)
        self._partial.rename(self.directory)
        return self.directory

    def discard(self) -> None:
        """Drop what was written; nothing stays on disk."""
        if self._open:
            self._open = False
            self._file.close()
            shutil.rmtree(self._partial, ignore_errors=True)

    def abandon(self) -> Path:
        """Stop writing where it is, for a disk that is full; returns what can be recovered."""
        self._open = False
        with suppress(OSError):
            self._file.close()
        return self._partial

    def __enter__(self) -> "BagWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()

    def _metadata(self) -> dict[str, object]:
        start = self._first_ns or 0
        span = {
            "duration": {"nanoseconds": max(self._last_ns - start, 0)},
            "starting_time": {"nanoseconds_since_epoch": start},
            "message_count": sum(topic.count for topic in self._topics.values()),
        }
        name = f"{self.directory.name}_0.mcap"
        return {
            "rosbag2_bagfile_information": {
                "version": _METADATA_VERSION,
                "storage_identifier": "mcap",
                **span,
                "topics_with_message_count": _topic_list(self._topics),
                "compression_format": "",
                "compression_mode": "",
                "relative_file_paths": [name],
                "files": [{"path": name, **span}],
                "custom_data": None,
                "ros_distro": "jazzy",
            }
        }


def _topic_list(topics: Mapping[str, _Topic]) -> Sequence[Mapping[str, object]]:
    return [
        {
            "topic_metadata": {
                "name": name,
                "type": topic.type_name,
                "serialization_format": "cdr",
                "offered_qos_profiles": [_qos(topic.latched)],
                "type_description_hash": type_hash(topic.type_name),
            },
            "message_count": topic.count,
        }
        for name, topic in topics.items()
    ]


def _qos(latched: bool) -> dict[str, object]:
    return {**_QOS, "durability": "transient_local"} if latched else dict(_QOS)


@lru_cache(maxsize=2)
def _qos_text(latched: bool) -> str:
    return str(yaml.dump([_qos(latched)], Dumper=_Dumper, sort_keys=False))
