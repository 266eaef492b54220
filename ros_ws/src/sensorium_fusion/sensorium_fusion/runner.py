"""The policy loop without ROS: messages and instructions in, proposed trajectories out.

The fusion node, the headless evaluator and the offline parity check run this same class. It owns
what the arm is meant to be doing and says in words why it holds still. A fast half, where there is
one, corrects its plans between steps. One thread.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import KinematicsError
from sensorium_core.geometry import Camera
from sensorium_core.inputs import policy_inputs
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command
from sensorium_core.memory import new_memory
from sensorium_core.observation import Observation
from sensorium_core.policy import Policy, PolicyOutput
from sensorium_core.stream import Part, Push
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Carried, beginning_ns
from sensorium_fusion.config import HonestyConfig
from sensorium_fusion.fast_half import WRENCH, FastFile, FastHalf
from sensorium_fusion.hearing import Language, heard
from sensorium_fusion.holding import Hold, missing_words
from sensorium_fusion.loop_state import LoopState
from sensorium_fusion.planner import Planner
from sensorium_fusion.senses import NO_FAULTS, Faults, Senses
from sensorium_fusion.step import State, Step

_NS = 1_000_000_000


class Runner:
    """Instruction, senses and policy to trajectories.

    Args:
        policy: the slow half.
        language: understands instructions.
        arm: its kinematics.
        drop: senses to treat as dead.
        config: when it does not believe what it sees.
        fast: the fast half; off where the policy does not say what to feel, see `FastHalf.off`.
    """

    def __init__(
        self,
        policy: Policy,
        language: Language,
        arm: Kinematics,
        drop: frozenset[str] = frozenset(),
        config: HonestyConfig | None = None,
        fast: FastFile | None = None,
    ) -> None:
        self.contract, self._config = policy.contract, config or HonestyConfig()
        self._policy, self._language, self._arm = policy, language, arm
        self._senses = Senses(policy.contract, drop, self._config)
        self._planner = Planner(policy.contract.action, arm)
        self._fast = FastHalf(fast, policy.contract, arm, drop | policy.unheard)
        self._faults: Faults = NO_FAULTS
        self._loop = self._fresh()

    def _fresh(self) -> LoopState:
        return LoopState(Hold(self._config.resume_s), new_memory(self.contract, self._arm))

    def _set_idle(self, state: State, reason: str, command: Command | None = None) -> None:
        before, self._loop = self._loop, self._fresh()
        self._loop.state, self._loop.reason, self._loop.command = state, reason, command
        self._loop.planned_ns, self._loop.ahead = before.planned_ns, before.ahead
        self._fast.sleep()

    @property
    def state(self) -> State:
        """What the loop is doing."""
        return self._loop.state

    @property
    def reason(self) -> str:
        """Why, in words."""
        return self._loop.reason

    @property
    def is_active(self) -> bool:
        """Whether there is an instruction to act on."""
        return self._loop.is_active

    @property
    def fast(self) -> FastHalf:
        """What corrects between steps; to look at, not to drive."""
        return self._fast

    def reset(self) -> None:
        """Forget senses, commands and instruction, for a new episode."""
        self._forget()
        self._loop = self._fresh()

    def _forget(self) -> None:
        self._senses.clear()
        self._planner.history.clear()
        self._fast.clear()

    def restart_clock(self, cause: str) -> None:
        """Forget senses and commands, since their stamps mean nothing any more; hold if acting."""
        self._forget()
        self._loop.next_ns = None
        if self.is_active:
            self._loop.hold_still(cause)

    def warm_up(self) -> None:
        """Run policy and language once on nothing, so that the first real step is not slow."""
        seen = self._senses.observe(0, NO_FAULTS)
        tokens, memory = self._language.encode("stop").tokens, self._fresh().memory
        self._policy.run(policy_inputs(self.contract, seen, np.zeros(5), memory, tokens))

    def set_camera(self, camera: Camera | None) -> None:
        """Tell where the depth camera is; see `Aligner.set_camera`."""
        self._senses.set_camera(camera)

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Add one sensor message; see `Aligner.push`."""
        outcome = self._senses.push(modality, stamp_ns, value)
        if outcome in (Push.ACCEPTED, Push.CLOCK_RESET):
            self._fast.push(modality, stamp_ns, value)
        return outcome

    def commanded(self, trajectory: Trajectory) -> None:
        """Tell which trajectory the gate let pass; it may move only some of the joints."""
        self._planner.history.push(trajectory)
        self._fast.commanded()

    def instruct(self, text: str) -> None:
        """Take a new instruction; an empty one stops. What is not understood is refused."""
        self._set_idle(*heard(text, self._language, self._policy.families))
        self._loop.must_stop = self.state is not State.GROUNDING

    def refuse(self, reason: str) -> None:
        """Forget the instruction and come to rest until the next one; `reason` says why."""
        self._set_idle(State.REFUSED, reason)

    def take_again(
        self,
        t_ns: int,
        before: Carried,
        parts: Mapping[str, Sequence[Part]],
        commanded: Sequence[Trajectory],
        command: Command | None,
        camera: Camera | None,
    ) -> Step:
        """A step as it was taken before: from the messages it used and what it remembered."""
        self._forget()
        self.set_camera(camera)
        self._senses.recall(parts)
        for trajectory in commanded:
            self._planner.history.push(trajectory)
        self._loop, self._faults = self._fresh(), before.faults
        self._loop.recall(before, command)
        step = self._remembered_step(t_ns)
        return self.withhold(step, before.withheld) if before.withheld else step

    def due(self, t_ns: int, faults: Faults = NO_FAULTS) -> bool:
        """Whether a step at this time would plan anew, or has a stop to propose."""
        if self.state in (State.GROUNDING, State.HOLDING) or self._loop.must_stop:
            return True
        if self.state is not State.ACTING:
            return False
        patience_ns = round(self.contract.action.step_s * _NS)
        history, gave_up = self._planner.history, self._fast.gave_up
        due = self._loop.due(t_ns, patience_ns, history, gave_up)
        return due or self.is_lacking(t_ns, faults)

    def is_lacking(self, t_ns: int, faults: Faults = NO_FAULTS) -> bool:
        """Whether a required sense is not there; a fraction of the work of a step."""
        return self._senses.is_lacking(t_ns, faults)

    def step(self, t_ns: int, faults: Faults = NO_FAULTS) -> Step:
        """One turn at capture time `t_ns`; modalities with faults are not believed in it."""
        self._faults = self._senses.faults(faults)
        self._loop.ahead = self._fast.ahead(t_ns)
        return replace(self._remembered_step(t_ns), fast=self._fast.report())

    def corrects_at(self, t_ns: int) -> bool:
        """Whether `correct` would do anything at this time; next to no work."""
        return self._fast.is_due(t_ns)

    def correct(
        self, t_ns: int, faults: Faults = NO_FAULTS, late_ns: int = 0
    ) -> Trajectory | None:
        """The fast half's turn, once all readings up to this time are in; what it proposes.

        Ask after every reading of the wrench, and while there are none. `late_ns`: how long ago
        that time is.
        """
        if not self._fast.is_due(t_ns):
            return None
        if self.state is not State.ACTING:
            self._fast.sleep()
            return None
        return self._fast.tick(t_ns, WRENCH not in self._senses.faults(faults), late_ns)

    def withhold(self, step: Step, cause: str) -> Step:
        """Take back the motion of the last step, because of this; the next one proposes a stop."""
        self._loop.hold_still(cause)
        self._fast.sleep()
        before = None if step.before is None else replace(step.before, withheld=cause)
        return replace(step, state=self.state, reason=self.reason, trajectory=None, before=before)

    def carried(self) -> Carried:
        """What is remembered now; `take_again` takes a step with it."""
        return self._loop.carried(self._senses.camera, self._faults)

    def _remembered_step(self, t_ns: int) -> Step:
        before, begin_ns = self.carried(), beginning_ns(t_ns, self._loop.ahead)
        commanded = self._planner.consulted(t_ns, begin_ns)
        return replace(self._step(t_ns), before=before, commanded=commanded)

    def _step(self, t_ns: int) -> Step:
        started, loop = time.perf_counter(), self._loop
        seen = self._senses.observe(t_ns, self._faults)
        loop.memory.feel(seen)
        stages = {"observe": time.perf_counter() - started}
        if not loop.is_active:
            return self._rest(t_ns, seen, stages)
        missing = missing_words(self.contract, seen, self._faults)
        if loop.must_wait(t_ns, missing):
            return self._rest(t_ns, seen, stages)
        return self._think(t_ns, seen, stages)

    def _think(self, t_ns: int, seen: Observation, stages: dict[str, float]) -> Step:
        joints, reference = self._planner.reference(t_ns, seen)
        output, stages["policy"] = self._infer(seen, reference)
        if self.state is State.GROUNDING:
            absent = self._loop.ground(output)
            if absent:
                self._set_idle(State.REFUSED, absent, self._loop.command)
                return self._rest(t_ns, seen, stages, output)
            if self.state is State.GROUNDING:
                return Step(t_ns, self.state, self.reason, seen, output, None, stages)
            output, seconds = self._infer(seen, reference)
            stages["policy"] += seconds
        if self._loop.is_done(output):
            self._set_idle(State.DONE, "done", self._loop.command)
            return self._rest(t_ns, seen, stages, output)
        return self._plan(t_ns, seen, output, joints, reference, stages)

    def _infer(
        self, seen: Observation, reference: NDArray[np.float64]
    ) -> tuple[PolicyOutput, float]:
        started, loop = time.perf_counter(), self._loop
        assert loop.command is not None
        tensors = policy_inputs(self.contract, seen, reference, loop.memory, loop.command.tokens)
        return self._policy.run(tensors), time.perf_counter() - started

    def _plan(
        self,
        t_ns: int,
        seen: Observation,
        output: PolicyOutput,
        joints: NDArray[np.float64],
        reference: NDArray[np.float64],
        stages: dict[str, float],
    ) -> Step:
        started, action, loop = time.perf_counter(), self.contract.action, self._loop
        try:
            own = self._planner.plan(t_ns, output.chunk, joints, reference)
            plan = self._planner.taking_over(own, loop.ahead)
        except KinematicsError as error:
            loop.must_stop, loop.reason = True, f"holding still: {error}"
            return self._rest(t_ns, seen, stages, output)
        loop.next_ns = t_ns + round((action.execute_steps - 0.25) * action.step_s * _NS)
        loop.reason, loop.planned_ns = "acting", plan.stamp_ns
        self._fast.planned(own, loop.ahead, output.intent)
        stages["plan"] = time.perf_counter() - started
        return Step(t_ns, self.state, self.reason, seen, output, plan, stages)

    def _rest(
        self,
        t_ns: int,
        seen: Observation,
        stages: dict[str, float],
        output: PolicyOutput | None = None,
    ) -> Step:
        """Propose to come to rest once, then nothing more.

        While it is not known what the gate made of the last proposal, the stop is still to come.
        """
        self._fast.sleep()
        plan, loop = None, self._loop
        begin_ns, planned_ns = beginning_ns(t_ns, loop.ahead), loop.planned_ns
        known = self._planner.history.sample(t_ns) is not None
        if loop.must_stop and known:
            plan = self._planner.stop(begin_ns)
        unheard = planned_ns is not None and 0 <= t_ns - planned_ns < _NS
        loop.must_stop &= not known and unheard
        return Step(t_ns, self.state, self.reason, seen, output, plan, stages)
