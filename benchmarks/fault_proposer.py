"""A proposer of gentle motion that is not the policy, with its heartbeat; and a clock to spoil.

Each has a thread of its own.
"""

from __future__ import annotations

import threading
import time
from typing import Any

import numpy as np
from fault_world import World
from sensorium_core.kinematics import GRIPPER_OPEN_M, JOINTS
from sensorium_core.trajectory import Trajectory

_PERIOD_S, _STEP_S, _POINTS = 0.2, 0.05, 17
_SWING_RAD, _RATE_RAD_S = 0.15, 1.2
_BEAT_S = 0.015
_CLOCK_S = 0.005


class Proposer:
    """Swings the first joint to and fro. `with Proposer(world) as proposer: ...`"""

    def __init__(self, world: World) -> None:
        """Join the graph as a node of its own."""
        import rclpy
        from std_msgs.msg import Header
        from trajectory_msgs.msg import JointTrajectory

        self._world = world
        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=world.stack.domain)
        self.node = rclpy.create_node("fault_proposer", context=self._context)
        self.publisher = self.node.create_publisher(JointTrajectory, "command/joint_trajectory", 5)
        self._beats = self.node.create_publisher(Header, "command/heartbeat", 1)
        self._lock, self._over = threading.Lock(), threading.Event()
        self._home: np.ndarray | None = None
        self._begun_s = 0.0
        self._threads = [
            threading.Thread(target=self._every, args=(period_s, action), daemon=True)
            for period_s, action in ((_PERIOD_S, self._propose), (_BEAT_S, self._beat))
        ]

    def begin(self) -> None:
        """Swing from where the arm is now."""
        with self._lock:
            self._home = self._world.joints()
            self._home[-1] = min(max(self._home[-1], 0.0), GRIPPER_OPEN_M)
            self._begun_s = time.time()

    def trajectory(self, stamp_ns: int | None = None) -> Trajectory:
        """The next second of the swing, all joints."""
        now_ns = time.time_ns() if stamp_ns is None else stamp_ns
        with self._lock:
            home, begun_s = self._home, self._begun_s
        assert home is not None
        times = _STEP_S * np.arange(_POINTS)
        phase = _RATE_RAD_S * (now_ns * 1e-9 - begun_s + times)
        positions = np.repeat(home[None], _POINTS, axis=0)
        velocities = np.zeros_like(positions)
        positions[:, 0] += _SWING_RAD * (1.0 - np.cos(phase))
        velocities[:, 0] = _SWING_RAD * _RATE_RAD_S * np.sin(phase)
        velocities[-1] = 0.0
        return Trajectory(now_ns, JOINTS, times, positions, velocities)

    def _every(self, period_s: float, action: Any) -> None:
        while not self._over.wait(period_s):
            action()

    def _propose(self) -> None:
        from sensorium_core.nodes.messages import trajectory_to_message

        if self._home is None:
            return
        recent = self._world.seen.statuses[-1].state
        if recent != "armed":
            self.begin()
        self.publisher.publish(trajectory_to_message(self.trajectory()))

    def _beat(self) -> None:
        from std_msgs.msg import Header

        stamp = self.node.get_clock().now().to_msg()
        self._beats.publish(Header(stamp=stamp, frame_id="fault_proposer"))

    def __enter__(self) -> Proposer:
        self.begin()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        import rclpy

        self._over.set()
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


class SimulatedClock:
    """Publishes the wall's time, shifted, on /clock. `with SimulatedClock(world) as clock: ...`"""

    def __init__(self, world: World) -> None:
        """Join the graph; `shift_s` is added to the time."""
        from rosgraph_msgs.msg import Clock

        self.shift_s, self.stands = 0.0, False
        self._message = Clock
        self._publisher = world.seen.node.create_publisher(Clock, "/clock", 1)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        message = self._message()
        while not self._over.wait(_CLOCK_S):
            if not self.stands:
                now_ns = time.time_ns() + round(self.shift_s * 1e9)
                message.clock.sec, message.clock.nanosec = divmod(now_ns, 1_000_000_000)
            self._publisher.publish(message)

    def __enter__(self) -> SimulatedClock:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
