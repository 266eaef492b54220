"""Plays items when they are due: the pace, the clock, pause and step. ROS-free.

`run` is one thread's; everything else may be called from any. The thread sleeps until the next
message or tick of the clock, whichever is earlier. Messages that are late are published at once
and in order; none is dropped.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from sensorium_core.cdr import NS

from sensorium_recording.messages import Status
from sensorium_recording.pace import Pace
from sensorium_recording.timeline import Item
from sensorium_recording.timing_errors import TimingErrors

_STARVED_NS = 1_000_000
_LATE_NS = 100_000_000
_ON_TIME_NS = 5_000_000
_OK, _WARN = 0, 1


class Source(Protocol):
    """Where items come from; see `ReadAhead`."""

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more."""

    def peek(self) -> Item | None:
        """The next item; None when it is not there yet."""

    def take(self) -> Item:
        """Take the item that `peek` has shown."""


@dataclass(frozen=True)
class Outlets:
    """Where things go."""

    publish: Callable[[str, bytes], None]
    """Topic and payload."""
    tick: Callable[[int], None]
    """The time of the recording [ns], at every tick and with every jump."""
    say: Callable[[str], None] = lambda text: None
    """What a person should know."""


@dataclass(frozen=True)
class Moment:
    """Where the playing is."""

    clock_ns: int
    """Time of the recording."""
    position_s: float
    """In the bag, since its beginning."""
    played_s: float
    """Since the start of playing, at rate 1, over all passes."""
    rate: float
    paused: bool
    messages: int


class Player:
    """Plays a source. Time is `now` [ns], which `sleep` [s] lets pass."""

    def __init__(
        self,
        source: Source,
        outlets: Outlets,
        *,
        rate: float = 1.0,
        start_s: float = 0.0,
        paused: bool = False,
        frame_topic: str | None = None,
        tick_ns: int = NS // 200,
        now: Callable[[], int] = time.monotonic_ns,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """A step ends with a message of `frame_topic`; None: with any message.

        `start_s` is where in the bag the source begins.
        """
        self._source, self._outlets = source, outlets
        self._frame_topic, self._tick_ns = frame_topic, tick_ns
        self._now, self._sleep = now, sleep
        self._commands: deque[Callable[[int], None]] = deque()
        self._pace = Pace(rate, paused)
        self._steps = 0
        self._stopped = self._late = False
        self._next_tick_ns = self._shown_ns = 0
        self._start_s = start_s
        self._shift_ns: int | None = None
        self._first_clock_ns = 0
        self._messages = 0
        self.paused = paused
        """Whether it is paused, or about to be."""
        self.errors = TimingErrors()
        """Publish time less due time of all messages but those of a step."""

    def pause(self, on: bool) -> None:
        """Hold or go on."""
        self.paused = on
        self._commands.append(partial(self._do_pause, on))

    def step(self) -> bool:
        """Play up to the end of the next frame, at once; False when not paused."""
        if self.paused:
            self._commands.append(self._do_step)
        return self.paused

    def set_rate(self, rate: float) -> None:
        """Play on at another speed."""
        self._commands.append(partial(self._do_rate, rate))

    def stop(self) -> None:
        """Let `run` return."""
        self._stopped = True

    def moment(self) -> Moment:
        """Where the playing is now."""
        clock_ns = self._shown_ns - (self._shift_ns or 0)
        return Moment(
            clock_ns=max(clock_ns, 0),
            position_s=self._start_s + (clock_ns - self._first_clock_ns) / NS,
            played_s=self._shown_ns / NS,
            rate=self._pace.rate,
            paused=self._pace.paused,
            messages=self._messages,
        )

    def status(self) -> Status:
        """For diagnostics."""
        moment, errors = self.moment(), self.errors
        word = "paused" if moment.paused else "catching up" if self._late else "playing"
        values = {
            "position_s": f"{moment.position_s:.3f}",
            "clock_s": f"{moment.clock_ns / NS:.3f}",
            "rate": f"{moment.rate:g}",
            "paused": str(moment.paused).lower(),
            "messages": str(moment.messages),
            "error_p50_ms": f"{errors.quantile_ns(0.5) / 1e6:.3f}",
            "error_p99_ms": f"{errors.quantile_ns(0.99) / 1e6:.3f}",
            "error_max_ms": f"{errors.largest_ns / 1e6:.3f}",
        }
        return Status("player", _WARN if self._late else _OK, word, values)

    def run(self) -> None:
        """Play until everything is played or `stop` is called. Raises what ended the source.

        Time begins with the first item, however long that takes to come.
        """
        self._next_tick_ns = self._now()
        while not self._stopped and not self._source.ended:
            now_ns = self._now()
            while self._commands:
                self._commands.popleft()(now_ns)
            item = self._source.peek()
            if item is not None and self._shift_ns is None:
                self._shift_ns = item.shift_ns
                self._first_clock_ns = -item.shift_ns
                self._pace.begin(now_ns)
                self._next_tick_ns = now_ns
            if now_ns >= self._next_tick_ns:
                self._tick(now_ns, item)
            if item is not None and self._due(item, now_ns):
                self._play(item, now_ns)
            else:
                self._rest(item, now_ns)

    def _due(self, item: Item, now_ns: int) -> bool:
        if self._pace.paused:
            return self._steps > 0
        return self._pace.due_ns(item.play_ns) <= now_ns

    def _limit_ns(self, item: Item | None) -> int:
        """Play time goes no further than to what is played next."""
        return self._shown_ns if item is None else max(item.play_ns, self._shown_ns)

    def _do_pause(self, on: bool, now_ns: int) -> None:
        self._pace.change(now_ns, self._limit_ns(self._source.peek()), paused=on)
        self._steps = 0

    def _do_step(self, _now_ns: int) -> None:
        self._steps += 1

    def _do_rate(self, rate: float, now_ns: int) -> None:
        self._pace.change(now_ns, self._limit_ns(self._source.peek()), rate=rate)

    def _tick(self, now_ns: int, item: Item | None) -> None:
        """Tell the time: never beyond a message that is still to come, never back."""
        if self._shift_ns is not None:
            self._show(min(self._pace.play_ns(now_ns), self._limit_ns(item)))
        self._next_tick_ns = max(self._next_tick_ns, now_ns - self._tick_ns) + self._tick_ns

    def _show(self, play_ns: int) -> None:
        self._shown_ns = max(self._shown_ns, play_ns)
        self._outlets.tick(max(self._shown_ns - (self._shift_ns or 0), 0))

    def _play(self, item: Item, now_ns: int) -> None:
        if item.shift_ns != self._shift_ns:
            self._shift_ns = item.shift_ns
            self._show(item.play_ns)
        if self._pace.paused:
            self._pace.skip_to(item.play_ns)
        else:
            self._note(now_ns - self._pace.due_ns(item.play_ns), item.play_ns)
        self._source.take()
        self._outlets.publish(item.topic, item.payload)
        self._messages += 1
        self._shown_ns = max(self._shown_ns, item.play_ns)
        if self._pace.paused and self._frame_topic in (None, item.topic):
            self._steps -= 1
            self._show(item.play_ns)

    def _note(self, error_ns: int, play_ns: int) -> None:
        self.errors.add(error_ns)
        if error_ns > _LATE_NS and not self._late:
            self._late = True
            self._outlets.say(
                f"{error_ns / NS:.3f} s late at {play_ns / NS:.3f} s; catching up, nothing dropped"
            )
        elif self._late and error_ns < _ON_TIME_NS:
            self._late = False
            self._outlets.say(f"on time again at {play_ns / NS:.3f} s")

    def _rest(self, item: Item | None, now_ns: int) -> None:
        wake_ns = self._next_tick_ns
        if not self._pace.paused:
            due_ns = now_ns + _STARVED_NS if item is None else self._pace.due_ns(item.play_ns)
            wake_ns = min(wake_ns, due_ns)
        self._sleep(max(wake_ns - now_ns, 0) / NS)
