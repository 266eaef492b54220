"""One demonstration of a touch task: both halves of an expert, disturbed, into a bag.

Commands are recorded as the arm got them, a hundred a second. Beside the topics of every episode
there is `sim/expert` (std_msgs/String): one `ExpertNote` as JSON at each decision.
"""

from __future__ import annotations

import numpy as np
from sensorium_core.errors import KinematicsError
from sensorium_core.goal import Goal
from sensorium_core.trajectory import Trajectory

from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.expert_note import take_note
from sensorium_sim.fast_correction import Admittance
from sensorium_sim.readings import Readings
from sensorium_sim.tasks import Outcome
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_disturbance import TouchDisturbance
from sensorium_sim.touch_driver import Move, TouchDriver
from sensorium_sim.touch_episode import make_expert
from sensorium_sim.touch_scene import TouchState
from sensorium_sim.touch_sight import sight_of
from sensorium_sim.touch_tasks import TIME_LIMITS_S, judge

SILENCE_STEPS = 170
"""Fast senses run this long before the first frame, so that their windows are full."""
LINGER_MOVES = 5
"""Moves after success, which show what "done" looks like."""
STILL_FRAMES = 2
_STOP_N, _STOP_MEAN_N = 150.0, 50.0
"""The gate stops the arm at these forces: of one reading, and of the mean over 20 ms."""
_MEAN_STEPS = 10


class TouchRun:
    """One episode while it happens. The cell is reset to the scene, the log made for it."""

    def __init__(
        self,
        cell: TouchCell,
        log: EpisodeLog,
        goal: Goal,
        disturbance: DisturbanceConfig,
        camera_rate_hz: float,
        rng: np.random.Generator,
    ) -> None:
        self._cell, self._log, self._goal = cell, log, goal
        self._limit_s = TIME_LIMITS_S[goal.family]
        self._disturb = TouchDisturbance(disturbance, goal.family, self._limit_s, rng)
        self._frame_every, self._frames = 500.0 / camera_rate_hz, 0
        self._readings = cell.sense(SILENCE_STEPS)
        log.readings(self._readings)
        self._expert = make_expert(goal, feels=True)
        self._driver = TouchDriver(cell, Admittance(), listener=self)
        seed = str(cell.ground_truth().scene.seed)
        self._facts = {"family": goal.family, "goal": goal.words, "seed": seed}

    def stand_still(self, text: str) -> Outcome:
        """Say something and record a few frames without acting."""
        self._log.instruct(text)
        for _ in range(STILL_FRAMES):
            self._decide(self._cell.ground_truth())
            self._frame_if_due()
            self.felt(self._cell.sense(50))
        self._decide(self._cell.ground_truth())
        self._frame_if_due()
        outcome = Outcome(None, "nothing was attempted")
        self._log.outcome("waiting", outcome.reason, self._facts)
        return outcome

    def act(self, text: str) -> Outcome:
        """Let the expert carry out the goal, to success, failure or the end of time."""
        cell, log = self._cell, self._log
        log.instruct(text)
        start = state = cell.ground_truth()
        began_s = cell.time_ns * 1e-9
        outcome, linger = Outcome(None, "out of time"), LINGER_MOVES
        while linger and cell.time_ns * 1e-9 - began_s < self._limit_s:
            move = self._decide(state)
            sight = sight_of(state, self._driver.pose, self._readings)
            move = self._disturb(cell.time_ns * 1e-9 - began_s, move, sight)
            try:
                self._readings = self._driver.move(move)
            except KinematicsError as error:
                outcome = Outcome(False, str(error))
                break
            state = cell.ground_truth()
            if outcome.success is None:
                outcome = self._judged(start, state, outcome)
            linger -= outcome.success is not None
        self._decide(state)
        self._frame_if_due()
        success = outcome.success is True
        log.outcome("success" if success else "failure", outcome.reason, self._facts)
        return Outcome(success, outcome.reason)

    def _judged(self, start: TouchState, now: TouchState, before: Outcome) -> Outcome:
        force = np.linalg.norm(self._readings.wrench[:, :3], axis=1)
        mean = np.convolve(force, np.full(_MEAN_STEPS, 1.0 / _MEAN_STEPS), mode="valid")
        if force.max() > _STOP_N or mean.max() > _STOP_MEAN_N:
            return Outcome(False, f"the gate would stop the arm at {force.max():.0f} N")
        judged = judge(self._goal, start, now)
        return before if judged.success is None else judged

    def _decide(self, state: TouchState) -> Move:
        sight = sight_of(state, self._driver.pose, self._readings)
        note = take_note(self._goal.family, self._expert, sight)
        self._log.expert(note.to_json())
        return note.move

    def commanded(self, trajectory: Trajectory) -> None:
        """A trajectory goes to the arm now."""
        self._frame_if_due()
        self._log.command(trajectory)

    def felt(self, readings: Readings) -> None:
        """What the fast senses said since."""
        self._log.readings(readings)

    def _frame_if_due(self) -> None:
        due = SILENCE_STEPS + round(self._frames * self._frame_every)
        if self._cell.time_ns // 2_000_000 >= due:
            self._log.frame(self._cell.ground_truth())
            self._frames += 1
