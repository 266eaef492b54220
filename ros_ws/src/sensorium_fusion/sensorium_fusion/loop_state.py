"""What the policy loop is doing and remembers, from one step to the next."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from sensorium_core.geometry import Camera
from sensorium_core.inputs import CommandHistory, Memory
from sensorium_core.language import Command
from sensorium_core.memory import FeltMemory
from sensorium_core.policy import PolicyOutput

from sensorium_fusion.carried import Ahead, Carried
from sensorium_fusion.grounding import absent_words, is_present
from sensorium_fusion.holding import Hold
from sensorium_fusion.step import State

_NS = 1_000_000_000
_DONE_STEPS = 2


@dataclass
class LoopState:
    """One instruction's worth of memory; a new instruction begins with a new one."""

    hold: Hold
    memory: Memory
    state: State = State.IDLE
    reason: str = "no instruction"
    command: Command | None = None
    must_stop: bool = True
    """Whether a stop is still to be proposed."""
    presence: list[float] = field(default_factory=list)
    done_count: int = 0
    planned_ns: int | None = None
    """When a motion was last proposed, also for an earlier instruction."""
    next_ns: int | None = None
    """When to plan anew."""
    ahead: Ahead | None = None
    """What the fast half did beyond the present step."""

    @property
    def is_active(self) -> bool:
        """Whether there is an instruction to act on."""
        return self.state in (State.GROUNDING, State.ACTING, State.HOLDING)

    def due(
        self, t_ns: int, patience_ns: int, history: CommandHistory, gave_up: bool = False
    ) -> bool:
        """Whether it is time to plan anew; long before that means that the clock was set back."""
        next_ns = self.next_ns
        due = next_ns is None or t_ns >= next_ns or t_ns < next_ns - _NS
        return due or self.is_unanswered(t_ns, patience_ns, history, gave_up)

    def must_wait(self, t_ns: int, missing: str) -> bool:
        """Whether to hold still at a step; goes on with what a hold interrupted once it is over.

        `missing` tells of required senses that are not there, or is empty.
        """
        if missing and self.state is not State.HOLDING:
            self.state, self.must_stop = State.HOLDING, True
        if self.state is not State.HOLDING:
            return False
        waiting = self.hold.wait(t_ns, missing)
        if waiting:
            self.reason = waiting
            return True
        self.resume()
        return False

    def ground(self, output: PolicyOutput) -> str:
        """Look once for the object meant: remember where it is, or say that it is not there."""
        self.presence.append(output.present)
        present = is_present(self.presence)
        if present:
            self.memory.anchor_m = output.target.astype(np.float64)
            self.state, self.reason = State.ACTING, "acting"
        if present is not False:
            return ""
        assert self.command is not None
        return absent_words(self.command, self.presence)

    def is_done(self, output: PolicyOutput) -> bool:
        """Whether the policy has said so for two steps in a row."""
        self.done_count = self.done_count + 1 if output.done > 0.5 else 0
        return self.done_count >= _DONE_STEPS

    def is_unanswered(
        self, t_ns: int, patience_ns: int, history: CommandHistory, gave_up: bool
    ) -> bool:
        """Whether the gate has let nothing pass since a plan that is so old or older.

        It refused the plan, or the plan was lost: the arm is on what is left of the one before.
        Also when the fast half gave the plan up.
        """
        planned_ns = self.planned_ns
        if planned_ns is None or t_ns - planned_ns < patience_ns:
            return False
        return gave_up or not history.has_since(planned_ns)

    def hold_still(self, cause: str) -> None:
        """Hold because of this, besides any missing sense; a stop is to be proposed."""
        self.state, self.reason = State.HOLDING, self.hold.begin(cause)
        self.must_stop = True

    def resume(self) -> None:
        """Go on with what the hold interrupted."""
        known = self.memory.anchor_m is not None
        self.state = State.ACTING if known else State.GROUNDING
        self.reason = "acting" if known else "looking for the object"

    def carried(self, camera: Camera | None, faults: Mapping[str, str]) -> Carried:
        """All of it as a value; `recalled` gives it back."""
        anchor = self.memory.anchor_m
        return Carried(
            self.state.value,
            self.reason,
            self.command.text if self.command is not None else "",
            None if anchor is None else tuple(anchor.tolist()),
            self.memory.peak_press_n,
            tuple(self.presence),
            self.done_count,
            self.must_stop,
            None if camera is None else (*camera.intrinsics, *camera.size),
            self.hold.cause,
            self.hold.back_ns,
            self.hold.resume_s,
            dict(faults),
            self.planned_ns,
            felt=self.memory.felt() if isinstance(self.memory, FeltMemory) else None,
            ahead=self.ahead,
        )

    def recall(self, before: Carried, command: Command | None) -> None:
        """Become what was carried, with the command that it names."""
        self.hold = Hold(before.resume_s, before.hold_cause, before.back_ns)
        self.state, self.reason, self.command = State(before.state), before.reason, command
        self.must_stop, self.done_count = before.must_stop, before.done_count
        self.presence, self.planned_ns = list(before.presence), before.planned_ns
        self.ahead = before.ahead
        memory = self.memory
        memory.anchor_m = None if before.anchor_m is None else np.array(before.anchor_m)
        memory.peak_press_n = before.peak_press_n
        if isinstance(memory, FeltMemory):
            memory.recall(before.felt)
