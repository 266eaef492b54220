"""One bag read once, from end to end: its hash, rates, gaps and episodes. ROS-free, any thread."""

from pathlib import Path

from sensorium_core.bounded import parse_json
from sensorium_core.cdr import NS
from sensorium_core.errors import SensoriumError
from sensorium_core.hashes import file_sha256

from sensorium_recording.bag_entry import BagEntry, EpisodeEntry, TopicFacts
from sensorium_recording.bag_reader import BagReader, RawMessage, mcap_files
from sensorium_recording.episode_log import EpisodeLog, tells
from sensorium_recording.pending import RESET_NS, SAME_CLOCK_NS, stamp_of
from sensorium_recording.typestore import has_header

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
        if seen.log.undecodable:
            problem = f"holds {seen.log.undecodable} instructions, marks or verdicts that are none"
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
    return file_sha256(*mcap_files(bag))


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
        self.log = EpisodeLog()

    def take(self, message: RawMessage) -> None:
        """Count a message."""
        topic = self.topics.get(message.topic)
        if topic is None:
            topic = self.topics[message.topic] = _Topic(message.type_name)
        time_ns = stamp_of(message.payload) if topic.stamped else message.log_time_ns
        if not self.first_ns or tells(message.topic):
            self.log.take(message.topic, self._moment(time_ns), message.payload)
        topic.see(time_ns)
        self._spend(message.log_time_ns)

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
        """By the senses' stamps; `generated` is the generator's metadata. None without senses."""
        senses = self._senses
        if not senses:
            return ()
        first, last = min(t.least_ns for t in senses), max(t.most_ns for t in senses)
        text, family = generated.get("instruction", ""), _family(generated.get("goal", ""))
        told = self.log.episodes()
        following = [facts.start_ns for facts in told[1:]] + [last + 1]
        entries = []
        for facts, next_ns in zip(told, following, strict=True):
            start, end = max(facts.start_ns, first), last if facts.end_ns is None else facts.end_ns
            # A frame at the very time of an instruction is that instruction's.
            end -= end == next_ns
            entry = EpisodeEntry(
                facts.number, start, max(start, end), facts.instruction or text,
                facts.outcome, facts.family or family,
            )  # fmt: skip
            entries.append(entry)
        return tuple(entries)

    def _moment(self, stamp_ns: int) -> int:
        """A time in the clock of the senses' stamps; 0 before the first of them."""
        newest = max((topic.last_ns for topic in self._senses), default=0)
        return newest if not newest or abs(stamp_ns - newest) > SAME_CLOCK_NS else stamp_ns


def _family(goal: str) -> str:
    """Family of a goal in JSON, as the generator notes it."""
    try:
        data = parse_json(goal)
    except ValueError:
        return ""
    return str(data.get("family", "")) if isinstance(data, dict) else ""
