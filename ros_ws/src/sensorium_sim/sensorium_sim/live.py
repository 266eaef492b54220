"""The cell in real time: which sensor reads when, and what its faults make of it. ROS-free.

One thread. The scene camera is read at multiples of the frame period, the wrist camera half a
period later: neither waits for the other's picture to be drawn.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from sensorium_core.errors import TrajectoryError
from sensorium_core.trajectory import Trajectory

from sensorium_sim.cell import STEP_NS, Cell
from sensorium_sim.fault_injector import FaultInjector
from sensorium_sim.faults import Reading
from sensorium_sim.pacing import Pacer
from sensorium_sim.scene import Scene

Emit = Callable[[Reading], None]

TOUCH_EVERY_STEPS = 5
"""Pads at 100 Hz."""
_PHASES = {"scene": 0.0, "wrist": 0.5}
_PROMPT = "scene"
"""The camera whose frames are not to be late: the policy steps on them."""
_AHEAD_NS = 30_000_000
"""Commands are stamped up to so far ahead: the gate's take over at its next knot but one."""
_MOST_STEPS = 25


class LiveCell:
    """Steps a `Cell` at the pace of the wall clock and hands every reading to `emit`.

    Args:
        cell: owned by this object from now on.
        cameras: those that take pictures.
        camera_rate_hz: frames per second of each camera.
        depth: cameras whose depth is published.
        emit: takes every reading.
        patience_s: longest nap; the interval between calls of `advance`.
    """

    def __init__(
        self,
        cell: Cell,
        cameras: tuple[str, ...],
        camera_rate_hz: float,
        depth: frozenset[str],
        emit: Emit,
        patience_s: float = 0.0,
    ) -> None:
        self.cell = cell
        self.faults = FaultInjector()
        self.pacer = Pacer(STEP_NS)
        self.rejected = 0
        """Trajectories that could not be followed."""
        self._emit, self._depth = emit, depth
        self._patience_ns, self._sleep = round(patience_s * 1e9), time.sleep
        self._rate_hz = camera_rate_hz
        self._next_frame = dict.fromkeys(cameras, 0)
        self._reset_stamp_ns = 0

    def reset(self, scene: Scene) -> None:
        """Start an episode; what was commanded before it no longer counts."""
        self.cell.reset(scene)
        self.faults.forget()
        self.pacer.restart()
        self._reset_stamp_ns = self.pacer.stamp_ns()
        for name in self._next_frame:
            self._skip_missed_frames(name)

    def _skip_missed_frames(self, camera: str) -> None:
        while self._frame_step(camera) <= self.pacer.steps:
            self._next_frame[camera] += 1

    def _frame_step(self, camera: str) -> int:
        """The step at which a camera's next frame is taken."""
        time_s = (self._next_frame[camera] + _PHASES.get(camera, 0.0)) / self._rate_hz
        return math.ceil(time_s * 1e9 / STEP_NS - 1e-6)

    @property
    def stamp_ns(self) -> int:
        """Wall time of the present instant of the simulation."""
        return self.pacer.stamp_ns()

    def command(self, trajectory: Trajectory) -> str | None:
        """Follow a trajectory stamped in wall time; returns why not, when it cannot be.

        One of the time around a reset was sent before it: it would drag the arm back to where it
        was.
        """
        if 0 < trajectory.stamp_ns < self._reset_stamp_ns + _AHEAD_NS:
            return "it was commanded before the reset"
        shift = self.stamp_ns - self.cell.time_ns
        stamp_ns = max(trajectory.stamp_ns - shift, 1) if trajectory.stamp_ns else 0
        moved = Trajectory(
            stamp_ns,
            trajectory.joint_names,
            trajectory.times_s,
            trajectory.positions,
            trajectory.velocities,
        )
        try:
            if self.cell.command(moved):
                return None
        except TrajectoryError as error:
            self.rejected += 1
            return str(error)
        self.rejected += 1
        return "every waypoint is past"

    def advance(self) -> None:
        """Take the steps that are due, reading sensors on the way.

        Naps when the next scene frame is due before the next call, so that it is not late.
        """
        self._catch_up()
        nap_ns = (
            self.pacer.wait_ns(self._frame_step(_PROMPT)) if _PROMPT in self._next_frame else 0
        )
        if 0 < nap_ns < self._patience_ns:
            self._sleep(nap_ns * 1e-9)
            self._catch_up()
        for reading in self.faults.pop_late(self.stamp_ns):
            self._emit(reading)

    def _catch_up(self) -> None:
        left = self.pacer.due(_MOST_STEPS)
        while left > 0:
            frame = min((self._frame_step(c) for c in self._next_frame), default=math.inf)
            n = max(1, int(min(left, frame - self.pacer.steps)))
            self._sense(n)
            left -= n
            for camera in self._next_frame:
                if self._frame_step(camera) <= self.pacer.steps:
                    self._shoot(camera)

    def _sense(self, n: int) -> None:
        first = self.pacer.steps + 1
        readings = self.cell.sense(n)
        self.pacer.take(n)
        for i in range(n):
            stamp_ns = self.pacer.stamp_ns(i + 1 - n)
            self._pass(Reading("joint_states", stamp_ns, readings.joints[i]))
            self._pass(Reading("wrench", stamp_ns, readings.wrench[i]))
            if (first + i) % TOUCH_EVERY_STEPS == 0:
                self._pass(Reading("touch_left", stamp_ns, readings.touch[i, 0]))
                self._pass(Reading("touch_right", stamp_ns, readings.touch[i, 1]))

    def _shoot(self, camera: str) -> None:
        self._next_frame[camera] += 1
        self._skip_missed_frames(camera)
        colour, depth = f"{camera}_rgb", f"{camera}_depth"
        wants_depth = camera in self._depth and not self.faults.silent(depth)
        if not wants_depth and self.faults.silent(colour):
            return
        if not wants_depth:
            self._pass(Reading(colour, self.stamp_ns, self.cell.render_colour(camera)))
            return
        rgb, depth_mm = self.cell.render(camera)
        self._pass(Reading(colour, self.stamp_ns, rgb))
        self._pass(Reading(depth, self.stamp_ns, depth_mm))

    def _pass(self, reading: Reading) -> None:
        for outcome in self.faults.apply(reading):
            self._emit(outcome)
