"""Makes one demonstration after another: an expert, disturbed on purpose, in a random scene.

An episode depends on nothing but its seed and the configuration: the same bytes on every run and
by any number of workers. `generate_pool` runs several of these at once.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import tabletop, touch
from sensorium_core.errors import KinematicsError, UnknownNameError
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_core.trajectory import Trajectory, finite_difference_velocities
from sensorium_recording.bag_writer import BagWriter

from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.cell import Cell
from sensorium_sim.disturbance import Disturbance, DisturbanceConfig
from sensorium_sim.episode import goal_text
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.expert_view import view_of
from sensorium_sim.grammar import SPLITS, phrases
from sensorium_sim.rollout import rollout
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.scene_json import goal_to_json, scene_to_json
from sensorium_sim.tasks import TASKS, Outcome, Task
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_generate import LINGER_MOVES, SILENCE_STEPS, STILL_FRAMES, TouchRun

Array = NDArray[np.float64]

STEPS_PER_MOVE = 50
"""Simulation steps of 2 ms between two decisions."""
_MOVE_S = 0.1
_CHUNK = 3
"""Steps of the expert in one trajectory; the next one replaces it after the first."""
_STREAM = 0x5EED


@dataclass(frozen=True)
class GenerateConfig:
    """What episodes are made of."""

    families: tuple[str, ...] = FAMILIES
    """Task families, in turn by seed. With one where touch decides among them all are played in
    `TouchCell`, and bags carry the contract of all nine."""
    camera_width: int = 128
    camera_height: int = 96
    camera_rate_hz: float = 10.0
    """At most 500 Hz; ten is what the policy steps at."""
    joint_rate_hz: int = 500
    """500 or 250 Hz."""
    wrist_depth: bool = False
    """Whether the wrist camera's depth is recorded, too."""
    phrasing: str = "train"
    """Which wordings are used: train, heldout or unseen."""
    max_s: float = 8.0
    """An expert that takes longer has failed; where touch decides, tasks have their own limits."""
    disturbance: DisturbanceConfig = field(default_factory=DisturbanceConfig)

    @property
    def touches(self) -> bool:
        """Whether there is a family where touch decides."""
        return any(family in TOUCH_FAMILIES for family in self.families)

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in ALL_FAMILIES:
                raise UnknownNameError("family", family, (*ALL_FAMILIES, "all"))
        if self.phrasing not in SPLITS:
            raise UnknownNameError("phrasing", self.phrasing, SPLITS)
        if self.joint_rate_hz not in (250, 500):
            raise UnknownNameError("joint rate", self.joint_rate_hz, ("250", "500"))
        if not 1.0 <= self.camera_rate_hz <= 100.0:
            raise UnknownNameError("camera rate", self.camera_rate_hz, ("1 to 100 Hz",))
        if self.camera_width * 3 != self.camera_height * 4:
            size = f"{self.camera_width}x{self.camera_height}"
            raise UnknownNameError("camera size", size, ("any 4:3 size, such as 128x96",))


@dataclass(frozen=True)
class Made:
    """One episode that was made."""

    path: Path
    seed: int
    family: str
    success: bool | None
    """None for episodes in which nothing was attempted."""
    duration_s: float
    n_bytes: int


def episode_path(directory: Path, seed: int) -> Path:
    """Where the episode of a seed lies."""
    return directory / f"ep_{seed:07d}"


class EpisodeGenerator:
    """A cell that makes episodes. Build it in the process that uses it: it owns a GL context."""

    def __init__(self, config: GenerateConfig) -> None:
        self.config = config
        self._contract = (touch() if config.touches else tabletop()).to_json()
        cell = TouchCell if config.touches else Cell
        self._cell = cell(config.camera_width, config.camera_height)

    def make(self, directory: Path, seed: int) -> Made:
        """Write the episode of a seed; what an interrupted run left of it is replaced."""
        config = self.config
        family = config.families[seed % len(config.families)]
        scene, goal = ALL_TASKS[family].reset(seed)
        rng = np.random.default_rng((_STREAM, seed))
        text = phrases(goal, rng, split=config.phrasing)
        path = episode_path(directory, seed)
        shutil.rmtree(path, ignore_errors=True)
        with BagWriter(path, "zstd", replace_partial=True) as bag:
            bag.write_metadata("contract", {"json": self._contract})
            bag.write_metadata("episode", self._facts(seed, text, scene, goal))
            still = rng.random() < config.disturbance.still_share
            run = self._run(bag, scene, goal, rng)
            outcome = run.stand_still(text) if still else run.act(text)
            seconds = self._cell.time_ns / 1e9
        size = sum(file.stat().st_size for file in path.iterdir())
        return Made(path, seed, family, outcome.success, seconds, size)

    def _run(
        self, bag: BagWriter, scene: Scene, goal: Goal, rng: np.random.Generator
    ) -> _Run | TouchRun:
        """The episode that is about to happen; the cell is reset to its scene."""
        cell, config = self._cell, self.config
        cell.reset(scene)
        size, every = (config.camera_height, config.camera_width), 500 // config.joint_rate_hz
        log = EpisodeLog(bag, cell, size, every, config.wrist_depth)
        if goal.family in FAMILIES:
            return _Run(cell, log, config, TASKS[goal.family], scene, goal, rng)
        assert isinstance(cell, TouchCell)
        return TouchRun(cell, log, goal, config.disturbance, config.camera_rate_hz, rng)

    def _facts(self, seed: int, text: str, scene: Scene, goal: Goal) -> dict[str, str]:
        return {
            "seed": str(seed),
            "instruction": text,
            "goal": goal_to_json(goal),
            "scene": scene_to_json(scene),
            "config": json.dumps(asdict(self.config)),
        }

    def close(self) -> None:
        """Free the GL context."""
        self._cell.close()


class _Run:
    """One episode while it happens. The cell is reset to the scene, the log made for it."""

    def __init__(
        self,
        cell: Cell,
        log: EpisodeLog,
        config: GenerateConfig,
        task: Task,
        scene: Scene,
        goal: Goal,
        rng: np.random.Generator,
    ) -> None:
        self._cell, self._task, self._goal = cell, task, goal
        self._limit_s = min(task.time_limit_s, config.max_s)
        self._disturbance = Disturbance(config.disturbance, rng)
        self._frame_every = 500.0 / config.camera_rate_hz
        self._log = log
        self._log.readings(cell.sense(SILENCE_STEPS))
        self._facts = {"family": goal.family, "goal": goal_text(goal), "seed": str(scene.seed)}
        self._frames = 0
        self._rate = np.zeros(7)

    def stand_still(self, text: str) -> Outcome:
        """Say something and record a few frames without acting."""
        self._log.instruct(text)
        for _ in range(STILL_FRAMES):
            self._advance()
        self._log.frame(self._cell.ground_truth())
        outcome = Outcome(None, "nothing was attempted")
        self._log.outcome("waiting", outcome.reason, self._facts)
        return outcome

    def act(self, text: str) -> Outcome:
        """Let the expert carry out the goal, to success, failure or the end of time."""
        cell, log = self._cell, self._log
        log.instruct(text)
        start = cell.ground_truth()
        began_s = cell.time_ns * 1e-9
        outcome, linger = Outcome(None, "out of time"), LINGER_MOVES
        state = start
        while linger and cell.time_ns * 1e-9 - began_s < self._limit_s:
            trajectory = self._decide(start, state, cell.time_ns * 1e-9 - began_s)
            if trajectory is not None:
                cell.command(trajectory)
            self._advance(trajectory)
            state = cell.ground_truth()
            if outcome.success is None:
                judged = self._task.success(self._goal, start, state)
                outcome = outcome if judged.success is None else judged
            linger -= outcome.success is not None
        log.frame(state)
        success = outcome.success is True
        log.outcome("success" if success else "failure", outcome.reason, self._facts)
        return Outcome(success, outcome.reason)

    def _advance(self, trajectory: Trajectory | None = None) -> None:
        """One move: the frames that fall into it, and the fast senses throughout."""
        cell, done = self._cell, 0
        while done < STEPS_PER_MOVE:
            if self._steps_to_frame() <= 0:
                self._log.frame(cell.ground_truth())
                self._frames += 1
            if done == 0 and trajectory is not None:
                self._log.command(trajectory)
            n = min(STEPS_PER_MOVE - done, max(self._steps_to_frame(), 1))
            self._log.readings(cell.sense(n))
            done += n

    def _steps_to_frame(self) -> int:
        due = SILENCE_STEPS + round(self._frames * self._frame_every)
        return due - self._cell.time_ns // 2_000_000

    def _decide(self, start: SceneState, state: SceneState, t_s: float) -> Trajectory | None:
        """The expert's next moves with this step's noise, or None when they are out of reach."""
        cell = self._cell
        q = cell.setpoint()
        tool = cell.kinematics.tool_pose(q[:6])
        chunk = rollout(view_of(self._goal, start, state, tool), self._goal, _CHUNK)
        noise, flip = self._disturbance(t_s, float(tool[2]))
        waypoints = _to_base(chunk, tool)
        waypoints[:, :4] += noise
        if flip:
            waypoints[:, 4] = 1.0 - waypoints[:, 4]
        space = cell.constants.workspace
        for axis, name in enumerate(("x", "y", "z")):
            waypoints[:, axis] = np.clip(waypoints[:, axis], *space[name])
        trajectory = _trajectory(cell, q, self._rate, waypoints)
        self._rate = np.zeros(7)
        if trajectory is not None and trajectory.velocities is not None:
            self._rate = trajectory.velocities[1]
        return trajectory


def _to_base(chunk: Array, tool: Array) -> Array:
    """Waypoints `(n, 5)` x, y, z, yaw, opening in base_link of a chunk in the tool's yaw frame."""
    c, s = np.cos(tool[3]), np.sin(tool[3])
    waypoints = chunk.copy()
    waypoints[:, :2] = chunk[:, :2] @ np.array([[c, s], [-s, c]])
    waypoints[:, :4] += tool
    return waypoints


def _trajectory(cell: Cell, q: Array, rate: Array, waypoints: Array) -> Trajectory | None:
    """From the setpoint `q`, which moves at `rate`, through waypoints 0.1 s apart."""
    stroke = cell.constants.gripper_stroke_m
    rows = [q]
    try:
        for waypoint in waypoints:
            arm = cell.kinematics.ik(rows[-1][:6], waypoint[:4])
            rows.append(np.append(arm, np.clip(waypoint[4], 0.0, 1.0) * stroke))
    except KinematicsError:
        return None
    times = np.array([i * _MOVE_S for i in range(len(rows))])
    positions = np.array(rows)
    velocities = finite_difference_velocities(times, positions)
    velocities[0] = rate
    velocities[:, 6] = 0.0
    return Trajectory(0, tuple(cell.joint_names), times, positions, velocities)
