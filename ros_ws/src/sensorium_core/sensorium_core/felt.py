"""The latest press and the latest grasps, from samples of the fast senses 10 ms apart.

Parts of `memory.FeltMemory`, where it is told what they are for. Nothing here knows a task. All
fields are floats, flags too, so that a memory is one list of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CONTACT_N, RELEASED_N = 0.8, 0.5
"""A press begins above the one and ends below the other, when it stays there for..."""
RELEASED_S = 0.3
"""...this long: a peg that hops over an edge is still searching the same place."""
TOUCH_N, LET_GO_N, LET_GO_S = 0.8, 0.5, 0.05
"""The same for something between the pads."""
EMPTY_M = 0.005
"""Fingers closer than this press against each other."""
BLOCK, BLOCKS = 10, 11
"""Samples of a block, and blocks over which the range of a press is kept: 1.1 s."""
FIRM_N = 8.0
"""A squeeze that tells how far something gives way."""
SAME_PLACE_M = 0.04
"""What is grasped this near to where something was let go is the same thing."""
_SMOOTH = 1.0 - math.exp(-0.5)
"""Share of a new sample: a low-pass of 20 ms."""
_DT_S = 0.01
_NEVER_N = 1e9
_NEWER = 1.25
"""A range this much wider than the steadiest counts as steadier, since it is newer."""
PRESS_N, LOAD_N = 20.0, 3.0
"""One in the vector, for forces of a press and for weights."""
_LONG_S, _SINK_M, _SQUEEZE_N = 1.5, 0.005, 20.0
"""The same for the others."""


@dataclass
class Press:
    """The latest contact of the tool, or of what it holds, with something below."""

    force_n: float = 0.0
    """Downwards, behind a low-pass of 20 ms."""
    touching: float = 0.0
    """1 while it lasts."""
    lasted_s: float = 0.0
    quiet_s: float = 0.0
    """For how long the force has been too small for a contact."""
    known: float = 0.0
    """1 once there has been a contact whose place was sensed."""
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    """The tool in base_link when it began [m]."""
    steadiest_low_n: float = 0.0
    steadiest_high_n: float = 0.0
    """Least and largest force in the steadiest `BLOCKS` of this contact; 0 before so many."""
    filled: float = 0.0
    """Samples in the block that is being filled."""
    low_n: list[float] = field(default_factory=lambda: [_NEVER_N] * (BLOCKS + 1))
    high_n: list[float] = field(default_factory=lambda: [-_NEVER_N] * (BLOCKS + 1))
    """Least and largest force in each of the latest blocks of 0.1 s, the one being filled last."""

    def feel(self, raw_n: float) -> bool:
        """Take in one more sample; whether a contact began with it."""
        self.force_n += _SMOOTH * (raw_n - self.force_n)
        began = not self.touching and self.force_n > CONTACT_N
        if began:
            self.touching, self.lasted_s, self.quiet_s, self.known = 1.0, 0.0, 0.0, 0.0
            self.steadiest_low_n = self.steadiest_high_n = 0.0
            self.lose()
        if self.touching:
            self.lasted_s += _DT_S
            self.quiet_s = self.quiet_s + _DT_S if self.force_n < RELEASED_N else 0.0
            self._block()
            if self.quiet_s > RELEASED_S:
                self.touching = 0.0
        return began

    def _block(self) -> None:
        low, high = self.low_n, self.high_n
        low[-1], high[-1] = min(low[-1], self.force_n), max(high[-1], self.force_n)
        self.filled += 1.0
        if self.filled < BLOCK:
            return
        least, most = self.range_n
        known = self.steadiest_high_n - self.steadiest_low_n
        if low[0] < _NEVER_N and (not self.steadiest_high_n or most - least <= _NEWER * known):
            self.steadiest_low_n, self.steadiest_high_n = least, most
        self.low_n, self.high_n = [*low[1:], _NEVER_N], [*high[1:], -_NEVER_N]
        self.filled = 0.0

    @property
    def range_n(self) -> tuple[float, float]:
        """Least and largest force of the last 1.1 s, or since this contact began."""
        least, most = min(self.low_n), max(self.high_n)
        return (least, most) if least < _NEVER_N else (0.0, 0.0)

    def lose(self) -> None:
        """Nothing was felt for a while: the force may have been anything."""
        self.filled = 0.0
        self.low_n, self.high_n = [_NEVER_N] * (BLOCKS + 1), [-_NEVER_N] * (BLOCKS + 1)

    def numbers(self) -> tuple[float, ...]:
        """All of it, in the order of its fields."""
        *plain, low, high = astuple(self)
        return (*plain, *low, *high)

    @classmethod
    def of(cls, numbers: Sequence[float]) -> Press:
        """What `numbers` told."""
        n = len(numbers) - 2 * (BLOCKS + 1)
        low, high = list(numbers[n : n + BLOCKS + 1]), list(numbers[n + BLOCKS + 1 :])
        return cls(*numbers[:n], low, high)  # type: ignore[arg-type, call-arg]

    def vector(self) -> list[float]:
        """`(10,)`."""
        least, most = self.range_n
        return [
            self.touching, _capped(self.touching * self.lasted_s / _LONG_S),
            self.x * self.known, self.y * self.known, self.z * self.known, self.known,
            _capped(self.touching * least / PRESS_N), _capped(self.touching * most / PRESS_N),
            _capped(self.steadiest_low_n / PRESS_N), _capped(self.steadiest_high_n / PRESS_N),
        ]  # fmt: skip


PRESS_NUMBERS = len(Press().numbers())


@dataclass
class Grasp:
    """What is known of one thing that was between the pads."""

    known: float = 0.0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    """Where it is or was: the tool when it was taken, later when it was let go [m]."""
    weighed: float = 0.0
    load_n: float = 0.0
    """How heavy it hung when it last hung still."""
    sink_m: float = 0.0
    """How far a finger closed further than at the first touch, in the latest grasp."""
    squeeze_n: float = 0.0
    """The hardest that both pads pressed on it, in that grasp."""

    def vector(self) -> list[float]:
        """`(8,)`."""
        return [
            self.known, self.x, self.y, self.z, self.weighed,
            _capped(self.load_n / LOAD_N), _capped(self.sink_m / _SINK_M),
            _capped(self.squeeze_n / _SQUEEZE_N),
        ]  # fmt: skip


@dataclass
class Hand:
    """The latest two things that were grasped, and whether the first is held now."""

    holding: float = 0.0
    quiet_s: float = 0.0
    touch_opening_m: float = 0.0
    """Of a finger at the first touch of the present grasp."""
    taken_z: float = 0.0
    """Height of the tool then."""
    sink_m: float = 0.0
    hardest_n: float = 0.0
    """As in `Grasp`, of the present grasp alone."""
    latest: Grasp = field(default_factory=Grasp)
    before: Grasp = field(default_factory=Grasp)

    def feel(self, squeeze_n: float, opening_m: float) -> tuple[bool, bool]:
        """Take in one more sample; whether something was taken, or let go, with it."""
        if not self.holding:
            taken = squeeze_n > TOUCH_N and opening_m > EMPTY_M
            if taken:
                self.holding, self.quiet_s, self.touch_opening_m = 1.0, 0.0, opening_m
                self.sink_m = self.hardest_n = 0.0
            return taken, False
        thing = self.latest
        self.hardest_n = max(self.hardest_n, squeeze_n)
        self.sink_m = max(self.sink_m, self.touch_opening_m - opening_m)
        if self.hardest_n >= min(FIRM_N, thing.squeeze_n):
            thing.squeeze_n, thing.sink_m = self.hardest_n, self.sink_m
        self.quiet_s = self.quiet_s + _DT_S if squeeze_n < LET_GO_N else 0.0
        if self.quiet_s > LET_GO_S:
            self.holding = 0.0
        return False, not self.holding

    def take(self, place_m: Array) -> None:
        """Something was grasped there: one of the two that are known, or a new one."""
        self.taken_z = float(place_m[2])
        if not _is_at(self.latest, place_m):
            returned = _is_at(self.before, place_m)
            self.latest, self.before = (self.before if returned else Grasp()), self.latest
        self.put(place_m)

    def put(self, place_m: Array) -> None:
        """The latest thing is there."""
        thing = self.latest
        thing.known = 1.0
        thing.x, thing.y, thing.z = (float(v) for v in place_m[:3])

    def weigh(self, load_n: float) -> None:
        """What is held hangs still."""
        self.latest.weighed, self.latest.load_n = 1.0, load_n

    def vector(self) -> list[float]:
        """`(17,)`."""
        return [self.holding, *self.latest.vector(), *self.before.vector()]


def _capped(value: float) -> float:
    return min(max(value, -2.0), 2.0)


def _is_at(thing: Grasp, place_m: Array) -> bool:
    away = math.hypot(thing.x - float(place_m[0]), thing.y - float(place_m[1]))
    return bool(thing.known) and away < SAME_PLACE_M
