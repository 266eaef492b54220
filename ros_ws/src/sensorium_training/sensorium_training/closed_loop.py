"""One episode without ROS, through the streams, policy, kinematics and gate that the nodes use.

The simulator's clock is the only clock. Fast senses are pushed at 100 Hz, which gives windows the
same samples as 500 Hz does; of the wrench every reading where a fast half feels it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.geometry import Camera
from sensorium_core.policy import Policy
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.fast_half import FastFile
from sensorium_fusion.hearing import Language
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import State
from sensorium_sim.cell import Cell
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.shadow import Shadow
from sensorium_sim.touch_cell import TouchCell

from sensorium_training.guard import Guard, peak_force_n

Array = NDArray[np.float64]
Verdict = tuple[bool | None, str]
"""Success (None: not yet decided) and a reason."""
Judge = Callable[[SceneState], Verdict]

_TICK_STEPS = 5
"""10 ms between pushes of the fast senses."""
_FRAME_TICKS = 10
"""100 ms between camera frames."""
_LATENCY_TICKS = 2
"""A proposal reaches the arm 20 ms after its frame, as it does over ROS."""
_SETTLE_TICKS = 40
_REST_S = 0.5
"""After the policy is done, the judge may still wait for things to come to rest."""


@dataclass(frozen=True)
class Run:
    """How one episode went."""

    success: bool
    reason: str
    state: str
    seconds: float
    moved_m: float
    """Largest distance of the tool from where it started."""
    peak_force_n: float
    refusals: tuple[str, ...]
    """Why the gate refused proposals."""
    trips: tuple[str, ...] = ()
    """Why the gate held or stopped the arm."""


class Proposed(Protocol):
    """One turn of a proposer."""

    @property
    def trajectory(self) -> Trajectory | None:
        """What it proposes; None: nothing new."""


class Proposer(Protocol):
    """What acts in a closed loop: a `Runner` with its policy, or a baseline in its place.

    It gets the senses as messages and proposes trajectories; the gate judges all alike.
    """

    @property
    def state(self) -> State:
        """What it is doing; an episode ends soon after `DONE` or `REFUSED`."""

    @property
    def reason(self) -> str:
        """Why, in words."""

    def reset(self) -> None:
        """Forget everything, for a new episode."""

    def set_camera(self, camera: Camera | None) -> None:
        """Take where the depth camera is."""

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> object:
        """Take one sensor message."""

    def instruct(self, text: str) -> None:
        """Take a new instruction."""

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""

    def due(self, t_ns: int) -> bool:
        """Whether it has something to propose at a frame."""

    def step(self, t_ns: int) -> Proposed:
        """One turn at the capture time of a frame."""


class ClosedLoop:
    """A simulated cell, a policy and a gate; runs any number of episodes.

    Without the gate, what the policy proposes goes straight to the arm. `fast` is the fast half,
    for a policy that says what to feel.
    """

    def __init__(
        self,
        policy: Policy,
        language: Language,
        drop: frozenset[str] = frozenset(),
        cell: Cell | None = None,
        gate: bool = True,
        fast: FastFile | None = None,
    ) -> None:
        cell = cell or (Cell() if policy.contract.version == 1 else TouchCell())
        runner = Runner(policy, language, cell.kinematics, drop, fast=fast)
        self._take(runner, policy.contract, cell, gate)

    @classmethod
    def of(
        cls, proposer: Proposer, contract: Contract, cell: Cell, gate: bool = True
    ) -> "ClosedLoop":
        """The same loop around any proposer; the gate is configured by the contract."""
        loop = cls.__new__(cls)
        loop._take(proposer, contract, cell, gate)
        return loop

    def _take(self, proposer: Proposer, contract: Contract, cell: Cell, gate: bool) -> None:
        self.cell, self._contract, self._gate = cell, contract, gate
        self._runner = proposer
        corrects = isinstance(proposer, Runner) and not proposer.fast.off
        self._corrector = proposer if isinstance(proposer, Runner) and corrects else None
        self._shadow: Shadow | None = None

    def run(
        self,
        scene: Scene,
        text: str,
        judge: Judge,
        limit_s: float = 12.0,
        log: Callable[[Cell], EpisodeLog] | None = None,
        shadow: Shadow | None = None,
    ) -> Run:
        """Say `text` in a scene and let the policy act until the judge, it or time decides.

        Args:
            log: makes the log of the episode, once the scene is set; None: nothing is recorded.
            shadow: says at every frame what an expert would do; that is recorded, not done.
        """
        runner, self._shadow = self._runner, shadow
        self._begin(scene, log)
        runner.instruct(text)
        if self._log is not None:
            self._log.instruct(text)
        (success, reason), seconds = self._act(judge, limit_s)
        words = reason if runner.state is not State.REFUSED else runner.reason
        return Run(
            bool(success), words, runner.state.value, seconds, self._moved_m, self._peak_n,
            tuple(self._guard.refusals), tuple(self._guard.trips),
        )  # fmt: skip

    def _begin(self, scene: Scene, log: Callable[[Cell], EpisodeLog] | None) -> None:
        """Set the scene, forget the last episode, fill the windows of the senses, arm the gate."""
        self.cell.reset(scene)
        self._runner.reset()
        self._log = None if log is None else log(self.cell)
        self._guard = Guard.of(self._contract, self._gate)
        self._camera()
        self._pending: list[tuple[int, Trajectory]] = []
        self._peak_n, self._moved_m = 0.0, 0.0
        self._settle()
        self._guard.arm(self.cell.time_ns)
        self._start_m = self.cell.ground_truth().tool_pose[:3]

    def _act(self, judge: Judge, limit_s: float) -> tuple[Verdict, float]:
        """Act until the judge, the policy or time decides; the last verdict and the seconds."""
        verdict: Verdict = (None, "out of time")
        tick, resting_s = 0, 0.0
        while tick * 0.01 < limit_s:
            if tick % _FRAME_TICKS == 0:
                verdict = judge(self._watch())
                if verdict[0] is not None:
                    break
                self._frame()
                rests = self._runner.state in (State.DONE, State.REFUSED)
                resting_s = resting_s + 0.1 if rests else 0.0
                if resting_s > _REST_S:
                    break
            self._deliver()
            self._fast_senses()
            tick += 1
        return verdict, tick * 0.01

    def _watch(self) -> SceneState:
        """Ground truth now; how far the tool has been is kept."""
        state = self.cell.ground_truth()
        moved_m = float(np.linalg.norm(state.tool_pose[:3] - self._start_m))
        self._moved_m = max(self._moved_m, moved_m)
        return state

    def _settle(self) -> None:
        """Let the fast senses fill their windows before anything is said."""
        for _ in range(_SETTLE_TICKS):
            self._fast_senses()

    def _camera(self) -> None:
        matrix, pose = self.cell.camera_info("scene")
        size = (96, 128)
        k = (matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
        self._runner.set_camera(Camera(k, size, pose))

    def _fast_senses(self) -> None:
        """Advance 10 ms; policy and gate get the newest of each sense, the gate every force."""
        readings, runner = self.cell.sense(_TICK_STEPS), self._runner
        if self._log is not None:
            self._log.readings(readings)
        if self._shadow is not None:
            self._shadow.felt(readings)
        now = self.cell.time_ns
        joints, touch = readings.joints[-1], readings.touch[-1]
        runner.push("joints", now, joints)
        every = self._corrector is not None
        stamps, wrench = readings.stamps_ns.tolist(), readings.wrench
        for i in range(len(stamps)) if every else (-1,):
            runner.push("wrench", stamps[i], wrench[i])
        runner.push("touch_left", now, touch[0])
        runner.push("touch_right", now, touch[1])
        self._peak_n = max(self._peak_n, peak_force_n(readings))
        reaction = self._guard.hear(readings)
        if reaction is not None:
            self._command(reaction)
        if self._corrector is not None:
            self._propose(self._corrector.correct(now))

    def _propose(self, trajectory: Trajectory | None) -> None:
        """What the gate lets pass of it goes to the arm."""
        motions = [] if trajectory is None else self._guard.propose(trajectory, self.cell.time_ns)
        for motion in motions:
            self._command(motion)

    def _command(self, trajectory: Trajectory) -> None:
        self.cell.command(trajectory)
        self._runner.commanded(trajectory)
        if self._log is not None:
            self._log.command(trajectory)

    def _frame(self) -> None:
        cell, runner, now = self.cell, self._runner, self.cell.time_ns
        if self._log is not None:
            self._log.frame(cell.ground_truth())
            if self._shadow is not None:
                tool = cell.kinematics.tool_pose(cell.setpoint()[:6])
                self._log.expert(self._shadow.decide(cell.ground_truth(), tool))
        colour, depth = cell.render("scene")
        wrist, _ = cell.render("wrist")
        runner.push("scene_rgb", now, colour)
        runner.push("scene_depth", now, depth)
        runner.push("wrist_rgb", now, wrist)
        if runner.due(now):
            step = runner.step(now)
            if step.trajectory is not None:
                due = now // 10_000_000 + _LATENCY_TICKS
                self._pending.append((due, step.trajectory))

    def _deliver(self) -> None:
        """Hand proposals that have travelled long enough to the gate, what passes to the arm."""
        now = self.cell.time_ns
        while self._pending and self._pending[0][0] <= now // 10_000_000:
            self._propose(self._pending.pop(0)[1])
