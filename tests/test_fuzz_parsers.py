"""Every parser of outside data, on the same few hundred damaged inputs each time.

The targets are those of `benchmarks/fuzz_parsers.py`, which goes on for as long as it is told.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
import fuzz_targets

_INPUTS = 40
_NUMBERS = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\x01")
_WORDS = (b"nan", b"inf", b"-1", b"1e999", b"\x1b[2J", b"\xe2\x80\xae", b"[" * 50, b"null", b"''")


@pytest.fixture(scope="module", autouse=True)
def scratch() -> Iterator[None]:
    yield
    fuzz_targets.clean()


def damaged(seeds: list[bytes]) -> Iterator[bytes]:
    """The inputs: cut, repeated, swapped, overwritten; the same on every machine."""
    rng = random.Random(4)
    yield b""
    for _ in range(_INPUTS):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 6))):
            at = rng.randrange(len(data) + 1)
            piece = rng.choice((*_NUMBERS, *_WORDS))
            match rng.randrange(5):
                case 0:
                    del data[at:]
                case 1:
                    data[at : at + len(piece)] = piece
                case 2:
                    data[at:at] = piece
                case 3:
                    del data[at : at + rng.randrange(1, 30)]
                case _:
                    data[at:at] = data[: rng.randrange(1, 40)]
        yield bytes(data)


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_what_is_damaged_is_refused_in_words_and_nothing_else(name):
    target = fuzz_targets.TARGETS[name]
    seeds = target.seeds()
    target.run(seeds[0])
    for data in damaged(seeds):
        fuzz_targets.run_one(target, data)
