"""Reads rosbag2 recordings of any tool: sqlite3 or MCAP, compressed or not, split or not.

By `rosbags`, message by message: memory does not grow with the bag. One thread.
"""

import struct
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from rosbags.interfaces import Connection, ConnectionExtRosbag2, QosDurability, QosReliability
from rosbags.rosbag2 import Reader, ReaderError, storage_mcap, storage_sqlite3
from sensorium_core.errors import BagError
from sensorium_core.hashes import file_sha256

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.definitions import definition_of
from sensorium_recording.mcap_records import REMEDY
from sensorium_recording.rosbag2_metadata import Offer

_STORAGE = (".mcap", ".db3", ".zstd")
_ZSTD_ERROR: type[Exception] = storage_mcap.zstd.ZstdError  # type: ignore[attr-defined]
_SQLITE_ERROR: type[Exception] = storage_sqlite3.apsw.Error  # type: ignore[attr-defined]
"""Of the libraries that `rosbags` brings."""
_DAMAGE = (
    ReaderError, _SQLITE_ERROR, _ZSTD_ERROR, OSError, EOFError, RuntimeError, AssertionError,
    LookupError, ValueError, TypeError, OverflowError, MemoryError, struct.error,
)  # fmt: skip
_CDR_LE = b"\x00\x01"
_ROS1_MAGIC = b"#ROSBAG"
_SQLITE_REMEDY = "recover it with `sqlite3 FILE .recover`, or `ros2 bag reindex`"


class ForeignTopic(NamedTuple):
    """One topic of a foreign bag that can be kept."""

    type_name: str
    offer: Offer
    schema: str | None
    """Definition of a type that is not Jazzy's; None: it is."""
    messages: int
    """How many, as the bag itself says."""


class ForeignBag:
    """An open foreign bag. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        """`path` is a rosbag2 directory, a .db3 or a .mcap. Raises `BagError` for all else."""
        self.path = path
        self.skipped: dict[str, str] = {}
        """Why a topic cannot be kept."""
        self.skipped_counts: dict[str, int] = {}
        self.notes: list[str] = []
        self.topics: dict[str, ForeignTopic] = {}
        self._connections: list[Connection] = []
        self._file = _storage(path)
        try:
            self._reader = Reader(self._file)
            self._reader.open()
        except _DAMAGE as error:
            raise self._damage(error) from None
        for connection in self._reader.connections:
            self._take(connection)
        self.notes += _unfinished(path)

    def messages(self, topics: Collection[str]) -> Iterator[RawMessage]:
        """Messages of some topics, file by file, in the order of time within each.

        Raises:
            BagError: damage, or a payload that is not little-endian CDR.
        """
        wanted = [c for c in self._connections if c.topic in topics]
        if not wanted:
            return
        try:
            for connection, time_ns, payload in self._reader.messages(wanted):
                if payload[:2] != _CDR_LE:
                    raise self._foreign_encoding(connection.topic, bytes(payload[:2]))
                yield RawMessage(connection.topic, connection.msgtype, time_ns, bytes(payload))
        except _DAMAGE as error:
            raise self._damage(error) from None

    def sha256(self) -> str:
        """Of the recording's files, in the order of their names."""
        return file_sha256(*_files(self.path))

    def close(self) -> None:
        """Close it."""
        self._reader.close()

    def __enter__(self) -> "ForeignBag":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take(self, connection: Connection) -> None:
        topic, count = connection.topic, connection.msgcount
        definition = definition_of(connection.msgtype, connection.msgdef)
        known = self.topics.get(topic)
        problem = definition.problem
        extension = connection.ext
        assert isinstance(extension, ConnectionExtRosbag2)
        if extension.serialization_format != "cdr":
            problem = f"its messages are {extension.serialization_format}, not CDR"
        if known is not None and known.type_name != connection.msgtype:
            problem = f"also comes as {connection.msgtype}; {known.type_name} is kept"
        if problem:
            self.skipped[topic] = problem
            self.skipped_counts[topic] = self.skipped_counts.get(topic, 0) + count
            return
        if definition.note and definition.note not in self.notes:
            self.notes.append(definition.note)
        total = count + (known.messages if known else 0)
        offer = _offer(topic, extension)
        self.topics[topic] = ForeignTopic(connection.msgtype, offer, definition.schema, total)
        self._connections.append(connection)

    def _damage(self, error: Exception) -> BagError:
        remedy = _SQLITE_REMEDY if self._file.suffix == ".db3" else REMEDY
        if self._file.is_dir():
            remedy += "; `ros2 bag reindex` writes metadata.yaml anew"
        reason = str(error) or repr(error)
        return BagError(self.path, f"is damaged or cannot be read ({reason:.200})", remedy)

    def _foreign_encoding(self, topic: str, head: bytes) -> BagError:
        big = head == b"\x00\x00"
        what = "big-endian CDR" if big else f"an encoding {head.hex() or 'of no bytes'}"
        remedy = "record on a little-endian machine with ROS 2's default serialization"
        return BagError(
            self.path, f"holds {what} on {topic}; only little-endian CDR is read", remedy
        )


def _offer(topic: str, extension: ConnectionExtRosbag2) -> Offer:
    profiles = extension.offered_qos_profiles
    if not profiles:
        return Offer(latched=topic.endswith("/tf_static"))
    return Offer(
        latched=all(p.durability == QosDurability.TRANSIENT_LOCAL for p in profiles),
        reliable=all(p.reliability != QosReliability.BEST_EFFORT for p in profiles),
        depth=max(p.depth for p in profiles) or Offer.depth,
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(f for f in path.iterdir() if f.suffix in _STORAGE)


def _storage(path: Path) -> Path:
    """What `rosbags` is to open: a lone file stands in for a directory without metadata."""
    if not path.exists():
        raise BagError(path, "does not exist", "check the path")
    files = _files(path)
    for file in files or [path]:
        if file.is_file():
            _require_ros2(path, file)
    if path.is_dir() and not files:
        raise BagError(path, "holds no .db3 or .mcap file", "name a rosbag2 directory or file")
    if path.is_dir() and not (path / "metadata.yaml").exists() and len(files) == 1:
        return files[0]
    return path


def _require_ros2(path: Path, file: Path) -> None:
    with file.open("rb") as stream:
        head = stream.read(len(_ROS1_MAGIC))
    if head == _ROS1_MAGIC:
        raise BagError(
            path, "is a ROS 1 bag", f"convert it with `rosbags-convert --src {file} --dst OUT`"
        )
    if not head:
        raise BagError(file, "is empty", "the recording never began")


def _unfinished(path: Path) -> list[str]:
    logs = path.parent.glob(path.name + "-wal") if path.is_file() else path.glob("*.db3-wal")
    return [
        f"{log.name} holds messages that were not yet in the database and are not read; "
        f"`sqlite3 {log.name.removesuffix('-wal')} 'pragma wal_checkpoint'` puts them there"
        for log in sorted(logs)
        if log.stat().st_size
    ]
