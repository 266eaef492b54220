"""What another process reads is what we would read, and its end is told."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from sensorium_core.errors import BagError, SensoriumError
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.play_list import PlayList
from sensorium_recording.reader_process import ReaderProcess
from sensorium_recording.timeline import Item


def play_list(bag: Path, start_s: float) -> list[Item]:
    reader = BagReader(bag)
    return list(PlayList(reader, reader.channels(), start_s, False, print))


def elsewhere(bag: Path, start_s: float = 0.0, loop: bool = False) -> ReaderProcess:
    return ReaderProcess(bag, BagReader(bag).channels(), start_s, loop, print)


@pytest.mark.parametrize("start_s", [0.0, 0.4])
def test_items_are_those_of_the_play_list(
    record: Callable[..., Path], tmp_path: Path, start_s: float
) -> None:
    bag = record(tmp_path / "bag")
    with elsewhere(bag, start_s) as reading:
        items = list(reading)
    assert items == play_list(bag, start_s)
    assert len(items) > 100


def test_damage_is_told_in_the_same_words(record: Callable[..., Path], tmp_path: Path) -> None:
    bag = record(tmp_path / "bag")
    file = next(bag.glob("*.mcap"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)
    with pytest.raises(BagError) as here:
        play_list(bag, 0.0)
    with elsewhere(bag) as reading, pytest.raises(SensoriumError) as there:
        list(reading)
    assert str(there.value) == str(here.value)


def test_death_of_the_process_is_an_error_and_leaving_it_is_none(
    record: Callable[..., Path], tmp_path: Path
) -> None:
    bag = record(tmp_path / "bag", seconds=2.0)
    with elsewhere(bag, loop=True) as reading:
        items = iter(reading)
        next(items)
        os.kill(reading.pid, signal.SIGKILL)
        with pytest.raises(BagError, match="its reader ended with -9"):
            list(items)
    with elsewhere(bag, loop=True) as reading:
        assert next(iter(reading)).play_ns == 0
