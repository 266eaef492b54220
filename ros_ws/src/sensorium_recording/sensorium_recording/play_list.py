"""What is played: the settings, the topics, and the messages of every pass with their times."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from sensorium_core.cdr import NS
from sensorium_core.errors import BagError, PlayerConfigError, UnknownNameError

from sensorium_recording.bag_reader import BagReader, Topic
from sensorium_recording.timeline import SORT_NS, Item, Timeline

Say = Callable[[str], None]

CLOCK = "/clock"
IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
_SHORTEST_PASS_NS = NS // 10
"""A bag of one instant, played in a loop, is not played faster than this."""


@dataclass(frozen=True)
class PlayerConfig:
    """How a bag is played. Topics are separated by commas; `*` stands for any text in a name."""

    bag: str = ""
    """A rosbag2 directory or an MCAP file."""
    rate: float = 1.0
    """Speed; 1 is as recorded. Can be changed while playing."""
    start_s: float = 0.0
    """Where to begin [s]; what is latched before it is published first."""
    loop: bool = False
    """Begin again at the end; /clock then jumps back."""
    topics: str = ""
    """Topics to play; empty: all."""
    exclude: str = ""
    """Topics to leave out."""
    paused: bool = False
    """Begin paused."""
    frame_topic: str = ""
    """A step ends with a message of this topic; empty: the first topic with images."""
    delay_s: float = 1.0
    """Time before the first message, for subscribers to find the publishers [s]."""
    clock_hz: float = 200.0
    """How often /clock is published."""
    realtime: bool = False
    """Real-time priority for the pace, for a busy machine; the system must permit it."""
    force: bool = False
    """Play topics that another node publishes too."""

    def __post_init__(self) -> None:
        check_rate(self.rate)
        if not (math.isfinite(self.start_s) and self.start_s >= 0):
            raise PlayerConfigError("start_s", self.start_s, "0 or more seconds")
        if not (math.isfinite(self.delay_s) and self.delay_s >= 0):
            raise PlayerConfigError("delay_s", self.delay_s, "0 or more seconds")
        if not 1 <= self.clock_hz <= 1000:
            raise PlayerConfigError("clock_hz", self.clock_hz, "1 to 1000")


def check_rate(rate: float) -> float:
    """The rate itself. Raises `PlayerConfigError` when nothing can be played at it."""
    if not 0.001 <= rate <= 1000:
        raise PlayerConfigError("rate", rate, "0.001 to 1000")
    return rate


def choose_topics(
    channels: Mapping[str, Topic], topics: str = "", exclude: str = "", strict: bool = False
) -> dict[str, Topic]:
    """The topics to play, of those of a bag; never the bag's own /clock.

    Raises `UnknownNameError` for a wanted topic that the bag lacks; where `strict`, also for one
    to leave out: misspelt, it would be played.
    """
    wanted = [name for pattern in _patterns(topics) for name in _matching(pattern, channels)]
    without = _patterns(exclude)
    for pattern in without if strict else ():
        _matching(pattern, channels)
    return {
        name: channels[name]
        for name in wanted or channels
        if name != CLOCK and not any(fnmatchcase(name, pattern) for pattern in without)
    }


def _patterns(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    return [name if name[0] in "/*" else f"/{name}" for name in names if name]


def _matching(pattern: str, channels: Mapping[str, Topic]) -> list[str]:
    found = [name for name in channels if fnmatchcase(name, pattern)]
    if not found:
        raise UnknownNameError("topic", pattern, sorted(channels))
    return found


def frame_topic(topics: Mapping[str, Topic], wanted: str = "") -> str | None:
    """The topic that ends a step; None when every message is a step."""
    if wanted:
        return _matching(_patterns(wanted)[0], topics)[0]
    return next((name for name, topic in topics.items() if topic.type_name in IMAGES), None)


class PlayList:
    """The messages of a bag in the order of play, once or for ever. Iterate it once."""

    def __init__(
        self, bag: BagReader, topics: Mapping[str, Topic], start_s: float, loop: bool, say: Say
    ) -> None:
        """`say` is told, on the reading thread, where the recording's clock was set."""
        self._bag, self._topics, self._say = bag, topics, say
        self._start_ns, self._loop = round(start_s * NS), loop
        latched = {name for name, topic in topics.items() if topic.offer.latched}
        self._latched: Collection[str] = latched if latched != set(topics) else ()

    def __iter__(self) -> Iterator[Item]:
        begin_ns = 0
        while True:
            end_ns = None
            for item in self._pass(begin_ns):
                end_ns = item.play_ns
                yield item
            if end_ns is None or not self._loop:
                return
            begin_ns = max(end_ns, begin_ns + _SHORTEST_PASS_NS)

    def _pass(self, begin_ns: int) -> Iterator[Item]:
        """One pass, from `begin_ns` of play time on. Raises `BagError` on a damaged bag."""
        move_ns, any_left = begin_ns - self._start_ns, self._start_ns == 0
        latched: list[Item] = []
        try:
            for item in self._placed():
                early = item.play_ns < self._start_ns
                play_ns = max(item.play_ns, self._start_ns) + move_ns
                moved = item._replace(play_ns=play_ns, shift_ns=item.shift_ns + move_ns)
                if early:
                    latched += [moved] if item.topic in self._latched else []
                    continue
                yield from latched
                latched, any_left = [], True
                yield moved
        except OSError as error:
            raise BagError(self._bag.path, f"cannot be read ({error})", "check the disk") from None
        if not any_left:
            raise BagError(
                self._bag.path, f"lasts {self._length_s():.3f} s", "start it before its end"
            )

    def _placed(self) -> Iterator[Item]:
        """The messages with play times from the bag's beginning; early ones may be left out."""
        first = next(self._all(), None) if self._start_ns else None
        if first is None:
            return self._all()
        from_ns = self._start_ns - first.shift_ns - 2 * SORT_NS
        later = self._bag.messages_from(from_ns, self._latched, self._topics)
        if later is None:
            return self._all()
        wanted = (m for m in later if m.log_time_ns >= from_ns or m.topic in self._latched)
        return Timeline(self._latched, self._tell, -first.shift_ns, from_ns).place(wanted)

    def _all(self) -> Iterator[Item]:
        return Timeline(self._latched, self._tell).place(self._bag.messages(self._topics))

    def _length_s(self) -> float:
        return max((item.play_ns for item in self._all()), default=0) / NS

    def _tell(self, change_ns: int) -> None:
        way = "forward" if change_ns > 0 else "back"
        self._say(f"the recording's clock was set {way} by {abs(change_ns) / NS:.3f} s; going on")
