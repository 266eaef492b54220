"""One attempt at one instruction, as seen from outside the nodes: ready, running, over. ROS-free.

Reads what policy, gate and judge report, and decides when the episode has ended and how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

PATIENCE_S = 30.0
"""Shortest wait for a verdict."""
SETTLE_S = 1.0
"""How long the judge may still wait once the policy rests."""
_RESTING = ("done", "refused", "idle")


class Reported(Protocol):
    """A status, wherever it came from."""

    @property
    def message(self) -> str: ...
    @property
    def values(self) -> dict[str, str]: ...


Reports = Mapping[str, Reported]


@dataclass(frozen=True)
class End:
    """How an attempt ended."""

    success: bool
    reason: str
    refused: bool = False
    """Whether the policy would not do it."""


def missing_senses(reports: Reports) -> list[str]:
    """Modalities that the policy does not receive, or that are stale."""
    if "policy" not in reports:
        return ["policy/step"]
    values = reports["policy"].values
    return [key.removeprefix("valid/") for key, value in values.items()
            if key.startswith("valid/") and value != "true"]  # fmt: skip


def judge_status(reports: Reports) -> str:
    """What the simulator says: waiting, running, success, failure; empty before it said."""
    return reports["sim"].values.get("status", "") if "sim" in reports else ""


def patience_s(reports: Reports) -> float:
    """How long to wait for the judge: twice what the task allows, for a simulator that is slow."""
    allowed = reports["sim"].values.get("time_limit_s", "") if "sim" in reports else ""
    return max(PATIENCE_S, 2.0 * float(allowed or 0.0))


class Attempt:
    """Follows the reports from the moment an instruction was said."""

    def __init__(self, text: str, said_s: float, limit_s: float) -> None:
        self._text, self._said_s, self._limit_s = text, said_s, limit_s
        self._resting_since_s: float | None = None

    def update(self, reports: Reports, now_s: float) -> End | None:
        """How it ended, or None while it goes on."""
        policy = reports["policy"].values if "policy" in reports else {}
        ours = policy.get("instruction") == self._text
        state = policy.get("state", "") if ours else ""
        refused = state == "refused"
        judge = reports["sim"].values if "sim" in reports else {}
        if judge.get("done") == "true":
            reason = policy.get("reason", "refused") if refused else judge["reason"]
            return End(judge["success"] == "true", reason, refused)
        if state not in _RESTING:
            self._resting_since_s = None
        elif self._resting_since_s is None:
            self._resting_since_s = now_s
        rested_s = now_s - self._resting_since_s if self._resting_since_s is not None else 0.0
        if rested_s > SETTLE_S and judge.get("family") != "none":
            return End(False, self._resting_reason(state, policy, judge), refused)
        gate = reports.get("gate")
        if gate is not None and gate.values.get("state") == "stopped":
            return End(False, f"the gate {gate.message}")
        if now_s - self._said_s > self._limit_s:
            return End(False, f"no verdict within {self._limit_s:g} s")
        return None

    def _resting_reason(
        self, state: str, policy: Mapping[str, str], judge: Mapping[str, str]
    ) -> str:
        if state == "refused":
            return policy.get("reason", "refused")
        return f"the policy rests ({state}), the judge says: {judge.get('reason', 'nothing')}"
