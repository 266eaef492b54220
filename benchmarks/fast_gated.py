"""Scripted experts through the whole gate: moves at 10 Hz, displaced plans at 50 Hz.

What the fusion node would do with a slow and a fast half, on the simulator's clock: the expert is
the slow half, its moves become chunks and plans as the runner makes them, `FastLoop` displaces
them, the gate judges all of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import tabletop
from sensorium_core.goal import Goal
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.fast_loop import FastLoop
from sensorium_fusion.plan import joint_trajectory, tool_waypoints
from sensorium_sim.fast_correction import TICK_STEPS, FastCorrection
from sensorium_sim.readings import Readings
from sensorium_sim.tasks import UNDECIDED
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import MOVE_S, Move, join
from sensorium_sim.touch_episode import Attempt, make_expert
from sensorium_sim.touch_scene import TouchScene
from sensorium_sim.touch_sight import sight_of
from sensorium_sim.touch_tasks import TIME_LIMITS_S, judge
from sensorium_training.guard import Guard

Array = NDArray[np.float64]
_BEYOND = 1.3
"""How far a chunk goes, in moves: at the end of a move the tool is not at rest."""
_SETTLE_TICKS = 40


class GatedDriver:
    """One episode: keeps the clock of both halves and what the gate let pass."""

    def __init__(self, cell: TouchCell, fast: FastCorrection | None) -> None:
        self._cell, self._action = cell, tabletop().action
        self.guard = Guard.of(tabletop())
        self._fast = None if fast is None else FastLoop(fast, self._action, cell.kinematics)
        self._start = np.zeros(4)
        self.proposals, self.judging_s = 0, 0.0
        for _ in range(_SETTLE_TICKS):
            self._tick()
        self.guard.arm(cell.time_ns)
        self._take(self.guard.gate.pop_reaction())

    @classmethod
    def attempt(
        cls,
        cell: TouchCell,
        scene: TouchScene,
        goal: Goal,
        fast: FastCorrection | None,
        stop: Callable[[Readings], bool],
    ) -> tuple[Attempt, GatedDriver]:
        """Runs one episode to its end, as `attempt_touch` does without a gate."""
        cell.reset(scene)
        driver, expert, start = cls(cell, fast), make_expert(goal, True), cell.ground_truth()
        readings: Readings | None = None
        now, outcome = start, UNDECIDED
        while cell.time_ns < 1e9 * TIME_LIMITS_S[goal.family] and outcome.success is None:
            readings = driver.move(expert.decide(sight_of(now, driver.pose, readings)))
            now = cell.ground_truth()
            outcome = judge(goal, start, now)
            if stop(readings):
                break
        return Attempt(outcome, now, float(np.round(cell.time_ns * 1e-9, 3))), driver

    @property
    def pose(self) -> Array:
        """Commanded tool now, x y z yaw `(4,)`."""
        return self._cell.kinematics.tool_pose(self._setpoint(0)[:6])

    def move(self, move: Move) -> Readings:
        """Proposes a move and runs 0.1 s."""
        plan = self._plan(move)
        self._propose(plan)
        if self._fast is not None:
            self._fast.planned(plan, move.intent)
        return join([self._tick() for _ in range(round(MOVE_S / 0.01))])

    def _tick(self) -> Readings:
        """10 ms: the arm moves, gate and fast half hear of it."""
        readings = self._cell.sense(TICK_STEPS)
        self._take(self.guard.hear(readings))
        if self._fast is not None:
            for stamp, wrench in zip(readings.stamps_ns.tolist(), readings.wrench, strict=True):
                self._fast.push(stamp, wrench)
            proposal = self._fast.tick(self._cell.time_ns)
            if proposal is not None:
                self._propose(proposal)
        return readings

    def _plan(self, move: Move) -> Trajectory:
        """The trajectory that the runner makes of a chunk that is this move, and a little more."""
        arm, action = self._cell.kinematics, self._action
        now = self._setpoint(0)
        velocity = (self._setpoint(10_000_000) - now) * 100.0
        tool = arm.tool_pose(now[:6])
        ahead = arm.tool_pose(now[:6] + velocity[:6] * action.step_s)
        c, s = np.cos(tool[3]), np.sin(tool[3])
        x, y, z = move.dxyz
        step = np.array([c * x + s * y, c * y - s * x, z, move.dyaw])
        grip = np.full((action.horizon, 1), move.grip)
        far = np.array([1.0, *[_BEYOND] * (action.horizon - 1)])
        chunk = np.hstack([far[:, None] * step, grip]).astype(np.float32)
        reference = np.append(tool, now[6] / self._cell.constants.gripper_stroke_m)
        waypoints = tool_waypoints(chunk, reference, ahead - tool, action)
        return joint_trajectory(waypoints, now, velocity, self._cell.time_ns, action, arm)

    def _setpoint(self, after_ns: int) -> Array:
        setpoint = self.guard.gate.setpoint(self._cell.time_ns + after_ns)
        return self._cell.setpoint() if setpoint is None else setpoint

    def _propose(self, trajectory: Trajectory) -> None:
        began = time.thread_time()
        motions = self.guard.propose(trajectory, self._cell.time_ns)
        self.judging_s += time.thread_time() - began
        self.proposals += 1
        for motion in motions:
            self._take(motion)

    def _take(self, motion: Trajectory | None) -> None:
        if motion is not None:
            self._cell.command(motion)
