"""From the log times of a bag, which may jump, to play times, which never go back.

Messages of a bag lie in the order of arrival. Where log times go back a little they are sorted.
Where the recording's clock was set, playing goes on at once. Memory: what arrived within
`SORT_NS`, at most `SORT_BYTES`. One thread.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from sensorium_recording.bag_reader import RawMessage

SORT_NS = 100_000_000
"""Log times that go back by less are sorted."""
SORT_BYTES = 32 << 20
JUMP_NS = 500_000_000
"""A change of log time beyond this is looked at more closely."""
SILENCE_NS = 3_600_000_000_000
"""A longer silence is a clock that was set forward."""
_MAX_LEADING = 256


class Item(NamedTuple):
    """One message and when it is due."""

    play_ns: int
    """Since the start of playing, at rate 1."""
    shift_ns: int
    """Play time less log time; it changes where the recording's clock was set."""
    topic: str
    payload: bytes


class Timeline:
    """Places the messages of one pass over a bag."""

    def __init__(
        self,
        latched: Collection[str] = (),
        on_jump: Callable[[int], None] = lambda change_ns: None,
        begin_ns: int | None = None,
        from_ns: int | None = None,
    ) -> None:
        """`latched` topics never move the time; `on_jump` is told by how much a clock was set.

        Messages that begin at log time `from_ns` only are placed as if those since `begin_ns` had
        come before.
        """
        self._latched, self._on_jump = latched, on_jump
        self._heap: list[tuple[int, int, RawMessage]] = []
        self._heap_bytes = 0
        self._count = 0
        self._newest_ns = from_ns
        self._shift_ns = self._earlier_shift_ns = -(begin_ns or 0)
        self._play_ns = 0

    def place(self, messages: Iterable[RawMessage]) -> Iterator[Item]:
        """The messages with their play times, which begin at zero and never decrease."""
        odd: RawMessage | None = None
        for message in self._anchored(messages):
            if odd is not None:
                yield from self._settle(odd, message.log_time_ns)
                odd = None
            leap_ns = message.log_time_ns - self._now_ns
            if leap_ns < -JUMP_NS and message.topic in self._latched:
                yield from self._push(self._now_ns, message)
            elif abs(leap_ns) > JUMP_NS:
                odd = message
            else:
                yield from self._push(message.log_time_ns, message)
        if odd is not None:
            yield from self._settle(odd, max(odd.log_time_ns, self._now_ns))
        yield from self._pop(0, 0)

    @property
    def _now_ns(self) -> int:
        assert self._newest_ns is not None
        return self._newest_ns

    def _anchored(self, messages: Iterable[RawMessage]) -> Iterator[RawMessage]:
        """Take the start from the first message that tells the time.

        A latched message that leads may be much older than the recording.
        """
        leading: list[RawMessage] = []
        for message in messages:
            if self._newest_ns is None:
                leading.append(message)
                if message.topic in self._latched and len(leading) < _MAX_LEADING:
                    continue
                self._start(leading)
                yield from leading
            else:
                yield message
        if self._newest_ns is None and leading:
            self._start(leading)
            yield from leading

    def _start(self, leading: list[RawMessage]) -> None:
        last_ns = leading[-1].log_time_ns
        near = [m.log_time_ns for m in leading if abs(m.log_time_ns - last_ns) <= JUMP_NS]
        self._newest_ns = min(near)
        self._shift_ns = self._earlier_shift_ns = -self._newest_ns

    def _settle(self, odd: RawMessage, next_ns: int) -> Iterator[Item]:
        """Tell a clock that was set, or a silence, from one wrong stamp, by what comes next."""
        odd_ns = odd.log_time_ns
        if abs(next_ns - odd_ns) >= abs(next_ns - self._now_ns):
            yield from self._push(self._now_ns, odd)
            return
        yield from self._pop(0, 0)
        returns = abs(odd_ns + self._earlier_shift_ns - self._play_ns) <= JUMP_NS
        if returns or not 0 < odd_ns - self._now_ns <= SILENCE_NS:
            shift_ns = self._earlier_shift_ns if returns else self._play_ns - odd_ns
            self._earlier_shift_ns, self._shift_ns = self._shift_ns, shift_ns
            self._on_jump(odd_ns - self._now_ns)
        self._newest_ns = odd_ns
        yield from self._push(odd_ns, odd)

    def _push(self, time_ns: int, message: RawMessage) -> Iterator[Item]:
        heapq.heappush(self._heap, (time_ns, self._count, message))
        self._count += 1
        self._heap_bytes += len(message.payload)
        self._newest_ns = max(self._now_ns, time_ns)
        yield from self._pop(SORT_NS, SORT_BYTES)

    def _pop(self, span_ns: int, span_bytes: int) -> Iterator[Item]:
        """What has waited long enough for something earlier."""
        heap = self._heap
        while heap and (heap[0][0] <= self._now_ns - span_ns or self._heap_bytes > span_bytes):
            time_ns, _, message = heapq.heappop(heap)
            self._heap_bytes -= len(message.payload)
            self._play_ns = max(self._play_ns, time_ns + self._shift_ns)
            yield Item(self._play_ns, self._shift_ns, message.topic, message.payload)
