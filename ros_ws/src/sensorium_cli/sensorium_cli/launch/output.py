"""What processes write: split into lines, kept in log files, handed on with the sender's name.

One reader thread serves all pipes. `on_line` runs in that thread.
"""

from __future__ import annotations

import io
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, BinaryIO, cast

_KEPT_LINES = 20
_LONGEST_LINE = 1 << 16
"""A longer one is shown in pieces [bytes]."""
_CHUNK = 65536


@dataclass(frozen=True)
class Line:
    """One line of output."""

    label: str
    """Of the process; empty for the launcher itself."""
    text: str
    is_error: bool = False


@dataclass
class _Source:
    label: str
    is_error: bool
    is_shown: bool
    log: BinaryIO
    rest: bytes = b""


@dataclass
class Output:
    """Reads all pipes until closed."""

    folder: Path
    """For `<label>.log`."""
    on_line: Callable[[Line], None]
    tails: dict[str, deque[str]] = field(default_factory=dict)
    """The last lines of each process, also of silent ones."""

    def __post_init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        self._selector.register(self._wake_read, selectors.EVENT_READ)
        self._logs: dict[str, BinaryIO] = {}
        self._asked: deque[str] = deque()
        self._thread = threading.Thread(target=self._read_all, name="output", daemon=True)
        self._thread.start()

    def add(self, label: str, mode: str, streams: tuple[IO[bytes], IO[bytes]]) -> None:
        """Read the output and error output of a process from now on.

        Args:
            label: of the process.
            mode: ROS 2's word: `screen` and `both` show everything, `log` only errors.
            streams: output, error output.
        """
        if label not in self._logs:
            self._logs[label] = (self.folder / f"{label}.log").open("ab", buffering=0)
            self.tails[label] = deque(maxlen=_KEPT_LINES)
        for stream, is_error in zip(streams, (False, True), strict=True):
            is_shown = mode != "own_log" and (is_error or mode in ("screen", "both", "full"))
            source = _Source(label, is_error, is_shown, self._logs[label])
            self._selector.register(stream, selectors.EVENT_READ, source)
        os.write(self._wake_write, b"+")

    def show_tail(self, label: str) -> None:
        """Show the last lines of a process as errors, once all that it wrote is read."""
        self._asked.append(label)
        os.write(self._wake_write, b"t")

    def close(self) -> None:
        """Read what is left, then stop."""
        os.write(self._wake_write, b"x")
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Source):
                _stream(key.fileobj).close()
        self._selector.close()
        for handle in (self._wake_read, self._wake_write):
            os.close(handle)
        for log in self._logs.values():
            log.close()

    def _read_all(self) -> None:
        closing = False
        while True:
            asked = [self._asked.popleft() for _ in range(len(self._asked))]
            ready = self._selector.select(0.0 if closing or asked else None)
            unread = {key.data.label for key, _ in ready if isinstance(key.data, _Source)}
            for label in asked:
                if label in unread:
                    self._asked.append(label)
                else:
                    self._show_tail(label)
            if closing and not ready:
                return
            for key, _ in ready:
                if isinstance(key.data, _Source):
                    self._read_source(_stream(key.fileobj), key.data)
                else:
                    closing = b"x" in os.read(self._wake_read, _CHUNK) or closing

    def _show_tail(self, label: str) -> None:
        for text in self.tails.get(label, ()):
            self.on_line(Line(label, text, is_error=True))

    def _read_source(self, stream: IO[bytes], source: _Source) -> None:
        chunk = os.read(stream.fileno(), _CHUNK)
        source.log.write(chunk)
        *lines, source.rest = (source.rest + chunk).split(b"\n")
        if not chunk:
            self._selector.unregister(stream)
            stream.close()
            lines, source.rest = [source.rest] if source.rest else [], b""
        if len(source.rest) > _LONGEST_LINE:
            lines, source.rest = [*lines, source.rest], b""
        for line in lines:
            text = line.decode(errors="replace").rstrip("\r")
            self.tails[source.label].append(text)
            if source.is_shown:
                self.on_line(Line(source.label, text, source.is_error))


def _stream(registered: object) -> IO[bytes]:
    """The pipe that was registered with the selector."""
    if not isinstance(registered, io.IOBase):
        raise TypeError("only pipes are registered")
    return cast("IO[bytes]", registered)
