"""Jobs done in order on a thread of their own, so that a slow disk holds nobody up.

Bounded in bytes: who submits asks `full` first and leaves out what does not fit.
"""

import threading
from collections import deque
from collections.abc import Callable

Job = Callable[[], None]

LIMIT_BYTES = 128 << 20
"""Two to three seconds of every sensor at its native rate."""


class Backlog:
    """Runs jobs; an error in one ends it, and what is left is not done."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._jobs: deque[tuple[Job, int]] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closing = False
        self.error: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="bag writer", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self._bytes > self._limit

    @property
    def pending_bytes(self) -> int:
        """What waits to be written."""
        return self._bytes

    def submit(self, job: Job, held_bytes: int) -> None:
        """Have a job done in its turn. Raises the `OSError` that ended an earlier one."""
        with self._changed:
            if self.error is not None:
                raise self.error
            self._jobs.append((job, held_bytes))
            self._bytes += held_bytes
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for all jobs and end the thread. Raises the `OSError` that ended one."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self.error is not None:
            raise self.error

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closing)
                if not self._jobs:
                    return
                job, held = self._jobs[0]
            try:
                job()
            except Exception as error:  # noqa: BLE001 - the thread's boundary: callers get it
                with self._changed:
                    self.error = error if isinstance(error, OSError) else _wrapped(error)
                    self._jobs.clear()
                return
            with self._changed:
                self._jobs.popleft()
                self._bytes -= held


def _wrapped(error: Exception) -> OSError:
    """An error of any kind as one of writing."""
    made = OSError(f"{type(error).__name__}: {error}")
    made.__cause__ = error
    return made
