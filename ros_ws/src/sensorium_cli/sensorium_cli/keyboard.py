"""Keys as they are pressed, where a terminal is there. One thread."""

from __future__ import annotations

import os
import select
import sys
from typing import TextIO


class Keyboard:
    """`with Keyboard(sys.stdin) as keys: keys.pressed()`; nothing without a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._file = -1
        if sys.platform != "win32" and stream.isatty():
            self._file = stream.fileno()

    def pressed(self) -> str:
        """The keys pressed since the last call."""
        if self._file < 0 or not select.select([self._file], [], [], 0)[0]:
            return ""
        return os.read(self._file, 1024).decode(errors="ignore")

    def __enter__(self) -> Keyboard:
        if self._file >= 0:
            import termios
            import tty

            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file, termios.TCSADRAIN)
        return self

    def __exit__(self, *_: object) -> None:
        if self._file >= 0:
            import termios

            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)
