"""Shows lines of processes on the terminal, each with its sender's name in its own colour."""

from __future__ import annotations

import itertools
import re
import sys
import threading

import click
from sensorium_core.printable import printable

from sensorium_cli.launch.output import Line

_COLOUR = re.compile("(\x1b\\[[0-9;]*m)")
_PLAIN = "\x1b[0m"
_COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green")


class Console:
    """Gives each process a colour, in order of appearance. Safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours = itertools.cycle(_COLOURS)
        self._styles: dict[str, str] = {}
        self._width = 8

    def show(self, line: Line) -> None:
        """Write one line; to the error stream where it came from one."""
        with self._lock:
            label = line.label or "launch"
            if label not in self._styles:
                self._styles[label] = next(self._colours) if line.label else "white"
            self._width = max(self._width, len(label))
            prefix = click.style(f"{label:<{self._width}} │", fg=self._styles[label])
            click.echo(f"{prefix} {_harmless(line.text)}", err=line.is_error)
            (sys.stderr if line.is_error else sys.stdout).flush()


def _harmless(text: str) -> str:
    """A line that may colour itself, but steers the terminal in no other way."""
    parts = _COLOUR.split(text.expandtabs())
    if len(parts) == 1:
        return printable(parts[0])
    shown = (part if at % 2 else printable(part) for at, part in enumerate(parts))
    return "".join((*shown, _PLAIN))
