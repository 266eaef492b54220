"""Hears what the arm hears and what the gate says, and when, to the middleware's own stamps.

Nothing spins its node: the middleware stamps a message when it is written and when it arrives, so
that what this process is busy with meanwhile does not count. Its own reception does count, as
that of an arm would. All times are on the monotonic clock of this host [ns].
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
from running_cell import schedule
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory

_KEPT = 4000
_PRIORITY = 5
_INFO = "camera/scene/camera_info"
_SENSES = ("wrench", "joint_states", _INFO)


@contextmanager
def going_first() -> Iterator[None]:
    """Schedule the threads of this process before others meanwhile, where that is allowed.

    It stands for the arm, whose own computer is not loaded. What it starts does not inherit it.
    """
    schedule(os.getpid(), os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, _PRIORITY)
    try:
        yield
    finally:
        schedule(os.getpid(), os.SCHED_OTHER, 0)


class Times(NamedTuple):
    """When a message was written and when it arrived."""

    sent_ns: int
    heard_ns: int


class Status(NamedTuple):
    """One `gate/status`."""

    times: Times
    state: str
    reason: str
    detail: str
    values: dict[str, str]

    def __str__(self) -> str:
        return self.state if self.reason == "ok" else f"{self.state} {self.reason}"


class Command(NamedTuple):
    """One trajectory that reached the arm."""

    times: Times
    trajectory: Trajectory

    @property
    def ends_at_rest(self) -> bool:
        """Whether its last waypoint has no speed."""
        velocities = self.trajectory.velocities
        return velocities is None or not velocities[-1].any()

    @property
    def travel_rad(self) -> float:
        """Largest way of a joint."""
        return float(np.ptp(self.trajectory.positions, axis=0).max())


class Sample(NamedTuple):
    """One message of a fast sense: when, its own stamp, and its largest force or joint speed."""

    times: Times
    stamp_ns: int
    size: float


class Observer:
    """`with Observer(domain) as seen: seen.take(); seen.statuses[-1]`."""

    def __init__(self, domain: int) -> None:
        """Join the graph of a domain."""
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from geometry_msgs.msg import WrenchStamped
        from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
        from sensor_msgs.msg import CameraInfo, JointState
        from trajectory_msgs.msg import JointTrajectory

        self._context = rclpy.Context()
        rclpy.init(context=self._context, domain_id=domain)
        self.node = rclpy.create_node("fault_observer", context=self._context)
        self.statuses: list[Status] = []
        self.commands: list[Command] = []
        self.steps: list[tuple[Times, dict[str, str]]] = []
        self.senses: dict[str, list[Sample]] = {topic: [] for topic in _SENSES}
        self._last_joints: Any = None
        self.broken = 0
        """Commands to the arm that hold NaN or infinity."""
        latched = QoSProfile(depth=50, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        sensor = QoSProfile(depth=2000, reliability=ReliabilityPolicy.BEST_EFFORT)
        taps: list[tuple[type, str, QoSProfile, Any]] = [
            (DiagnosticArray, "gate/status", latched, self._on_status),
            (JointTrajectory, "arm_controller/joint_trajectory", QoSProfile(depth=100),
             self._on_command),
            (DiagnosticArray, "policy/step", QoSProfile(depth=100), self._on_step),
            (WrenchStamped, "wrench", sensor, self._on_wrench),
            (JointState, "joint_states", sensor, self._on_joints),
            (CameraInfo, _INFO, sensor, self._on_info),
        ]  # fmt: skip
        self._taps = [
            (self.node.create_subscription(kind, topic, print, qos), kind, take)
            for kind, topic, qos, take in taps
        ]

    def take(self) -> None:
        """Take whatever has arrived."""
        shift_ns = time.monotonic_ns() - time.time_ns()
        for subscription, kind, unpack in self._taps:
            for message, info in _waiting(subscription.handle, kind):
                times = Times(info["source_timestamp"] + shift_ns,
                              info["received_timestamp"] + shift_ns)  # fmt: skip
                unpack(times, message, shift_ns)

    def forget(self) -> None:
        """Drop what was heard long ago."""
        for heard in (self.statuses, self.commands, self.steps, *self.senses.values()):
            del heard[:-_KEPT]

    def _on_status(self, times: Times, message: Any, _: int) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        self.statuses.append(
            Status(times, values["state"], values["reason"], message.status[0].message, values)
        )

    def _on_command(self, times: Times, message: Any, _: int) -> None:
        from sensorium_core.nodes.messages import trajectory_from_message

        trajectory = trajectory_from_message(message)
        self.broken += not np.isfinite(trajectory.positions).all()
        self.commands.append(Command(times, trajectory))

    def _on_step(self, times: Times, message: Any, _: int) -> None:
        values = {pair.key: pair.value for pair in message.status[0].values}
        self.steps.append((times, values))

    def _on_wrench(self, times: Times, message: Any, shift_ns: int) -> None:
        force = message.wrench.force
        size = max(abs(force.x), abs(force.y), abs(force.z))
        self.senses["wrench"].append(Sample(times, _stamp(message) + shift_ns, size))

    def _on_joints(self, times: Times, message: Any, shift_ns: int) -> None:
        if len(message.position) == len(JOINTS):
            self._last_joints = message
        size = max((abs(v) for v in message.velocity[:6]), default=0.0)
        self.senses["joint_states"].append(Sample(times, _stamp(message) + shift_ns, size))

    @property
    def joints(self) -> np.ndarray:
        """Positions measured last `(7,)`, in the order of `JOINTS`."""
        message = self._last_joints
        at = dict(zip(message.name, message.position, strict=True))
        return np.array([at[name] for name in JOINTS])

    def _on_info(self, times: Times, message: Any, shift_ns: int) -> None:
        self.senses[_INFO].append(Sample(times, _stamp(message) + shift_ns, 0.0))

    def since(self, heard: list[Any], from_ns: int) -> Iterator[Any]:
        """Those of a list that arrived at a time or later, oldest first."""
        first = len(heard)
        while first and _heard(heard[first - 1]) >= from_ns:
            first -= 1
        return iter(heard[first:])

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        import rclpy

        self.node.destroy_node()
        rclpy.shutdown(context=self._context)


def _waiting(handle: Any, kind: type) -> Iterator[tuple[Any, dict[str, int]]]:
    """All messages that wait; what is none is left out."""
    with handle:
        while True:
            try:
                taken = handle.take_message(kind, False)
            except RuntimeError:
                continue
            if taken is None:
                return
            yield taken


def _heard(item: Any) -> int:
    times: Times = item[0]
    return times.heard_ns


def _stamp(message: Any) -> int:
    return int(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec)
