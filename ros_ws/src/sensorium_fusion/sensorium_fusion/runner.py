"""The policy loop without ROS: messages and instructions in, proposed trajectories out.

The fusion node, the headless evaluator and the offline parity check run this same class. It owns
what the arm is meant to be doing and says in words why it holds still. One thread.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import KinematicsError, SensoriumError
from sensorium_core.geometry import Camera
from sensorium_core.inputs import CommandHistory, policy_inputs, reference_pose
from sensorium_core.instruction import parse_instruction
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command
from sensorium_core.memory import new_memory
from sensorium_core.observation import Observation
from sensorium_core.policy import Policy, PolicyOutput
from sensorium_core.stream import Part, Push
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Carried
from sensorium_fusion.config import HonestyConfig
from sensorium_fusion.grounding import absent_words, is_present, unlearned_words
from sensorium_fusion.holding import Hold, missing_words
from sensorium_fusion.loop_state import LoopState
from sensorium_fusion.plan import (
    DIFFERENCE_NS,
    commanded_velocity,
    joint_trajectory,
    stop_trajectory,
    tool_waypoints,
)
from sensorium_fusion.senses import NO_FAULTS, Faults, Senses
from sensorium_fusion.step import State, Step

_DONE_STEPS = 2
_NS = 1_000_000_000


class Language(Protocol):
    """What understands instructions: the language encoder, or who knows what is meant."""

    def encode(self, text: str) -> Command:
        """Understand one instruction."""


class Runner:
    """Instruction, senses and policy to trajectories. `drop` names senses to treat as dead."""

    def __init__(
        self,
        policy: Policy,
        language: Language,
        arm: Kinematics,
        drop: frozenset[str] = frozenset(),
        config: HonestyConfig | None = None,
    ) -> None:
        self.contract, self._config = policy.contract, config or HonestyConfig()
        self._policy, self._language, self._arm = policy, language, arm
        self._senses = Senses(policy.contract, drop, self._config)
        self._history = CommandHistory(policy.contract.action.joints)
        self._faults: Faults = NO_FAULTS
        self._loop = self._fresh()

    def _fresh(self) -> LoopState:
        return LoopState(Hold(self._config.resume_s), new_memory(self.contract, self._arm))

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

    def _set_idle(self, state: State, reason: str, command: Command | None = None) -> None:
        hold, memory = Hold(self._config.resume_s), new_memory(self.contract, self._arm)
        planned_ns = self._loop.planned_ns
        self._loop = LoopState(hold, memory, state, reason, command, planned_ns=planned_ns)

    def reset(self) -> None:
        """Forget senses, commands and instruction, for a new episode."""
        self._senses.clear()
        self._history.clear()
        self._loop = self._fresh()

    def restart_clock(self, cause: str) -> None:
        """Forget senses and commands, since their stamps mean nothing any more; hold if acting."""
        self._senses.clear()
        self._history.clear()
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
        return self._senses.push(modality, stamp_ns, value)

    def commanded(self, trajectory: Trajectory) -> None:
        """Tell which trajectory the gate let pass; it may move only some of the joints."""
        self._history.push(trajectory)

    def instruct(self, text: str) -> None:
        """Take a new instruction; an empty one stops. What is not understood is refused."""
        try:
            told = parse_instruction(text)
            command = self._language.encode(told) if told else None
        except SensoriumError as error:
            self.refuse(str(error))
            return
        if command is None:
            self._set_idle(State.IDLE, "told to stop")
        elif not command.in_scope:
            reason = command.reason or "I do not understand that"
            self._set_idle(State.REFUSED, reason, command)
        elif unlearned := unlearned_words(command, self._policy.families):
            self._set_idle(State.REFUSED, unlearned, command)
        else:
            self._set_idle(State.GROUNDING, "looking for the object", command)
            self._loop.must_stop = False

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
        self.set_camera(camera)
        self._senses.recall(parts)
        self._history.clear()
        for trajectory in commanded:
            self._history.push(trajectory)
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
        due = self._loop.due(t_ns) or self._loop.is_unanswered(t_ns, patience_ns, self._history)
        return due or self.is_lacking(t_ns, faults)

    def is_lacking(self, t_ns: int, faults: Faults = NO_FAULTS) -> bool:
        """Whether a required sense is not there; a fraction of the work of a step."""
        return self._senses.is_lacking(t_ns, faults)

    def step(self, t_ns: int, faults: Faults = NO_FAULTS) -> Step:
        """One turn at capture time `t_ns`; modalities with faults are not believed in it."""
        self._faults = self._senses.faults(faults)
        return self._remembered_step(t_ns)

    def withhold(self, step: Step, cause: str) -> Step:
        """Take back the motion of the last step, because of this; the next one proposes a stop."""
        self._loop.hold_still(cause)
        before = None if step.before is None else replace(step.before, withheld=cause)
        return replace(step, state=self.state, reason=self.reason, trajectory=None, before=before)

    def carried(self) -> Carried:
        """What is remembered now; `take_again` takes a step with it."""
        return self._loop.carried(self._senses.camera, self._faults)

    def _remembered_step(self, t_ns: int) -> Step:
        before, commanded = self.carried(), self._history.consulted(t_ns, t_ns + DIFFERENCE_NS)
        return replace(self._step(t_ns), before=before, commanded=commanded)

    def _step(self, t_ns: int) -> Step:
        started, loop = time.perf_counter(), self._loop
        seen = self._senses.observe(t_ns, self._faults)
        loop.memory.feel(seen)
        stages = {"observe": time.perf_counter() - started}
        if not loop.is_active:
            return self._rest(t_ns, seen, stages)
        missing = missing_words(self.contract, seen, self._faults)
        if missing and loop.state is not State.HOLDING:
            loop.state, loop.must_stop = State.HOLDING, True
        if loop.state is State.HOLDING:
            waiting = loop.hold.wait(t_ns, missing)
            if waiting:
                loop.reason = waiting
                return self._rest(t_ns, seen, stages)
            loop.resume()
        return self._think(t_ns, seen, stages)

    def _think(self, t_ns: int, seen: Observation, stages: dict[str, float]) -> Step:
        joints, reference = reference_pose(self._history.sample(t_ns), seen, self._arm)
        output, stages["policy"] = self._infer(seen, reference)
        if self.state is State.GROUNDING:
            self._ground(output)
            if self.state is State.GROUNDING:
                return Step(t_ns, self.state, self.reason, seen, output, None, stages)
            if self.state is State.REFUSED:
                return self._rest(t_ns, seen, stages, output)
            output, seconds = self._infer(seen, reference)
            stages["policy"] += seconds
        self._loop.done_count = self._loop.done_count + 1 if output.done > 0.5 else 0
        if self._loop.done_count >= _DONE_STEPS:
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

    def _ground(self, output: PolicyOutput) -> None:
        """Decide whether the object meant is there; remember where it is, or refuse in words."""
        loop = self._loop
        loop.presence.append(output.present)
        present = is_present(loop.presence)
        if present:
            loop.memory.anchor_m = output.target.astype(np.float64)
            loop.state, loop.reason = State.ACTING, "acting"
        elif present is not None:
            assert loop.command is not None
            reason = absent_words(loop.command, loop.presence)
            self._set_idle(State.REFUSED, reason, loop.command)

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
        velocity = commanded_velocity(self._history, t_ns)
        try:
            ahead = self._arm.tool_pose(joints[:6] + velocity[:6] * action.step_s)
            waypoints = tool_waypoints(output.chunk, reference, ahead - reference[:4], action)
            plan = joint_trajectory(waypoints, joints, velocity, t_ns, action, self._arm)
        except KinematicsError as error:
            loop.must_stop, loop.reason = True, f"holding still: {error}"
            return self._rest(t_ns, seen, stages, output)
        loop.next_ns = t_ns + round((action.execute_steps - 0.25) * action.step_s * _NS)
        loop.reason, loop.planned_ns = "acting", t_ns
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
        plan, planned_ns = None, self._loop.planned_ns
        setpoint = self._history.sample(t_ns)
        if self._loop.must_stop and setpoint is not None:
            velocity = commanded_velocity(self._history, t_ns)
            plan = stop_trajectory(setpoint, velocity, t_ns, self.contract.action.joints)
        unheard = planned_ns is not None and 0 <= t_ns - planned_ns < _NS
        self._loop.must_stop &= setpoint is None and unheard
        return Step(t_ns, self.state, self.reason, seen, output, plan, stages)
