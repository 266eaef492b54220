"""The fusion node with a fast half, over real DDS: one proposer, who corrects from force."""

import os
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.errors import PolicyFileError
from sensorium_core.hashes import file_sha256
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.policy_description import PolicyDescription
from sensorium_description import load_constants, load_urdf

rclpy = pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from geometry_msgs.msg import WrenchStamped  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from sensorium_core.nodes.messages import (  # noqa: E402
    ns_to_stamp,
    stamp_to_ns,
    trajectory_from_message,
)
from sensorium_fusion.nodes.fusion_node import FusionNode  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

DOMAIN = 40 + os.getpid() % 60
SAY = "pick up the red cube"
LANGUAGE, FAST = "models/language/encoder.onnx", "models/fast"
SHORT_S = 0.25
"""A correction lasts 0.2 s, a plan of the policy 0.8 s."""
pytestmark = pytest.mark.timeout(120)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class World:
    """Every sense of the contract, a gate that lets everything pass, and a witness."""

    def __init__(self) -> None:
        self.force_n: float | None = 0.0
        self.steps: list[dict[str, str]] = []
        self.proposals: list[JointTrajectory] = []
        self.about: PolicyDescription | None = None
        self.arm, self.rng = Kinematics(load_urdf()), np.random.default_rng(1)
        cell = load_constants()
        home = self.arm.ik(np.array(cell.home_seed_q), np.array(cell.home_tool_pose))
        self.home = [*home.tolist(), cell.gripper_stroke_m]
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = Node("world", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        make, listen = self.node.create_publisher, self.node.create_subscription
        self.joints = make(JointState, "joint_states", 10)
        self.wrench = make(WrenchStamped, "wrench", 50)
        self.pads = [make(WrenchStamped, f"touch/{side}", 10) for side in ("left", "right")]
        self.colour = make(Image, "camera/scene/image_raw", 5)
        self.depth = make(Image, "camera/scene/depth/image_rect_raw", 5)
        self.info = make(CameraInfo, "camera/scene/camera_info", 5)
        self.said = make(String, "instruction", LATCHED)
        self.passed = make(JointTrajectory, "arm_controller/joint_trajectory", 10)
        listen(DiagnosticArray, "policy/step", self._on_step, 50)
        listen(JointTrajectory, "command/joint_trajectory", self._on_proposal, 50)
        listen(String, "policy/description", self._on_description, LATCHED)
        self.node.create_timer(0.01, self._tick)
        self.node.create_timer(0.05, self._picture)

    def _tick(self) -> None:
        now_ns = time.time_ns()
        state = JointState(name=list(JOINTS), position=self.home, velocity=[0.0] * 7)
        state.header.stamp = ns_to_stamp(now_ns)
        self.joints.publish(state)
        for pad in self.pads:
            pad.publish(self._force(now_ns, 0.0))
        if self.force_n is not None:
            for back in range(4, -1, -1):
                self.wrench.publish(self._force(now_ns - 2_000_000 * back, -self.force_n))

    def _force(self, stamp_ns: int, z: float) -> WrenchStamped:
        message = WrenchStamped()
        message.header.stamp = ns_to_stamp(stamp_ns)
        x, y, noise = (0.05 * self.rng.normal(size=3)).tolist()
        force = message.wrench.force
        force.x, force.y, force.z = x, y, z + noise
        return message

    def _picture(self) -> None:
        stamp = ns_to_stamp(time.time_ns())
        k = [100.0, 0, 63.5, 0, 100.0, 47.5, 0, 0, 1.0]
        self.info.publish(CameraInfo(height=96, width=128, k=k))
        noise = self.rng.integers(90, 110, (96, 128, 3), dtype=np.uint8)
        self._image(self.colour, stamp, noise, "rgb8")
        self._image(self.depth, stamp, noise[..., 0].astype(np.uint16) + 700, "16UC1")

    def _image(self, publisher, stamp, picture: np.ndarray, encoding: str) -> None:
        message = Image(
            height=96, width=128, encoding=encoding, data=array("B", picture.tobytes())
        )
        message.step = picture[0].nbytes
        message.header.stamp = stamp
        publisher.publish(message)

    def _on_step(self, message: DiagnosticArray) -> None:
        self.steps.append({v.key: v.value for v in message.status[0].values})

    def _on_proposal(self, message: JointTrajectory) -> None:
        self.proposals.append(message)
        self.passed.publish(message)

    def _on_description(self, message: String) -> None:
        self.about = PolicyDescription.from_json(message.data)

    def until(self, condition: Callable[[], bool], limit_s: float = 20.0) -> None:
        end_s = time.monotonic() + limit_s
        while not condition():
            told = self.steps[-1] if self.steps else {}
            assert time.monotonic() < end_s, (
                f"timed out: {told.get('state')}: {told.get('reason')}"
            )
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end_s)

    def act(self) -> None:
        """Say what to do and wait until the arm does it."""
        self.until(lambda: self.said.get_subscription_count() > 0 and bool(self.steps))
        self.spin(0.5)
        self.said.publish(String(data=SAY))
        self.until(lambda: self.steps[-1]["state"] == "acting" and bool(self.proposals))

    def corrections(self) -> list[JointTrajectory]:
        return [message for message in self.proposals if lasts_s(message) < SHORT_S]

    def height_m(self, message: JointTrajectory) -> float:
        """Of the tool at the end."""
        joints = trajectory_from_message(message).select(JOINTS).positions[-1]
        return float(self.arm.tool_pose(joints[:6])[2])

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


def lasts_s(message: JointTrajectory) -> float:
    end = message.points[-1].time_from_start
    return end.sec + 1e-9 * end.nanosec


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def fusion(pressing_policy, running_fusion) -> Iterator[FusionNode]:
    running = running_fusion(DOMAIN, pressing_policy, f"fast_policy:={FAST}")
    yield running.node
    running.close()


def test_in_contact_one_proposer_corrects_and_stamps_increase(fusion, world) -> None:
    world.act()
    world.force_n, begun = 3.0, len(world.proposals)
    world.until(lambda: len(world.corrections()) >= 40)
    stamps = [stamp_to_ns(message.header.stamp) for message in world.proposals[begun:]]
    assert (np.diff(stamps) > 0).all()
    assert world.node.count_publishers("command/joint_trajectory") == 1
    first, *_, last = world.corrections()
    assert world.height_m(first) - world.height_m(last) > 5e-4, "less is felt than wished: down"
    world.until(lambda: int(world.steps[-1].get("fast/proposals", "0")) >= 5)
    told = world.steps[-1]
    assert told["state"] == "acting"
    assert told["fast/awake"] == "true"
    assert told["fast/sha256"] == file_sha256(Path(FAST) / "correction.onnx")
    assert world.about is not None
    assert world.about.fast_sha256 == told["fast/sha256"]


def test_without_contact_only_plans_are_proposed(fusion, world) -> None:
    world.act()
    world.spin(1.5)
    assert world.corrections() == []
    told = world.steps[-1]
    assert (told["fast/corrections"], told["fast/proposals"]) == ("0", "0")
    assert int(told["fast/ticks"]) > 0


def test_a_silent_wrench_corrects_nothing_and_the_node_goes_on(fusion, world) -> None:
    world.act()
    world.force_n = 3.0
    world.until(lambda: len(world.corrections()) >= 10)
    world.force_n = None
    world.until(lambda: world.steps[-1]["valid/wrench"] == "false")
    count = len(world.steps)
    world.until(lambda: len(world.steps) >= count + 2)
    assert world.steps[-1]["state"] == "acting"
    assert world.steps[-1]["fast/corrections"] == "0"
    count = len(world.corrections())
    world.force_n = 3.0
    world.until(lambda: len(world.corrections()) >= count + 10)


def test_told_to_stop_the_arm_stops_and_nothing_more_is_corrected(fusion, world) -> None:
    world.act()
    world.force_n = 3.0
    world.until(lambda: len(world.corrections()) >= 10)
    world.said.publish(String(data=""))
    world.until(lambda: world.steps[-1]["state"] == "idle")
    world.spin(0.2)
    count = len(world.proposals)
    world.spin(0.5)
    assert len(world.proposals) == count


def test_a_policy_without_intent_runs_as_without_the_file(policy, running_fusion, world) -> None:
    running = running_fusion(DOMAIN, policy, f"fast_policy:={FAST}")
    try:
        world.force_n = 3.0
        world.act()
        world.spin(1.0)
        assert all(lasts_s(message) > SHORT_S for message in world.proposals)
        assert not any(key.startswith("fast/") for key in world.steps[-1])
        assert world.about is not None
        assert world.about.fast_sha256 == ""
    finally:
        running.close()


def test_a_file_that_is_not_the_pinned_one_is_refused(pressing_policy) -> None:
    words = [f"policy:={pressing_policy}", f"language:={LANGUAGE}", f"fast_policy:={FAST}"]
    words.append(f"fast_policy_sha256:={'f' * 64}")
    given = [word for parameter in words for word in ("-p", parameter)]
    rclpy.init(args=["--ros-args", *given], domain_id=DOMAIN)
    node = FusionNode()
    try:
        with pytest.raises(PolicyFileError, match="pinned is"):
            node.start_up()
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
