"""Reads ahead on a thread of its own, so that the disk and the decompression delay nobody.

Bounded in bytes. One thread takes; peeking and taking cost no lock.
"""

import threading
from collections import deque
from collections.abc import Iterable

from sensorium_recording.timeline import Item

LIMIT_BYTES = 64 << 20
"""One to two seconds of every sensor at its native rate."""
_WAIT_S = 0.2


class ReadAhead:
    """What comes next of a stream of items. Use as a context manager."""

    def __init__(self, items: Iterable[Item], limit_bytes: int = LIMIT_BYTES) -> None:
        self._items, self._limit = items, limit_bytes
        self._queue: deque[Item] = deque()
        self._read_bytes = self._taken_bytes = 0
        self._room, self._filled = threading.Event(), threading.Event()
        self._error: Exception | None = None
        self._done = self._closed = False
        self._thread = threading.Thread(target=self._read, name="read_ahead", daemon=True)

    def __enter__(self) -> "ReadAhead":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._room.set()
        self._thread.join()

    @property
    def held_bytes(self) -> int:
        """Payload bytes read and not yet taken."""
        return self._read_bytes - self._taken_bytes

    @property
    def ended(self) -> bool:
        """Whether nothing will come any more, not even an error."""
        return self._done and not self._queue and self._error is None

    def wait_filled(self, timeout_s: float) -> bool:
        """Wait until as much is read as may be held, or everything is; False when time is up."""
        return self._filled.wait(timeout_s)

    def peek(self) -> Item | None:
        """The next item; None when it is not read yet or nothing is left.

        Raises the error that ended the reading, once everything before it is taken.
        """
        done = self._done
        if self._queue:
            return self._queue[0]
        if done and self._error is not None:
            raise self._error
        return None

    def take(self) -> Item:
        """Take the item that `peek` has shown."""
        item = self._queue.popleft()
        self._taken_bytes += len(item.payload)
        self._room.set()
        return item

    def _read(self) -> None:
        try:
            for item in self._items:
                self._await_room(len(item.payload))
                if self._closed:
                    return
                self._queue.append(item)
                self._read_bytes += len(item.payload)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: `peek` raises it again
            self._error = error
        finally:
            self._done = True
            self._filled.set()

    def _await_room(self, size: int) -> None:
        while self.held_bytes and self.held_bytes + size > self._limit and not self._closed:
            self._filled.set()
            self._room.clear()
            if self.held_bytes + size > self._limit:
                self._room.wait(_WAIT_S)
