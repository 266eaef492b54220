"""Recording as a state: off, on, or ended with a reason. ROS-free; one thread.

The node feeds it messages and calls `tick`; it decides where they go, marks episodes, keeps the
books and watches the disk. It never filters, resamples or alters what it is given.
"""

import json
import os
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sensorium_core.errors import BagError, SensoriumError

from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.episode_marks import MARKS, EpisodeMarks, Mark
from sensorium_recording.loss import Account
from sensorium_recording.messages import DIAGNOSTICS, Status
from sensorium_recording.recorder_config import RecorderConfig
from sensorium_recording.rosbag2_metadata import Offer

_OK, _WARN, _ERROR = 0, 1, 2
_FLUSH_NS = 400_000_000
_SYNC_NS = 1_000_000_000
_LOOK_NS = 500_000_000
_JUMP_NS = 1_000_000_000


class Recorder:
    """Writes messages to numbered bags `<name>`, `<name>_2`, ... in one directory."""

    def __init__(
        self,
        config: RecorderConfig,
        metadata: Mapping[str, Mapping[str, str]],
        namespace: str = "",
    ) -> None:
        """`metadata` goes into every bag, for example the contract.

        `namespace` is the robot's, such as `/left` or nothing.
        """
        self._config, self._directory = config, config.directory
        self._metadata, self._prefix = metadata, namespace.rstrip("/") + "/"
        self.accounts: dict[str, Account] = {}
        self.marks = EpisodeMarks(config.episodes, self._write_mark)
        self._watched = {self._prefix + topic: take for topic, take in self.marks.takes.items()}
        self._offers: dict[str, tuple[str, Offer]] = {}
        self._latched: dict[str, deque[bytes]] = {}
        """What a bag that begins later must hold, too."""
        self._bag: BagWriter | None = None
        self._unwritable: dict[str, str] = {}
        self.problem = ""
        """Why the last recording ended by itself; empty when it did not."""
        self.last: Path | None = None
        """The bag that was closed last."""
        self._episodes: list[dict[str, str | int]] = []
        self._flushed_ns = self._synced_ns = self._looked_ns = 0
        self._clock_jumps, self._newest_ns = 0, 0
        self.waiting: list[str] = []
        """Topics that are wanted and of which nothing can be heard yet."""

    @property
    def recording(self) -> bool:
        """Whether messages are being written now."""
        return self._bag is not None

    def declare(
        self, topic: str, type_name: str, offer: Offer, expected_rate_hz: float = 0.0
    ) -> None:
        """Announce a topic that will come, with what its publishers offered."""
        self._offers[topic] = (type_name, offer)
        if offer.latched:
            self._latched.setdefault(topic, deque(maxlen=offer.depth))
        self.accounts.setdefault(topic, Account(expected_rate_hz))
        if self._bag is not None:
            self._bag.add_topic(topic, type_name, offer=offer)

    def start(self, time_ns: int = 0) -> Path:
        """Begin a new bag and return the path that it will have. Raises `BagError` when on.

        What was latched before goes into it as received at `time_ns`.
        """
        if self._bag is not None:
            raise BagError(self._bag.directory, "is being recorded", "stop it first")
        bag = None
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._config.require_room()
            bag = BagWriter(self._config.next_path(), "lz4", self._config.split, background=True)
            self._begin(bag, time_ns)
        except OSError as error:
            if bag is not None:
                bag.discard()
            raise BagError(
                self._directory, f"cannot be written ({error})", "choose another directory"
            ) from None
        return bag.directory

    def _begin(self, bag: BagWriter, time_ns: int) -> None:
        for name, values in self._metadata.items():
            bag.write_metadata(name, values)
        self.declare(self._prefix + MARKS, DIAGNOSTICS, Offer())
        for topic, (type_name, offer) in self._offers.items():
            bag.add_topic(topic, type_name, offer=offer)
        self._bag, self.problem, self._episodes = bag, "", []
        self._clock_jumps = self._newest_ns = 0
        self.marks.restart()
        for account in self.accounts.values():
            account.forget_counts()
        for topic, messages in self._latched.items():
            for payload in messages:
                self.accounts[topic].received += 1
                self._write(topic, time_ns, payload)

    def take(
        self,
        topic: str,
        time_ns: int,
        payload: bytes,
        sequence: int | None = None,
        stamp_ns: int | None = None,
        queue_was_full: bool = False,
    ) -> None:
        """Take one message of a declared topic; written when on.

        Args:
            topic: as declared.
            time_ns: when it was received.
            payload: CDR.
            sequence: the publisher's number for it, where the middleware tells.
            stamp_ns: its header's stamp, for when there is no number.
            queue_was_full: the middleware's queue in front of us may have overflowed.
        """
        account = self.accounts[topic]
        if topic in self._latched:
            self._latched[topic].append(payload)
        if self._bag is None:
            account.follow(sequence, stamp_ns)
            return
        account.take(sequence, stamp_ns, queue_was_full)
        watch = self._watched.get(topic)
        if watch is not None:
            watch(time_ns, payload)
        self._write(topic, time_ns, payload)

    def refuse(self, topic: str, reason: str) -> None:
        """Note a topic that cannot be recorded, and why."""
        self._unwritable[topic] = reason

    def tick(self, time_ns: int, monotonic_ns: int) -> None:
        """Flush, and look whether the disk is still there and has room; call at 5 Hz or more."""
        bag = self._bag
        if bag is None:
            return
        self.marks.tick(time_ns)
        try:
            if bag.backlog is not None and bag.backlog.error is not None:
                raise bag.backlog.error
            if monotonic_ns - self._synced_ns > _SYNC_NS:
                bag.flush(sync=True)
                self._synced_ns = self._flushed_ns = monotonic_ns
            elif monotonic_ns - self._flushed_ns > _FLUSH_NS:
                bag.flush()
                self._flushed_ns = monotonic_ns
            if monotonic_ns - self._looked_ns > _LOOK_NS:
                self._looked_ns = monotonic_ns
                self._look(bag)
        except OSError as error:
            self._fail(error)

    def stop(self) -> Path:
        """Finish the bag and return its path. Raises `BagError` when off or writing failed."""
        if self._bag is None:
            raise BagError(
                self._directory, self.problem or "is not being recorded to", "start first"
            )
        self.marks.end(self._newest_ns, "", "the recording ended")
        bag, self._bag = self._bag, None
        if bag is None:
            raise BagError(self._directory, self.problem, "make room")
        for topic, account in self.accounts.items():
            account.written = bag.counts.get(topic, 0)
        try:
            self._write_books(bag)
            self.last = bag.close()
        except OSError as error:
            self._bag = bag
            self._fail(error)
            raise BagError(bag.directory, self.problem, "make room") from None
        return self.last

    def start_episode(self, time_ns: int) -> int:
        """Mark that an episode begins, ending one that is open; returns its number."""
        self._require_on()
        return self.marks.start(time_ns).number

    def end_episode(self, time_ns: int, outcome: str) -> int:
        """Mark that the open episode ends, as `success` or `failure`; returns its number."""
        self._require_on()
        mark = self.marks.end(time_ns, outcome, "told by service")
        if mark is None:
            raise BagError(self._directory, "has no episode open", "start one first")
        return mark.number

    def _require_on(self) -> None:
        if self._bag is None:
            raise BagError(self._directory, "is not being recorded to", "start first")

    def status(self) -> Status:
        """What is recorded, for diagnostics: the books of each topic, and what is lost."""
        counts = self._bag.counts if self._bag is not None else {}
        values: dict[str, str] = {}
        lost = 0
        for topic, account in sorted(self.accounts.items()):
            written = counts.get(topic, account.written)
            values[f"received/{topic}"] = str(account.received)
            values[f"written/{topic}"] = str(written)
            values[f"lost/{topic}"] = str(account.lost)
            values |= {f"{kind}/{topic}": str(n) for kind, n in account.losses.items() if n}
            lost += account.lost
        values |= {f"problem/{topic}": why for topic, why in sorted(self._unwritable.items())}
        values |= {"lost": str(lost), "waiting": " ".join(self.waiting)}
        if self.problem:
            return Status("recorder", _ERROR, self.problem, values)
        if self._bag is None:
            text = f"off; last: {self.last}" if self.last else "off"
            return Status("recorder", _OK, text, values)
        if self._bag.backlog is not None:
            values["pending_bytes"] = str(self._bag.backlog.pending_bytes)
        values["clock_jumps"] = str(self._clock_jumps)
        text = f"recording {self._bag.directory}" + (f", {lost} lost" if lost else "")
        return Status("recorder", _WARN if self._unwritable or lost else _OK, text, values)

    def _write(self, topic: str, time_ns: int, payload: bytes) -> None:
        bag = self._bag
        if bag is None:  # What came before, such as a mark, could not be written.
            self.accounts[topic].settle(self.accounts[topic].written)
            return
        if time_ns < self._newest_ns - _JUMP_NS:
            self._clock_jumps += 1
            self._newest_ns = time_ns
        self._newest_ns = max(self._newest_ns, time_ns)
        if bag.backlog is not None and bag.backlog.full:
            self.accounts[topic].lost_queue += 1
            return
        try:
            bag.write(topic, self._offers[topic][0], time_ns, payload)
        except OSError as error:
            self._fail(error)

    def _write_mark(self, time_ns: int, mark: Mark) -> None:
        if self._bag is None:
            return
        if mark.event == "end":
            self._episodes.append({
                "number": mark.number, "instruction": mark.instruction,
                "outcome": mark.outcome, "reason": mark.reason, "end_ns": time_ns,
            })  # fmt: skip
        topic = self._prefix + MARKS
        self.accounts[topic].received += 1
        self._write(topic, time_ns, mark.encode(time_ns))

    def _write_books(self, bag: BagWriter) -> None:
        books = {topic: json.dumps(a.summary()) for topic, a in sorted(self.accounts.items())}
        facts = {"clock_jumps": str(self._clock_jumps), "reason": self.problem or "stopped"}
        bag.write_metadata("recording", {**books, **facts})
        bag.write_metadata("episodes", {"json": json.dumps(self._episodes)})

    def _look(self, bag: BagWriter) -> None:
        """Raises `OSError` when the file has gone; ends the recording when room runs out."""
        if os.stat(bag.path).st_ino != bag.inode:
            raise FileNotFoundError(f"{bag.path} was replaced")
        try:
            self._config.require_room()
        except BagError as error:
            self.problem = f"recording closed: {error}"
            with suppress(SensoriumError):
                self.stop()

    def _fail(self, error: OSError) -> None:
        bag, self._bag = self._bag, None
        if bag is None:
            return
        rest = bag.abandon()
        on_disk = bag.on_disk()
        for topic, account in self.accounts.items():
            account.settle(on_disk.get(topic, 0))
        self.problem = f"recording ended ({error}); nothing of it is left"
        if any(on_disk.values()):
            self.problem = (
                f"recording ended ({error}); what was written is in {rest}: "
                "`sensorium repair` makes a bag of it"
            )
