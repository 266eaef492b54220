"""A running stack with an arm that moves, and one trial of one fault in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from fault_case import Case, Outcome
from fault_observer import Command, Observer, Status, Times
from fault_stack import FaultStack, Setup
from sensorium_core.kinematics import JOINTS

WORDS = "pick up the red cube"
_MS = 1_000_000
_READY_S, _RECOVER_S = 20.0, 30.0
_POLL_S = 0.002
_NEAR_MS = (60, 120)
"""A command belongs to a report that follows it, or precedes it, by at most so much."""
_MOVES_RAD = 0.004
_SILENT_MS = 500


class NotReadyError(RuntimeError):
    """The arm does not move, so that no fault can be tried."""


@dataclass
class World:
    """`with World(setup, folder) as world: world.trial(case)`. Use from one thread."""

    setup: Setup
    folder: Path
    seed: int = 0
    trips: list[str] = field(default_factory=list)
    """Reactions that nobody provoked."""
    propose: Callable[[World], Any] | None = None
    """Makes a proposer where no policy runs: a context manager."""
    kept: dict[str, Any] = field(default_factory=dict)
    """Publishers and the like that cases keep for each other."""
    died: dict[str, str] = field(default_factory=dict)
    """Processes that ended by themselves, and how."""

    def __enter__(self) -> World:
        with ExitStack() as stack:
            self.stack = stack.enter_context(FaultStack(self.setup, self.folder))
            from sensorium_cli.nodes.cell_client import CellClient

            self.client = stack.enter_context(CellClient(self.stack.domain))
            self.seen = stack.enter_context(Observer(self.stack.domain))
            self._rng = np.random.default_rng(self.seed)
            self._told_s = 0.0
            self.until(lambda: bool(self.seen.statuses), _READY_S)
            self.until(lambda: bool(self.seen.senses["joint_states"]), _READY_S)
            if self.propose is not None:
                self.kept["proposer"] = stack.enter_context(self.propose(self))
            self._exit = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def until(self, condition: Callable[[], bool], limit_s: float) -> bool:
        """Listen until something is so; returns whether it became so."""
        end_s = time.monotonic() + limit_s
        self.seen.take()
        while not condition():
            if time.monotonic() > end_s:
                return False
            time.sleep(_POLL_S)
            self.seen.take()
        return True

    def listen(self, seconds: float) -> None:
        """Listen for a while."""
        self.until(lambda: False, seconds)

    @property
    def gate(self) -> Status:
        """The gate's last report."""
        return self.seen.statuses[-1]

    @property
    def policy_state(self) -> str:
        """The policy's last state; empty without one."""
        return self.seen.steps[-1][1]["state"] if self.seen.steps else ""

    def arm(self) -> bool:
        """Ask the gate to arm until it does."""
        end_s = time.monotonic() + _RECOVER_S
        while time.monotonic() < end_s:
            if self.client.arm(True)[0]:
                return self.until(lambda: self.gate.state == "armed", 1.0)
            self.listen(0.1)
        return False

    def ready(self, moving: bool = True) -> None:
        """Arm, tell the policy what to do, and wait until the arm moves; or `NotReadyError`."""
        end_s, calm_s = time.monotonic() + _READY_S, time.monotonic()
        while time.monotonic() - calm_s < 0.25:
            self.listen(0.02)
            now_s = time.monotonic()
            if not self._is_well(now_s, moving):
                calm_s = now_s
            if now_s > end_s:
                policy = self.seen.steps[-1][1].get("reason", "") if self.seen.steps else "-"
                refused = self.gate.values["last_refusal_detail"]
                words = f"gate: {self.gate.detail}, refused last: {refused}; policy: {policy}"
                raise NotReadyError(words)
        self.seen.forget()

    def _is_well(self, now_s: float, moving: bool) -> bool:
        if self.gate.state in ("disarmed", "stopped"):
            self.client.arm(True)
        resting = self.policy_state in ("idle", "done", "refused")
        if resting and moving and now_s - self._told_s > 1.0:
            self._told_s = now_s
            self.client.say(WORDS)
        return self.gate.state == "armed" and (not moving or self.moves_since(now_s - 0.7))

    def moves_since(self, time_s: float) -> bool:
        """Whether a command that moves the arm came after a monotonic time."""
        recent = self.seen.since(self.seen.commands, round(time_s * 1e9))
        return any(c.travel_rad > _MOVES_RAD for c in recent)

    def trial(self, case: Case) -> Outcome:
        """Inject once, watch, heal, recover."""
        self.ready(case.moving)
        mark_ns = time.monotonic_ns()
        self.listen(float(self._rng.uniform(0.0, 0.35)))
        tripped = self._reaction("gate", mark_ns)
        if tripped is not None:
            self.trips.append(tripped[0])
            self.ready(case.moving)
        begun_ns = time.monotonic_ns()
        told_ns = case.inject(self)
        injected_ns = begun_ns if told_ns is None else told_ns
        outcome = self._watch(case, injected_ns)
        self.died |= {label: "by itself" for label in self.setup.nodes if self._ended(label)}
        case.heal(self)
        self._recover(case, outcome)
        if not outcome.problem and outcome.reaction not in case.expected:
            outcome.problem = f"{outcome.reaction}, not {' or '.join(case.expected)}"
        outcome.problem = outcome.problem or case.check(self, injected_ns)
        if self.seen.broken:
            outcome.problem = f"{self.seen.broken} commands held NaN"
        return outcome

    def _ended(self, label: str) -> bool:
        """Whether a process has ended that nobody killed."""
        return self.stack.watches(label) and not self.stack.alive(label)

    @property
    def joint_names(self) -> tuple[str, ...]:
        """All joints, the gripper's last."""
        return JOINTS

    def joints(self) -> np.ndarray:
        """Where the joints were measured last `(7,)` [rad, gripper m]."""
        return self.seen.joints.copy()

    def call_stop(self) -> None:
        """Call `gate/stop`; what it answers does not matter."""
        from std_srvs.srv import Trigger

        client = self.kept.get("stop")
        if client is None:
            client = self.kept["stop"] = self.seen.node.create_client(Trigger, "gate/stop")
        client.wait_for_service(timeout_sec=2.0)
        client.call_async(Trigger.Request())

    def _watch(self, case: Case, injected_ns: int) -> Outcome:
        found: list[tuple[str, Times, str]] = []

        def reacted() -> bool:
            reaction = self._reaction(case.by, injected_ns)
            found.extend([reaction] if reaction else [])
            return bool(found) and case.by != "state"

        self.until(reacted, case.watch_s)
        if case.by == "state":
            return Outcome(self._present(), case.measure(self, injected_ns))
        if not found:
            return Outcome(self._present())
        name, times, said = found[0]
        hold = self._command_near(times, injected_ns)
        outcome = Outcome(name, said=said)
        if case.by != "refusal":
            heard_ns = times.heard_ns if hold is None else hold.times.heard_ns
            zero_ns = case.counts_from(self, injected_ns, heard_ns)
            outcome.detection_ms = (heard_ns - zero_ns) / _MS
            if hold is None:
                outcome.said += " (no command with it)"
        return outcome

    def _present(self) -> str:
        if time.monotonic_ns() - self.gate.times.heard_ns > _SILENT_MS * _MS:
            return "gate silent"
        if self.gate.state != "armed":
            return str(self.gate)
        return "policy holding" if self.policy_state == "holding" else "armed"

    def _reaction(self, by: str, from_ns: int) -> tuple[str, Times, str] | None:
        """The first one since a time: its name, when, and the words."""
        found: list[tuple[str, Times, str]] = []
        before = 0
        for status in self.seen.since(self.seen.statuses, from_ns - 300 * _MS):
            refused = int(status.values["refused"])
            if status.times.sent_ns < from_ns:
                before = refused
            elif by == "refusal" and refused > before:
                words = status.values["last_refusal_detail"]
                found.append((f"refused {status.values['last_refusal']}", status.times, words))
                break
            elif by in ("gate", "any") and status.state != "armed":
                found.append((str(status), status.times, status.detail))
                break
        if by in ("policy", "any"):
            held = (
                ("policy holding", times, values["reason"])
                for times, values in self.seen.since(self.seen.steps, from_ns)
                if values["state"] == "holding" and times.sent_ns >= from_ns
            )
            found += list(held)[:1]
        return min(found, key=lambda f: f[1].heard_ns, default=None)

    def _command_near(self, times: Times, injected_ns: int) -> Command | None:
        """The command to the arm that was sent with a report."""
        self.listen(0.03)
        first_ns, last_ns = times.sent_ns - _NEAR_MS[1] * _MS, times.sent_ns + _NEAR_MS[0] * _MS
        near = [
            command
            for command in self.seen.since(self.seen.commands, max(first_ns, injected_ns))
            if command.times.sent_ns <= last_ns
        ]
        return min(near, key=lambda c: abs(c.times.sent_ns - times.sent_ns), default=None)

    def _recover(self, case: Case, outcome: Outcome) -> None:
        """Wait until the arm moves again; only a stop may need to be cleared."""
        healed_s = time.monotonic()
        self.listen(0.0)
        if self.gate.state in ("stopped", "disarmed"):
            outcome.cleared_by = "gate/arm"
            if not self.arm():
                outcome.problem = f"cannot be armed again: {self.gate.detail}"
                return
        elif outcome.reaction.startswith(("holding", "policy")) and self.policy_state != "refused":
            outcome.cleared_by = "itself"
        if not case.moving:
            return

        def moves() -> bool:
            if self.policy_state == "refused":
                outcome.cleared_by = outcome.cleared_by or "a new instruction"
            return self._is_well(time.monotonic(), True) and self.moves_since(healed_s)

        back = self.until(moves, _RECOVER_S)
        outcome.recovery_s = time.monotonic() - healed_s
        if not back:
            outcome.problem = f"does not recover: gate {self.gate}, policy {self.policy_state}"
