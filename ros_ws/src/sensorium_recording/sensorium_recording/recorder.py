"""Recording as a state: off, on, or failed with a reason. ROS-free; one thread.

The node feeds it messages; it decides where they go and keeps the counts that diagnostics show.
"""

from collections.abc import Mapping
from pathlib import Path

from sensorium_core.errors import BagError

from sensorium_recording.bag_writer import PARTIAL_SUFFIX, BagWriter
from sensorium_recording.messages import Status

_OK, _WARN, _ERROR = 0, 1, 2


class Recorder:
    """Writes messages to numbered bags `<name>`, `<name>_2`, ... in one directory."""

    def __init__(self, directory: Path, name: str, metadata: Mapping[str, Mapping[str, str]]):
        """`metadata` goes into every bag, for example the contract."""
        self._directory = directory
        self._name = name
        self._metadata = metadata
        self._bag: BagWriter | None = None
        self._counts: dict[str, int] = {}
        self._unwritable: dict[str, str] = {}
        self._problem = ""
        self._last: Path | None = None

    @property
    def recording(self) -> bool:
        """Whether messages are being written now."""
        return self._bag is not None

    def start(self) -> Path:
        """Begin a new bag and return the path that it will have. Raises `BagError` when on."""
        if self._bag is not None:
            raise BagError(self._bag.directory, "is being recorded", "stop it first")
        try:
            self._bag = BagWriter(self._next_path())
        except OSError as error:
            raise BagError(
                self._directory, f"cannot be written ({error})", "choose another directory"
            ) from None
        for name, values in self._metadata.items():
            self._bag.write_metadata(name, values)
        self._counts, self._problem = {}, ""
        return self._bag.directory

    def write(self, topic: str, type_name: str, time_ns: int, payload: bytes) -> None:
        """Append a message when on. A full disk ends the recording and shows in `status`."""
        if self._bag is None:
            return
        try:
            self._bag.write(topic, type_name, time_ns, payload)
        except OSError as error:
            rest = self._bag.abandon()
            self._bag, self._problem = None, f"recording ended ({error}); the rest is in {rest}"
            return
        self._counts[topic] = self._counts.get(topic, 0) + 1

    def refuse(self, topic: str, reason: str) -> None:
        """Note a topic that cannot be recorded, and why."""
        self._unwritable[topic] = reason

    def stop(self) -> Path:
        """Finish the bag and return its path. Raises `BagError` when off."""
        if self._bag is None:
            raise BagError(self._directory, "is not being recorded to", "start first")
        bag, self._bag = self._bag, None
        self._last = bag.close()
        return self._last

    def status(self) -> Status:
        """What is recorded, for diagnostics: one count per topic."""
        values = {topic: str(count) for topic, count in sorted(self._counts.items())}
        values |= {topic: reason for topic, reason in sorted(self._unwritable.items())}
        if self._problem:
            return Status("recorder", _ERROR, self._problem, values)
        if self._bag is not None:
            text = f"recording {self._bag.directory}"
            return Status("recorder", _WARN if self._unwritable else _OK, text, values)
        return Status("recorder", _OK, f"off; last: {self._last}" if self._last else "off", values)

    def _next_path(self) -> Path:
        path, number = self._directory / self._name, 1
        while path.exists() or path.with_name(path.name + PARTIAL_SUFFIX).exists():
            number += 1
            path = self._directory / f"{self._name}_{number}"
        return path
