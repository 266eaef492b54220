"""One bag read once, from end to end: its hash, rates, gaps and episodes. ROS-free, any thread."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from sensorium_core.cdr import NS
from sensorium_core.errors import SensoriumError

from sensorium_recording.bag_entry import BagEntry, EpisodeEntry, TopicFacts
from sensorium_recording.bag_reader import BagReader, RawMessage, mcap_files
from sensorium_recording.episode_marks import MARKS
from sensorium_recording.episodes import INSTRUCTION, OUTCOME
from sensorium_recording.messages import decode_diagnostics, decode_string
from sensorium_recording.pending import RESET_NS, stamp_of
from sensorium_recording.typestore import has_header

_SAME_CLOCK_NS = 10 * NS
"""A mark's time this close to the senses' stamps is of their clock."""
_SENSES = ("sensor_msgs/", "geometry_msgs/")


def survey(directory: Path, path: str, size: int, mtime_ns: int) -> BagEntry:
    """The entry of one bag; one that cannot be read gets its problem in words."""
    bag, seen = directory / path, _Survey()
    problem = sha256 = ""
    episodes: tuple[EpisodeEntry, ...] = ()
    try:
        sha256 = content_hash(bag)
        reader = BagReader(bag)
        for message in reader.messages():
            seen.take(message)
        episodes = seen.episodes(reader.metadata().get("episode", {}))
    except (SensoriumError, OSError) as error:
        problem = str(error)
    return BagEntry(
        path=path,
        state="damaged" if problem else "whole",
        size=size,
        mtime_ns=mtime_ns,
        sha256=sha256,
        start_ns=seen.first_ns,
        duration_s=seen.spent_ns / NS,
        messages=sum(topic.count for topic in seen.topics.values()),
        topics={name: topic.facts() for name, topic in sorted(seen.topics.items())},
        episodes=episodes,
        problem=problem,
    )


def content_hash(bag: Path) -> str:
    """SHA-256 of a bag's MCAP files in their order; the bag's name has no part in it."""
    sha = hashlib.sha256()
    for file in mcap_files(bag):
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha.update(block)
    return sha.hexdigest()


class _Topic:
    """Counts of one topic."""

    def __init__(self, type_name: str) -> None:
        self.type_name, self.stamped = type_name, has_header(type_name)
        self.senses = self.stamped and type_name.startswith(_SENSES)
        self.count = self.first_ns = self.last_ns = self.least_ns = self.most_ns = 0
        self._gap_ns = self._spent_ns = 0

    def see(self, t_ns: int) -> None:
        """Count a message of this time; what went on while the clock ran backwards is left out."""
        step = t_ns - self.last_ns
        if not self.count:
            self.first_ns = self.least_ns = self.most_ns = t_ns
        elif step > 0:
            self._spent_ns += step
            if step > self._gap_ns:
                self._gap_ns = step
            if t_ns > self.most_ns:
                self.most_ns = t_ns
        elif t_ns < self.least_ns:
            self.least_ns = t_ns
        self.last_ns = t_ns
        self.count += 1

    def facts(self) -> TopicFacts:
        rate = (self.count - 1) * NS / self._spent_ns if self._spent_ns else 0.0
        return TopicFacts(
            self.type_name, self.count, round(rate, 3), round(self._gap_ns / NS, 6),
            self.first_ns, self.last_ns, round(self._spent_ns / NS, 6),
        )  # fmt: skip


class _Survey:
    """Takes the messages of one bag."""

    def __init__(self) -> None:
        self.topics: dict[str, _Topic] = {}
        self.first_ns = self._newest_ns = self.spent_ns = 0
        """Log time of the first message and the newest; how long the recording took."""
        self._words: list[str] = []
        self._verdicts: list[tuple[int, dict[str, str]]] = []
        self._judged = b""
        self._marks: list[tuple[int, str, dict[str, str]]] = []
        self._slow = {INSTRUCTION: self._told, OUTCOME: self._verdict, MARKS: self._mark}

    def take(self, message: RawMessage) -> None:
        """Count a message."""
        topic = self.topics.get(message.topic)
        if topic is None:
            topic = self.topics[message.topic] = _Topic(message.type_name)
        log = message.log_time_ns
        topic.see(stamp_of(message.payload) if topic.stamped else log)
        self._spend(log)
        if not topic.senses:
            for name, take in self._slow.items():
                if message.topic.endswith("/" + name):
                    take(message)

    def _spend(self, log_ns: int) -> None:
        """Count time as it goes on; where the clock was set back it goes on from there."""
        if not self.first_ns:
            self.first_ns = self._newest_ns = log_ns
        step = log_ns - self._newest_ns
        if step > 0:
            self.spent_ns += step
        if step > 0 or step < -RESET_NS:
            self._newest_ns = log_ns

    @property
    def _senses(self) -> list[_Topic]:
        return [topic for topic in self.topics.values() if topic.senses]

    def episodes(self, generated: dict[str, str]) -> tuple[EpisodeEntry, ...]:
        """The marked ones, else the whole bag; `generated` is the generator's metadata."""
        marked = tuple(self._marked())
        if marked:
            return marked
        senses = self._senses
        if not senses:
            return ()
        start, end = min(t.least_ns for t in senses), max(t.most_ns for t in senses)
        told = next((text for text in self._words if text.strip()), "")
        verdict = self._verdicts[-1][1] if self._verdicts else {}
        family = verdict.get("family", "") or _family(generated.get("goal", ""))
        text = told or generated.get("instruction", "")
        status = verdict.get("status", "")
        return (EpisodeEntry(0, start, end, text, status, family),)

    def _marked(self) -> Iterator[EpisodeEntry]:
        for i, (start, event, values) in enumerate(self._marks):
            if event != "start":
                continue
            closing = self._marks[i + 1] if i + 1 < len(self._marks) else None
            end = closing[0] if closing else max((t.most_ns for t in self._senses), default=start)
            last = closing[2] if closing and closing[1] == "end" else {}
            verdict = next((v for t, v in reversed(self._verdicts) if start <= t <= end), {})
            yield EpisodeEntry(
                _number(values, i), start, end, values.get("instruction", ""),
                last.get("outcome", "") or verdict.get("status", ""), verdict.get("family", ""),
            )  # fmt: skip

    def _told(self, message: RawMessage) -> None:
        self._words.append(decode_string(message.payload))

    def _verdict(self, message: RawMessage) -> None:
        if message.payload[12:] == self._judged:
            return
        self._judged = message.payload[12:]
        stamp, statuses = decode_diagnostics(message.payload)
        values = {k: v for status in statuses for k, v in status.values.items()}
        self._verdicts.append((self._moment(stamp), values))

    def _mark(self, message: RawMessage) -> None:
        stamp, statuses = decode_diagnostics(message.payload)
        for status in statuses:
            if status.name == "episode":
                self._marks.append((self._moment(stamp), status.message, dict(status.values)))

    def _moment(self, stamp_ns: int) -> int:
        """A time in the clock of the senses' stamps."""
        newest = max((topic.last_ns for topic in self._senses), default=0)
        return newest if newest and abs(stamp_ns - newest) > _SAME_CLOCK_NS else stamp_ns


def _number(values: dict[str, str], default: int) -> int:
    text = values.get("number", "")
    return int(text) if text.isdecimal() else default


def _family(goal: str) -> str:
    """Family of a goal in JSON, as the generator notes it."""
    try:
        data = json.loads(goal)
    except ValueError:
        return ""
    return str(data.get("family", "")) if isinstance(data, dict) else ""
