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
from sensorium_core.inputs import CommandHistory, Memory, policy_inputs, reference_pose
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command
from sensorium_core.observation import Aligner, Observation
from sensorium_core.policy import Policy, PolicyOutput
from sensorium_core.stream import Part, Push
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Carried
from sensorium_fusion.plan import (
    DIFFERENCE_NS,
    commanded_velocity,
    joint_trajectory,
    stop_trajectory,
    tool_waypoints,
)
from sensorium_fusion.step import State, Step

_SURE_PRESENT = 0.8
_SURE_ABSENT = 0.05
_GROUNDING_STEPS = 5
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
    ) -> None:
        self.contract = policy.contract
        self._policy, self._language, self._arm, self._drop = policy, language, arm, drop
        self._aligner = Aligner(policy.contract)
        self._history = CommandHistory(policy.contract.action.joints)
        self._camera: Camera | None = None
        self._set_idle()

    def _set_idle(self, state: State = State.IDLE, reason: str = "no instruction") -> None:
        self.state, self.reason = state, reason
        self.command: Command | None = None
        self._memory = Memory()
        self._presence: list[float] = []
        self._done_count = 0
        self._next_ns: int | None = None
        self._must_stop = True

    def reset(self) -> None:
        """Forget senses, commands and instruction, for a new episode."""
        self._aligner.clear()
        self._history.clear()
        self._set_idle()

    def warm_up(self) -> None:
        """Run policy and language once on nothing, so that the first real step is not slow."""
        seen = self._aligner.observe(0)
        tokens = self._language.encode("stop").tokens
        self._policy.run(policy_inputs(self.contract, seen, np.zeros(5), Memory(), tokens))

    def set_camera(self, camera: Camera | None) -> None:
        """Tell where the depth camera is; see `Aligner.set_camera`."""
        self._camera = camera
        self._aligner.set_camera(camera)

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> Push:
        """Add one sensor message; see `Aligner.push`."""
        return self._aligner.push(modality, stamp_ns, value)

    def commanded(self, trajectory: Trajectory) -> None:
        """Tell which trajectory the gate let pass; it may move only some of the joints."""
        self._history.push(trajectory)

    def newest_ns(self, modality: str) -> int | None:
        """Stamp of the newest message of a modality."""
        return self._aligner.newest_ns(modality)

    def instruct(self, text: str) -> None:
        """Take a new instruction; an empty one stops. What is not understood is refused."""
        if not text.strip():
            self._set_idle(State.IDLE, "told to stop")
            return
        try:
            command = self._language.encode(text)
        except SensoriumError as error:
            self._set_idle(State.REFUSED, str(error))
            return
        if not command.in_scope:
            self._set_idle(State.REFUSED, command.reason or "I do not understand that")
            self.command = command
            return
        self._set_idle(State.GROUNDING, "looking for the object")
        self.command = command
        self._must_stop = False

    def carried(self) -> Carried:
        """What is remembered now; `take_again` takes a step with it."""
        anchor, camera = self._memory.anchor_m, self._camera
        return Carried(
            self.state.value,
            self.reason,
            self.command.text if self.command is not None else "",
            None if anchor is None else tuple(anchor.tolist()),
            self._memory.peak_press_n,
            tuple(self._presence),
            self._done_count,
            self._must_stop,
            None if camera is None else (*camera.intrinsics, *camera.size),
        )

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
        self._aligner.recall(parts)
        self._history.clear()
        for trajectory in commanded:
            self._history.push(trajectory)
        self._set_idle(State(before.state), before.reason)
        self.command, self._must_stop = command, before.must_stop
        anchor = None if before.anchor_m is None else np.array(before.anchor_m)
        self._memory = Memory(anchor, before.peak_press_n)
        self._presence, self._done_count = list(before.presence), before.done_count
        return self.step(t_ns)

    def due(self, t_ns: int) -> bool:
        """Whether a step at this time would plan anew (or has a stop to propose)."""
        if self.state in (State.GROUNDING, State.HOLDING) or self._must_stop:
            return True
        if self.state is not State.ACTING:
            return False
        return self._next_ns is None or t_ns >= self._next_ns or t_ns < self._next_ns - _NS

    def step(self, t_ns: int) -> Step:
        """One turn at capture time `t_ns`."""
        before, soon_ns = self.carried(), t_ns + DIFFERENCE_NS
        commanded = self._history.consulted(t_ns, soon_ns)
        return replace(self._step(t_ns), before=before, commanded=commanded)

    def _step(self, t_ns: int) -> Step:
        started = time.perf_counter()
        seen = self._aligner.observe(t_ns, self._drop)
        self._memory.feel(seen)
        stages = {"observe": time.perf_counter() - started}
        if self.state not in (State.GROUNDING, State.ACTING, State.HOLDING):
            return self._rest(t_ns, seen, stages)
        missing = self._missing(seen)
        if missing:
            self._must_stop |= self.state is not State.HOLDING
            self.state, self.reason = State.HOLDING, f"holding still: {missing}"
            return self._rest(t_ns, seen, stages)
        if self.state is State.HOLDING:
            self.state, self.reason = self._resumed()
        return self._think(t_ns, seen, stages)

    def _resumed(self) -> tuple[State, str]:
        if self._memory.anchor_m is None:
            return State.GROUNDING, "looking for the object"
        return State.ACTING, "acting"

    def _missing(self, seen: Observation) -> str:
        """Words for the required senses that are not there, or an empty string."""
        gone = [
            f"{m.sense} ({m.topic}) has been silent for {seen.age_s[m.name]:.2f} s"
            if np.isfinite(seen.age_s[m.name])
            else f"{m.sense} ({m.topic}) was never received"
            for m in self.contract.modalities
            if m.sense in self.contract.required and not seen.valid[m.name]
        ]
        return "; ".join(gone)

    def _think(self, t_ns: int, seen: Observation, stages: dict[str, float]) -> Step:
        assert self.command is not None
        joints, reference = reference_pose(self._history.sample(t_ns), seen, self._arm)
        output, seconds = self._infer(seen, reference)
        stages["policy"] = seconds
        if self.state is State.GROUNDING:
            self._ground(output)
            if self.state is State.GROUNDING:
                return Step(t_ns, self.state, self.reason, seen, output, None, stages)
            if self.state is State.REFUSED:
                return self._rest(t_ns, seen, stages, output)
            output, seconds = self._infer(seen, reference)
            stages["policy"] += seconds
        self._done_count = self._done_count + 1 if output.done > 0.5 else 0
        if self._done_count >= _DONE_STEPS:
            self._set_done()
            return self._rest(t_ns, seen, stages, output)
        return self._plan(t_ns, seen, output, joints, reference, stages)

    def _infer(
        self, seen: Observation, reference: NDArray[np.float64]
    ) -> tuple[PolicyOutput, float]:
        assert self.command is not None
        started = time.perf_counter()
        tensors = policy_inputs(self.contract, seen, reference, self._memory, self.command.tokens)
        return self._policy.run(tensors), time.perf_counter() - started

    def _ground(self, output: PolicyOutput) -> None:
        """Decide whether the object meant is there; remember where it is, or refuse in words."""
        self._presence.append(output.present)
        mean = float(np.mean(self._presence))
        sure = mean > _SURE_PRESENT or mean < _SURE_ABSENT
        if not sure and len(self._presence) < _GROUNDING_STEPS:
            return
        command = self.command
        assert command is not None
        if mean < 0.5:
            words = f"I see no {object_words(command)} (probability {mean:.2f})"
            self._set_idle(State.REFUSED, words)
            self.command = command
            return
        self._memory.anchor_m = output.target.astype(np.float64)
        self.state, self.reason = State.ACTING, "acting"

    def _set_done(self) -> None:
        command = self.command
        self._set_idle(State.DONE, "done")
        self.command = command

    def _plan(
        self,
        t_ns: int,
        seen: Observation,
        output: PolicyOutput,
        joints: NDArray[np.float64],
        reference: NDArray[np.float64],
        stages: dict[str, float],
    ) -> Step:
        started = time.perf_counter()
        action = self.contract.action
        velocity = commanded_velocity(self._history, t_ns)
        try:
            ahead = self._arm.tool_pose(joints[:6] + velocity[:6] * action.step_s)
            waypoints = tool_waypoints(output.chunk, reference, ahead - reference[:4], action)
            plan = joint_trajectory(waypoints, joints, velocity, t_ns, action, self._arm)
        except KinematicsError as error:
            self._must_stop, self.reason = True, f"holding still: {error}"
            return self._rest(t_ns, seen, stages, output)
        self._next_ns = t_ns + round((action.execute_steps - 0.25) * action.step_s * _NS)
        self.reason = "acting"
        stages["plan"] = time.perf_counter() - started
        return Step(t_ns, self.state, self.reason, seen, output, plan, stages)

    def _rest(
        self,
        t_ns: int,
        seen: Observation,
        stages: dict[str, float],
        output: PolicyOutput | None = None,
    ) -> Step:
        """Propose to come to rest once, then nothing more."""
        plan = None
        setpoint = self._history.sample(t_ns)
        if self._must_stop and setpoint is not None:
            velocity = commanded_velocity(self._history, t_ns)
            plan = stop_trajectory(setpoint, velocity, t_ns, self.contract.action.joints)
        self._must_stop = False
        return Step(t_ns, self.state, self.reason, seen, output, plan, stages)


def object_words(command: Command) -> str:
    """The object that a command names, for a person: "red cube", "green button"."""
    goal = command.goal
    if goal is None:
        return "such object"
    noun = "button" if goal.family == "press" else (goal.shape or "object")
    return f"{goal.colour} {noun}" if goal.colour else noun
