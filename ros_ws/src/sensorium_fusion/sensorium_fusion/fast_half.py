"""The place of the fast half beside the policy loop: whether there is one, and when it corrects.

`FastLoop` corrects the plan under way; this says when: on a plan with something to feel, that the
gate let pass, for as long as it lasts. What the gate does not answer is not insisted on. Ticks
follow the stamps of the wrench, so that the same messages in the same order give the same
proposals, live and headless. One thread, the policy loop's.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import ContractError, KinematicsError
from sensorium_core.fast_contract import FastContract
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Ahead, beginning_ns
from sensorium_fusion.fast_loop import READING_S, READINGS, TICK_NS, Correction, FastLoop

Array = NDArray[np.float64]

WRENCH = "wrench"
NO_FILE = "no file of one was given"
_LEAST_PRESS_N, _LEAST_YIELDING = 0.5, 0.25
"""An intent below both wants nothing to be felt."""
_PATIENCE_NS = 100_000_000
"""So long the gate may be silent on proposals."""
_IN_FORCE_NS = 20_000_000
"""After so long a displacement that was proposed is in the commanded setpoint."""
_LATE_NS = 50_000_000
"""Readings that are acted on so late correct nothing."""
_CLOCK_NS = 1_000_000_000
"""Ticks further back than this mean that the clock was set."""
_KEPT = 64


class FastFile(Correction, Protocol):
    """A fast half and what is known of its file: `FastPolicy`."""

    @property
    def contract(self) -> FastContract:
        """What it senses and does."""

    @property
    def sha256(self) -> str:
        """Of its file."""

    @property
    def rejected(self) -> int:
        """Ticks so far whose readings or intent were not finite."""


@dataclass(frozen=True)
class Wish:
    """What the policy wants to be felt until its next answer."""

    press_n: float
    """Downwards [N]."""
    yield_: float
    """How readily to give way sideways, 0 to 1."""


@dataclass(frozen=True)
class FastReport:
    """What the fast half did since the step before."""

    sha256: str
    awake: bool
    """Whether it corrects the plan of this step."""
    offset_m: tuple[float, ...]
    """How far that plan is displaced `(3,)`, base_link."""
    ticks: int
    corrections: int
    """Ticks that displaced the plan."""
    proposals: int
    rejected: int
    """Ticks whose readings or intent were not finite."""

    def values(self) -> dict[str, str]:
        """As `policy/step` tells it."""
        return {
            "fast/sha256": self.sha256,
            "fast/awake": str(self.awake).lower(),
            "fast/offset_m": " ".join(f"{v:.6f}" for v in self.offset_m),
            "fast/ticks": str(self.ticks),
            "fast/corrections": str(self.corrections),
            "fast/proposals": str(self.proposals),
            "fast/rejected": str(self.rejected),
        }


class FastHalf:
    """`FastLoop` with its gatekeeping; one that is off does nothing at all."""

    def __init__(
        self, fast: FastFile | None, contract: Contract, arm: Kinematics, drop: frozenset[str]
    ) -> None:
        """Raises `ContractError` when the file does not fit a policy that has use for it."""
        self.off = _why_off(fast, contract, drop)
        """Why there is none, in words; empty: it is on."""
        self._file = None if self.off else fast
        self._loop: FastLoop | None = None
        if self._file is not None:
            _require_fit(self._file.contract, contract)
            self._loop = FastLoop(self._file, contract.action, arm)
        self.clear()

    @property
    def sha256(self) -> str:
        """Of its file; empty where it is off."""
        return "" if self._file is None else self._file.sha256

    @property
    def words(self) -> str:
        """Whether there is one, for a log."""
        return f"no fast half: {self.off}" if self.off else f"fast half, sha256 {self.sha256[:12]}"

    @property
    def is_awake(self) -> bool:
        """Whether it corrects the plan under way."""
        return self._loop is not None and self._loop.is_awake

    @property
    def offset_m(self) -> Array:
        """How far that plan is displaced now `(3,)` [m], base_link; zeros while asleep."""
        return self._loop.offset_m if self._loop is not None and self.is_awake else np.zeros(3)

    def clear(self) -> None:
        """Forget everything, for a new episode or after a step of the clock."""
        self._spoken_ns: int | None = None
        self._heard_ns: int | None = None
        self._ticked_ns: int | None = None
        self._rejected = 0 if self._file is None else self._file.rejected
        self._ticks = self._corrections = self._proposals = 0
        if self._loop is not None:
            self._loop.reset()
        self.sleep()

    def sleep(self) -> None:
        """Correct nothing until the next plan, and forget what was felt."""
        self.gave_up = False
        """Whether the gate did not answer, or the displaced plan is out of reach: plan anew."""
        self._answered = False
        self._asked_ns: int | None = None
        self._said: list[tuple[int, Array]] = []
        if self._loop is not None and self._loop.is_awake:
            self._loop.sleep()

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> None:
        """Take one sensor message; all but the wrench is left alone."""
        if self._loop is not None and modality == WRENCH:
            self._loop.push(stamp_ns, np.asarray(value, np.float64))
            self._heard_ns = stamp_ns

    def commanded(self) -> None:
        """The gate let something pass."""
        self._answered, self._asked_ns = True, None

    def ahead(self, t_ns: int) -> Ahead | None:
        """What it did that a step at this time does not see in the commanded setpoint."""
        if self._spoken_ns is None:
            return None
        unseen = np.zeros(3)
        if self._answered:
            before = [offset for said_ns, offset in self._said if said_ns <= t_ns - _IN_FORCE_NS]
            unseen = self.offset_m - (before[-1] if before and self.is_awake else 0.0)
        if self._spoken_ns < t_ns and not unseen.any():
            return None
        x, y, z = unseen.tolist()
        return self._spoken_ns, (x, y, z)

    def planned(
        self, plan: Trajectory, ahead: Ahead | None, intent: NDArray[np.float32] | None
    ) -> None:
        """The policy's own plan is to be corrected; proposed it was with what is `ahead`."""
        if self._loop is None:
            return
        if not self._loop.is_awake and self._heard_ns is not None:
            self._ticked_ns = self._heard_ns // TICK_NS * TICK_NS
        offset = np.zeros(3) if ahead is None else np.array(ahead[1])
        self._loop.planned(plan, _wish(intent), offset)
        self._said = [(beginning_ns(plan.stamp_ns, ahead), offset)]
        self.gave_up, self._answered, self._asked_ns = False, False, None

    def is_due(self, t_ns: int) -> bool:
        """Whether a tick is due once the readings up to this time are in."""
        if not self.is_awake:
            return False
        if self._ticked_ns is None:
            return True
        passed_ns = t_ns // TICK_NS * TICK_NS - self._ticked_ns
        return passed_ns > 0 or passed_ns < -_CLOCK_NS

    def tick(self, t_ns: int, believed: bool, late_ns: int) -> Trajectory | None:
        """One tick when it `is_due`, at the last multiple of 10 ms; what to propose, if anything.

        A wrench that is not `believed`, or of a time too long ago, counts as silent.
        """
        assert self._loop is not None
        believed &= late_ns <= _LATE_NS
        now_ns, before = t_ns // TICK_NS * TICK_NS, self._loop.offset_m
        self._ticked_ns = now_ns
        self._ticks += 1
        try:
            proposal = self._loop.tick(now_ns, believed)
        except KinematicsError:
            self._give_up()
            return None
        self._corrections += bool((self._loop.offset_m != before).any())
        if self._asked_ns is not None and now_ns - self._asked_ns >= _PATIENCE_NS:
            self._give_up()
            return None
        if proposal is None or not self._answered:
            return None
        if self._asked_ns is None:
            self._asked_ns = now_ns
        self._spoken_ns = now_ns
        self._proposals += 1
        self._said = [*self._said, (now_ns, self._loop.offset_m)][-_KEPT:]
        return proposal

    def report(self) -> FastReport | None:
        """What it did since the last report; None where there is none."""
        if self._loop is None or self._file is None:
            return None
        x, y, z = self.offset_m.tolist()
        rejected = self._file.rejected
        report = FastReport(
            self._file.sha256, self.is_awake, (x, y, z), self._ticks, self._corrections,
            self._proposals, rejected - self._rejected,
        )  # fmt: skip
        self._ticks = self._corrections = self._proposals = 0
        self._rejected = rejected
        return report

    def _give_up(self) -> None:
        self.sleep()
        self.gave_up = True


def _wish(intent: NDArray[np.float32] | None) -> Wish | None:
    """An answered intent `(2,)`; None where nothing is to be felt, or it is not finite."""
    if intent is None or not np.isfinite(intent).all():
        return None
    press_n, yielding = (float(v) for v in intent)
    if press_n < _LEAST_PRESS_N and yielding < _LEAST_YIELDING:
        return None
    return Wish(max(press_n, 0.0), min(max(yielding, 0.0), 1.0))


def _why_off(fast: FastFile | None, contract: Contract, drop: frozenset[str]) -> str:
    if fast is None:
        return NO_FILE
    if contract.version == 1:
        return "the policy does not say what to feel (contract version 1)"
    if contract.modality(WRENCH).sense in drop:
        return "the wrench is dropped, or the policy was trained without it"
    return ""


def _require_fit(fast: FastContract, contract: Contract) -> None:
    """Raise `ContractError` unless this loop can give the fast half all that it was made for."""
    wrench, felt = contract.modality(WRENCH), fast.sense(WRENCH)
    pairs: dict[str, tuple[object, object]] = {
        "robot": (fast.robot, contract.robot),
        "senses": ([sense.name for sense in fast.senses], [WRENCH]),
        "rate_hz": (fast.rate_hz, 1e9 / TICK_NS),
        "wrench spacing [ns]": (round(1e9 * felt.period_s), round(1e9 * READING_S)),
        "wrench readings": (min(felt.shape[0], READINGS), felt.shape[0]),
        "wrench topic": (felt.topic, wrench.topic),
        "wrench frame": (felt.frame, wrench.frame),
        "wrench unit": (felt.unit, wrench.unit),
    }
    wrong = [f"{name} {got!r}, not {want!r}" for name, (got, want) in pairs.items() if got != want]
    if wrong:
        remedy = f"name one that was made for {contract.name!r}, or none"
        raise ContractError(f"fast half {fast.name!r}", f"has {'; '.join(wrong)}", remedy)
