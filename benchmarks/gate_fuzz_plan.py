"""The plain data of one fuzzed life of the gate: what hypothesis draws, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from gate_fuzz_broken import BROKEN
from gate_fuzz_oracle import Fault
from gate_fuzz_proposals import ADVERSARIAL, VALID, Maker
from hypothesis import strategies as st
from numpy.typing import NDArray
from sensorium_core.contract import Contract, tabletop
from sensorium_core.kinematics import Kinematics
from sensorium_description import load_constants, load_urdf

Array = NDArray[np.float64]
KINDS: dict[str, Maker] = {**VALID, **ADVERSARIAL, **BROKEN}
"""Every kind of proposal."""
EVENTS = (
    "wait", "wrench", "silence", "deviation", "frozen joints", "bad joints", "bad wrench", "clock",
    "stop", "disarm", "arm", "graph", "heartbeat", "malformed", "late tick",
)  # fmt: skip
_STARTS = (
    (0.48, 0.0, 0.30, 0.0), (0.48, 0.0, 0.03, 0.7), (0.30, -0.30, 0.05, -1.5),
    (0.72, 0.25, 0.10, 3.0), (0.40, 0.35, 0.40, 1.0),
)  # fmt: skip

Event = tuple[str, int, float]


@dataclass(frozen=True)
class Plan:
    """Everything that decides one life."""

    start: int
    scale: float
    delay_steps: int
    """Steps that a message takes to the arm."""
    jitter_ns: int
    """The gate's clock reads between the arm's steps."""
    seed: int
    events: tuple[Event, ...]


_proposals = [name for name in KINDS for _ in range(3)]
EVENT = st.tuples(
    st.sampled_from([*_proposals, *EVENTS, "wait"]),
    st.integers(0, 2**32 - 1),
    st.floats(),
)


def plans(fewest: int = 20, most: int = 60) -> st.SearchStrategy[Plan]:
    """Lives of so many events."""
    return st.builds(
        Plan,
        start=st.integers(0, len(_STARTS)),
        scale=st.sampled_from([1.0, 1.0, 0.5, 0.2]),
        delay_steps=st.sampled_from([0, 0, 1, 2]),
        jitter_ns=st.sampled_from([0, 0, 1, 700_001, 1_999_999]),
        seed=st.integers(0, 2**32 - 1),
        events=st.lists(EVENT, min_size=fewest, max_size=most).map(tuple),
    )


@dataclass
class Report:
    """What one or many lives came to."""

    judged: int = 0
    """Proposals that the gate was asked about."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number by kind of proposal and reason; `ok` means that it reached the arm."""
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Number by kind of event and the gate's state and reason after it."""
    reactions: Counter[str] = field(default_factory=Counter)
    setpoints: int = 0
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Count another life too; its faults are the caller's business."""
        self.judged += other.judged
        self.setpoints += other.setpoints
        self.outcomes.update(other.outcomes)
        self.events.update(other.events)
        self.reactions.update(other.reactions)


@dataclass(frozen=True)
class Fixed:
    """What every life shares; made once in a process."""

    urdf: str
    contract: Contract
    arm: Kinematics
    starts: tuple[Array, ...]
    noise: Array


@lru_cache(maxsize=1)
def fixed() -> Fixed:
    """Load the cell and solve the start poses."""
    cell, arm = load_constants(), Kinematics(load_urdf())
    seed = np.array(cell.home_seed_q)
    starts = [np.append(arm.ik(seed, np.array(pose)), 0.03) for pose in _STARTS]
    turned = starts[0].copy()
    turned[5] += 2 * np.pi * np.floor((2 * np.pi - turned[5]) / (2 * np.pi))
    noise = np.random.default_rng(7).normal(0.0, 1.0, (509, 14))
    return Fixed(load_urdf(), tabletop(), arm, (*starts, turned), noise)
