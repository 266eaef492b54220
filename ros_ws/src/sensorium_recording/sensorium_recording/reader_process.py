"""A bag, read and unpacked by a process of its own: unpacking would hold the player's interpreter.

A thread of the same process made messages late by 2 to 4 ms. Run as
`python -m sensorium_recording.reader_process`, this module is that process: it writes what a
`PlayList` gives to its standard output, as frames of a head and a body.
"""

import fcntl
import json
import os
import signal
import struct
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

from sensorium_core.errors import BagError, SensoriumError

from sensorium_recording.bag_reader import BagReader
from sensorium_recording.play_list import PlayList, Say
from sensorium_recording.timeline import Item

_ITEM, _WORDS, _PROBLEM, _END = range(4)
_HEAD = struct.Struct("<BqqI")
"""Kind; play time and shift of an item [ns]; which of the topics, as they were told."""
_NICE = 10
"""Below the player, which has a second or two in hand."""
_PIPE_BYTES = 1 << 20
"""Fewer switches between the two; where the system allows less, less will do."""


class ReaderProcess:
    """Items of a bag in the order of play. Use as a context manager; iterate once, inside."""

    def __init__(
        self, bag: Path, topics: Collection[str], start_s: float, loop: bool, say: Say
    ) -> None:
        self._bag, self._topics, self._say = bag, list(topics), say
        self._arguments = json.dumps([str(bag), self._topics, start_s, loop])
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "ReaderProcess":
        command = [sys.executable, "-m", __name__, self._arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return self

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._running.pid

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "inside `with` only"
        return self._process

    @property
    def _output(self) -> IO[bytes]:
        assert self._running.stdout is not None, "a pipe was asked for"
        return self._running.stdout

    def __exit__(self, *_: object) -> None:
        self._running.kill()
        self._running.wait()
        self._output.close()

    def __iter__(self) -> Iterator[Item]:
        """Raises what `PlayList` raises, and `BagError` when the process dies."""
        with Connection(os.dup(self._output.fileno()), writable=False) as pipe:
            with suppress(OSError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            try:
                yield from self._items(pipe)
            except (EOFError, OSError):
                code = self._running.wait()
                raise BagError(
                    self._bag, f"its reader ended with {code}", "see what it says above"
                ) from None

    def _items(self, pipe: Connection) -> Iterator[Item]:
        while True:
            kind, play_ns, shift_ns, number = _HEAD.unpack(pipe.recv_bytes())
            if kind == _END:
                return
            body = pipe.recv_bytes()
            if kind == _ITEM:
                yield Item(play_ns, shift_ns, self._topics[number], body)
            elif kind == _WORDS:
                self._say(body.decode())
            else:
                raise SensoriumError(body.decode())


def main() -> None:
    """Read a bag for whoever started this, until they go away."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(_NICE)
    path, names, start_s, loop = json.loads(sys.argv[1])
    numbers = {name: number for number, name in enumerate(names)}
    with Connection(sys.stdout.fileno(), readable=False) as pipe, suppress(BrokenPipeError):

        def send(kind: int, body: bytes) -> None:
            pipe.send_bytes(_HEAD.pack(kind, 0, 0, 0))
            pipe.send_bytes(body)

        try:
            bag = BagReader(Path(path))
            topics = {name: topic for name, topic in bag.channels().items() if name in numbers}
            for item in PlayList(
                bag, topics, start_s, loop, lambda text: send(_WORDS, text.encode())
            ):
                head = _HEAD.pack(_ITEM, item.play_ns, item.shift_ns, numbers[item.topic])
                pipe.send_bytes(head)
                pipe.send_bytes(item.payload)
            pipe.send_bytes(_HEAD.pack(_END, 0, 0, 0))
        except SensoriumError as error:
            send(_PROBLEM, str(error).encode())


if __name__ == "__main__":
    main()
