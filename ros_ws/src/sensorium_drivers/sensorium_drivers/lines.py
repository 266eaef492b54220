"""Lines of a terminal, a pipe or a file, taken as they come and without waiting.

Nothing here blocks, so that no thread is needed and a reader can end at any time.
"""

import os
import select

_CHUNK_BYTES = 1 << 16
_LONGEST_BYTES = 1 << 16
"""A longer line cannot be an instruction; it is cut here, so that memory stays bounded."""


class LineReader:
    """Reads a file descriptor; it does not own it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._rest = b""
        self.ended = False
        """Whether nothing will come any more."""

    def take(self) -> list[str]:
        """The lines that are there by now, without their ends; the last one need not have any.

        Bytes that are no UTF-8 become U+FFFD.
        """
        while not self.ended and select.select([self._descriptor], [], [], 0.0)[0]:
            chunk = os.read(self._descriptor, _CHUNK_BYTES)
            self.ended = not chunk
            self._rest += chunk
            if len(self._rest) > _LONGEST_BYTES:
                break
        *lines, self._rest = self._rest.split(b"\n")
        if self._rest and (self.ended or len(self._rest) > _LONGEST_BYTES):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "replace") for line in lines]
