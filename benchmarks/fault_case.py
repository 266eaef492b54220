"""One fault as data: how it comes, how it goes, what must become of the arm; and how it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fault_world import World


@dataclass(frozen=True)
class Case:
    """One fault: how it comes, how it goes, what must become of the arm."""

    name: str
    inject: Callable[[World], int | None]
    """Returns the instant that counts, where that is not just before the call [ns]."""
    heal: Callable[[World], object]
    expected: tuple[str, ...]
    """Allowed reactions, such as `holding sense_silent`, `policy holding`, `armed` (none)."""
    by: str = "any"
    """Whose reaction counts: `gate`, `policy`, `any`, `refusal`, or `state`: that at the end."""
    counts_from: Callable[[World, int, int], int] = lambda _world, injected, _reaction: injected
    """Time zero of the detection, from the times of injection and reaction [ns]."""
    timed: bool = False
    """Whether it is tried two hundred times, with loaded cores too."""
    share: float = 1.0
    """Of those two hundred; less where one trial takes long."""
    bar_ms: float | None = None
    watch_s: float = 1.5
    """How long to wait for a reaction."""
    check: Callable[[World, int], str] = lambda _world, _injected: ""
    """What else is wrong after it, in words; given the time of injection [ns]."""
    measure: Callable[[World, int], float | None] = lambda _world, _injected: None
    """The detection in ms of a case by `state`, given the time of injection [ns]."""
    moving: bool = True
    """Whether the arm must move before it."""


@dataclass
class Outcome:
    """How one trial went."""

    reaction: str
    detection_ms: float | None = None
    recovery_s: float | None = None
    cleared_by: str = ""
    problem: str = ""
    said: str = ""
