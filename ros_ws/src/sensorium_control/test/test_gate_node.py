"""The gate as a process over real DDS: arms, passes, refuses, stops; the arm obeys nobody else."""

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import JointState
from sensorium_control.limits import GateConfig
from sensorium_control.nodes.gate_node import GateNode
from sensorium_control.reasons import GateState, Reason
from sensorium_core.kinematics import ARM_JOINTS, JOINTS
from sensorium_core.nodes.messages import ns_to_stamp, trajectory_to_message
from sensorium_core.nodes.parameters import field_documentation
from sensorium_core.nodes.priority import GATE_PRIORITY
from sensorium_core.trajectory import Trajectory
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from .conftest import home_joints

DOMAIN = 40 + os.getpid() % 60
HOME = home_joints()
SETTINGS = ["--ros-args", "-p", "min_rate_share:=0.0", "-p", "tracking_rad:=10.0"]
"""A motionless arm in one busy thread is neither punctual nor obedient."""


@dataclass
class World:
    """A motionless arm, a proposer and a witness, in this process."""

    context: Context
    gate: subprocess.Popen
    arm: list[JointTrajectory] = field(default_factory=list)
    gripper: list[JointTrajectory] = field(default_factory=list)
    status: dict[str, str] = field(default_factory=dict)
    level: bytes = b""
    beating: bool = True
    force_n: float = 0.0
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.node = Node("world", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        make = self.node.create_publisher
        self.joints = make(JointState, "joint_states", 10)
        self.wrench = make(WrenchStamped, "wrench", 10)
        self.proposals = make(JointTrajectory, "command/joint_trajectory", 10)
        listen = self.node.create_subscription
        listen(JointTrajectory, "arm_controller/joint_trajectory", self.arm.append, 10)
        listen(JointTrajectory, "gripper_controller/joint_trajectory", self.gripper.append, 10)
        listen(DiagnosticArray, "gate/status", self._on_status, 10)
        self.node.create_timer(0.01, self._beat)

    def now_ns(self) -> int:
        return self.node.get_clock().now().nanoseconds

    def _on_status(self, message: DiagnosticArray) -> None:
        self.status = {v.key: v.value for v in message.status[0].values}
        self.level = message.status[0].level

    def _beat(self) -> None:
        if not self.beating:
            return
        stamp = ns_to_stamp(self.now_ns())
        order = [6, 3, 0, 1, 2, 4, 5]
        state = JointState(name=[JOINTS[i] for i in order], position=HOME[order].tolist())
        state.velocity = self.noise.normal(0.0, 1e-3, 7).tolist()
        wrench = WrenchStamped()
        state.header.stamp = wrench.header.stamp = stamp
        wrench.wrench.force.z = self.force_n + float(self.noise.normal(0.0, 0.1))
        self.joints.publish(state)
        self.wrench.publish(wrench)

    def until(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"timed out; status {self.status}"
            assert self.gate.poll() is None, "the gate has died"
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, kind: type, name: str, request: object) -> object:
        client = self.node.create_client(kind, name)
        self.until(client.service_is_ready)
        future = client.call_async(request)
        self.until(future.done)
        self.node.destroy_client(client)
        return future.result()

    def rearm(self) -> None:
        self.force_n, self.beating = 0.0, True
        self.until(lambda: self.call(SetBool, "gate/arm", SetBool.Request(data=True)).success)
        self.until(lambda: self.status.get("state") == "armed")
        for _ in range(20):
            self.executor.spin_once(timeout_sec=0.05)  # it may rest the arm where it is
        self.arm.clear()
        self.gripper.clear()

    def propose(self, turn_rad: float = 0.05) -> None:
        positions = np.repeat(HOME[None], 9, axis=0)
        positions[:, 0] += np.linspace(0, turn_rad, 9)
        chunk = Trajectory(self.now_ns(), JOINTS, np.arange(9) * 0.1, positions)
        self.proposals.publish(trajectory_to_message(chunk))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    env = {
        **os.environ,
        "ROS_DOMAIN_ID": str(DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    command = [sys.executable, "-m", "sensorium_control.nodes.gate_node", *SETTINGS]
    gate = subprocess.Popen(command, env=env)
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    world = World(context, gate)
    try:
        yield world
    finally:
        world.executor.shutdown()
        world.node.destroy_node()
        context.try_shutdown()
        gate.kill()
        gate.wait()


def test_it_starts_disarmed_and_refuses(world):
    world.until(lambda: "state" in world.status, timeout_s=20.0)
    assert world.status["state"] == "disarmed"
    world.until(lambda: world.proposals.get_subscription_count() == 1)
    world.until(lambda: float(world.status["age_s/joints"]) < 0.1)
    world.propose()
    world.until(lambda: world.status["refused"] == "1")
    assert world.status["last_refusal"] == "not_armed"
    assert not world.arm


def test_armed_it_splits_a_command_into_arm_and_gripper(world):
    world.rearm()
    world.propose()
    world.until(lambda: bool(world.arm and world.gripper))
    assert tuple(world.arm[0].joint_names) == ARM_JOINTS
    assert list(world.gripper[0].joint_names) == ["gripper_joint"]
    assert len(world.arm[0].points) == len(world.gripper[0].points) > 9
    assert world.arm[0].header.stamp == world.gripper[0].header.stamp
    assert world.level == b"\x00"


def test_the_gate_alone_publishes_to_the_arm(world):
    for group in ("arm", "gripper"):
        topic = f"{group}_controller/joint_trajectory"
        infos = world.node.get_publishers_info_by_topic(topic)
        assert [i.node_name for i in infos] == ["gate"]


def test_every_thread_goes_before_ordinary_processes(world):
    """The executor starts the thread of its timers late, and the gate's watches hang on it.

    Except those of Fast DDS that wait for a lock without sleeping.
    """
    allowed = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_RTPRIO)[0] >= GATE_PRIORITY
    threads = list(Path(f"/proc/{world.gate.pid}/task").iterdir())
    spinning = [t for t in threads if (t / "comm").read_text().startswith("dds.asyn")]
    assert spinning
    for thread in threads:
        before = allowed and thread not in spinning
        expected = os.SCHED_FIFO if before else os.SCHED_OTHER
        assert os.sched_getscheduler(int(thread.name)) == expected


def test_nan_and_ragged_messages_are_refused_with_their_reason(world):
    world.rearm()
    refused = int(world.status["refused"])
    world.propose(turn_rad=float("nan"))
    world.until(lambda: int(world.status["refused"]) == refused + 1)
    assert world.status["last_refusal"] == "not_finite"
    ragged = JointTrajectory(joint_names=list(JOINTS))
    ragged.points = trajectory_to_message(
        Trajectory(0, JOINTS[:3], np.zeros(1), np.zeros((1, 3)))
    ).points
    world.proposals.publish(ragged)
    world.until(lambda: world.status["last_refusal"] == "malformed")
    assert not world.arm


def test_a_blow_stops_the_arm_where_it_is(world):
    world.rearm()
    world.force_n = 200.0
    world.until(lambda: world.status["reason"] == "force_spike")

    def rests_at_home() -> bool:
        return bool(world.arm) and np.allclose(world.arm[-1].points[-1].positions, HOME[:6])

    world.until(rests_at_home)
    assert world.level == b"\x02"


def test_silent_joints_stop_the_arm(world):
    world.rearm()
    world.beating = False
    world.until(lambda: world.status["state"] == "stopped")
    assert world.status["reason"] in ("joints_silent", "sense_silent")


def test_the_stop_service_latches(world):
    world.rearm()
    assert world.call(Trigger, "gate/stop", Trigger.Request()).success
    world.until(lambda: world.status["reason"] == "operator_stop")
    refused = int(world.status["refused"])
    world.propose()
    world.until(lambda: int(world.status["refused"]) == refused + 1)
    assert world.status["last_refusal"] == "stopped"


def test_sigterm_ends_it_cleanly(world):
    world.gate.send_signal(signal.SIGTERM)
    assert world.gate.wait(timeout=5) == 0


def test_an_exception_in_any_callback_stops_the_gate_and_it_lives_on():
    rclpy.init(domain_id=DOMAIN)
    try:
        node = GateNode()
        node.start_up()
        node.guard(lambda: 1 / 0)()
        response = node.guard_service(lambda *_: 1 / 0)(None, SetBool.Response())
        assert not response.success
        assert node._gate.state is GateState.STOPPED
        assert node._gate.cause.reason is Reason.INTERNAL_ERROR
        assert "division by zero" in node._gate.cause.detail
        node.destroy_node()
    finally:
        rclpy.try_shutdown()


def test_every_setting_is_a_documented_parameter():
    documentation = field_documentation(GateConfig)
    assert set(documentation) == {f.name for f in fields(GateConfig)}
