"""The fusion node over real DDS: on bad senses, clocks and callbacks it holds, tells, goes on."""

import os
import threading
import time
from array import array
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from sensorium_core.contract import tabletop
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_description import load_constants, load_urdf

rclpy = pytest.importorskip("rclpy")

from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from rclpy.context import Context  # noqa: E402
from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, JointState  # noqa: E402
from sensorium_core.nodes.messages import ns_to_stamp, stamp_to_ns  # noqa: E402
from sensorium_fusion.nodes.fusion_node import FusionNode  # noqa: E402
from std_msgs.msg import Header, String  # noqa: E402
from std_srvs.srv import Trigger  # noqa: E402
from trajectory_msgs.msg import JointTrajectory  # noqa: E402

DOMAIN = 40 + os.getpid() % 60
SAY = "pick up the red cube"
CALLBACKS = [name for name in vars(FusionNode) if name.startswith("_on_")]
pytestmark = pytest.mark.timeout(120)


def home_joints() -> list[float]:
    cell = load_constants()
    arm = Kinematics(load_urdf())
    q = arm.ik(np.array(cell.home_seed_q), np.array(cell.home_tool_pose))
    return [*q.tolist(), cell.gripper_stroke_m]


class World:
    """Joints, one camera, a gate that lets everything pass, and a witness, in this thread."""

    def __init__(self, simulated: bool = False) -> None:
        self.simulated, self.simulated_ns = simulated, 1_000_000_000_000
        self.silent: set[str] = set()
        self.offset_s = 0.0
        self.steps: list[dict[str, str]] = []
        self.proposals: list[tuple[JointTrajectory, float]] = []
        self.beats, self.beat = 0, Header()
        self.home, self.rng = home_joints(), np.random.default_rng(1)
        self.context = Context()
        rclpy.init(context=self.context, domain_id=DOMAIN)
        self.node = Node("world", context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self._publish_and_listen()

    def _publish_and_listen(self) -> None:
        make, listen = self.node.create_publisher, self.node.create_subscription
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.joints = make(JointState, "joint_states", 10)
        self.colour = make(Image, "camera/scene/image_raw", 5)
        self.depth = make(Image, "camera/scene/depth/image_rect_raw", 5)
        self.info = make(CameraInfo, "camera/scene/camera_info", 5)
        self.said = make(String, "instruction", latched)
        self.passed = make(JointTrajectory, "arm_controller/joint_trajectory", 10)
        self.clock = make(Clock, "/clock", 10)
        listen(DiagnosticArray, "policy/step", self._on_step, 50)
        listen(JointTrajectory, "command/joint_trajectory", self._on_proposal, 50)
        listen(Header, "command/heartbeat", self._on_beat, 50)
        self.node.create_timer(0.01, self._tick)
        self.node.create_timer(0.05, self._picture)

    def now_ns(self) -> int:
        return self.simulated_ns if self.simulated else time.time_ns()

    def _stamp(self) -> object:
        return ns_to_stamp(self.now_ns() + round(self.offset_s * 1e9))

    def _tick(self) -> None:
        self.simulated_ns += 10_000_000
        if self.simulated:
            self.clock.publish(Clock(clock=ns_to_stamp(self.simulated_ns)))
        if "joints" not in self.silent:
            state = JointState(name=list(JOINTS), position=self.home, velocity=[0.0] * 7)
            state.header.stamp = self._stamp()
            self.joints.publish(state)

    def _picture(self) -> None:
        stamp = self._stamp()
        info = CameraInfo(height=96, width=128, k=[100.0, 0, 63.5, 0, 100.0, 47.5, 0, 0, 1.0])
        self.info.publish(info)
        noise = self.rng.integers(90, 110, (96, 128, 3), dtype=np.uint8)
        self._image(self.colour, stamp, noise, "rgb8")
        if "depth" not in self.silent:
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
        age_s = (self.now_ns() - stamp_to_ns(message.header.stamp)) * 1e-9
        self.proposals.append((message, age_s))
        self.passed.publish(message)

    def _on_beat(self, message: Header) -> None:
        self.beats, self.beat = self.beats + 1, message

    @property
    def state(self) -> str:
        return self.steps[-1]["state"] if self.steps else ""

    @property
    def reason(self) -> str:
        return self.steps[-1]["reason"] if self.steps else ""

    def until(self, condition: Callable[[], bool], limit_s: float = 20.0) -> None:
        end_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < end_s, f"timed out: {self.state}: {self.reason}"
            self.executor.spin_once(timeout_sec=0.02)

    def spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        self.until(lambda: time.monotonic() >= end_s)

    def say(self, text: str) -> None:
        self.said.publish(String(data=text))

    def act(self) -> None:
        """Say what to do and wait until the arm does it."""
        self.until(lambda: self.said.get_subscription_count() > 0 and bool(self.steps))
        self.say(SAY)
        self.until(lambda: self.state == "acting" and bool(self.proposals))

    def close(self) -> None:
        self.executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def fusion(policy, running_fusion) -> Iterator[FusionNode]:
    running = running_fusion(DOMAIN, policy)
    yield running.node
    running.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def stops(message: JointTrajectory) -> bool:
    """Whether it ends at rest within what a stop takes; a chunk goes on for 0.8 s."""
    end = message.points[-1].time_from_start
    return end.sec == 0 and end.nanosec < 300_000_000 and not any(message.points[-1].velocities)


def test_every_step_tells_validity_and_two_ages_of_every_modality(fusion, world) -> None:
    world.act()
    told = world.steps[-1]
    for modality in tabletop().modalities:
        assert {f"{key}/{modality.name}" for key in ("valid", "age_s", "received_s")} <= set(told)
    assert (told["valid/joints"], told["valid/wrench"]) == ("true", "false")
    assert float(told["received_s/joints"]) < 0.2
    assert (told["age_s/wrench"], told["received_s/wrench"]) == ("inf", "inf")


def test_a_dead_required_sense_stops_the_arm_and_it_goes_on_by_itself(fusion, world) -> None:
    world.act()
    world.silent.add("depth")
    world.until(lambda: world.state == "holding" and stops(world.proposals[-1][0]))
    assert "cloud (camera/scene/depth/image_rect_raw) has been silent" in world.reason
    proposed = len(world.proposals)
    world.spin(0.5)
    assert len(world.proposals) == proposed
    world.silent.clear()
    world.until(lambda: "all is back, waiting 0.2 s" in world.reason)
    world.until(lambda: world.state == "acting" and not stops(world.proposals[-1][0]))


@pytest.mark.parametrize(("offset_s", "words"), [(5.0, "ahead of"), (-5.0, "behind")])
def test_stamps_apart_from_the_clock_hold_the_arm_and_are_named(
    fusion, world, offset_s: float, words: str
) -> None:
    world.act()
    world.offset_s = offset_s
    world.until(lambda: world.state == "holding" and words in world.reason)
    assert f"s {words} this clock" in world.reason
    world.offset_s = 0.0
    world.until(lambda: world.state == "acting")


def test_a_clock_that_begins_again_holds_the_arm_until_new_data_came(
    policy, running_fusion
) -> None:
    world, running = World(simulated=True), running_fusion(DOMAIN, policy, "use_sim_time:=true")
    try:
        world.act()
        for _ in range(2):
            world.spin(0.5)
            world.simulated_ns -= 30_000_000_000
            world.until(lambda: "the clock jumped back by" in world.reason)
            assert world.state == "holding"
            world.until(lambda: world.state == "acting")
            assert int(world.steps[-1]["stamp_ns/joints"]) <= world.simulated_ns
    finally:
        running.close()
        world.close()


def test_steps_that_take_too_long_move_nothing_and_say_so(fusion, world) -> None:
    world.act()
    run = fusion._runner._policy.run

    def slowly(tensors):
        time.sleep(0.3)
        return run(tensors)

    fusion._runner._policy.run = slowly
    world.until(lambda: world.state == "holding" and "after its pictures" in world.reason)
    world.until(lambda: stops(world.proposals[-1][0]))
    world.proposals.clear()
    world.spin(1.5)
    assert all(stops(message) for message, _ in world.proposals)
    fusion._runner._policy.run = run
    world.until(lambda: world.state == "acting")


def test_a_flood_of_contradictions_starves_nothing_the_last_counts_a_stop_is_at_once(
    fusion, world
) -> None:
    world.act()
    encoded = fusion._runner._language._encode.cache_info().misses
    began_s, beats, said = time.monotonic(), world.beats, 0
    while time.monotonic() - began_s < 2.0:
        world.say(f"{('pick up', 'push away')[said % 2]} the red cube {said}")
        said += 1
        world.executor.spin_once(timeout_sec=0.001)
    assert said > 300
    assert world.beats - beats > 60
    assert fusion._runner._language._encode.cache_info().misses - encoded <= 45
    world.say("press the green button")
    world.until(lambda: world.steps[-1]["instruction"] == "press the green button")
    world.say("")
    world.until(lambda: world.reason == "told to stop", limit_s=2.0)
    world.act()


def test_a_heart_beats_while_the_executor_gets_on_and_no_longer(fusion, world) -> None:
    world.act()
    world.beats = 0
    world.spin(1.0)
    assert 30 < world.beats <= 70
    assert world.beat.frame_id == "/fusion"
    assert abs(world.now_ns() - stamp_to_ns(world.beat.stamp)) < 1e9
    is_over = threading.Event()
    fusion._runner.set_camera = lambda _: is_over.wait(5.0)
    fusion._camera = None
    world.spin(1.5)
    world.beats = 0
    world.spin(0.5)
    assert world.beats == 0
    del fusion._runner.set_camera
    is_over.set()
    world.until(lambda: world.beats > 10)
    fusion.trigger_deactivate()
    world.spin(0.2)
    world.beats = 0
    world.spin(0.3)
    assert world.beats == 0


def test_bytes_that_are_no_message_are_told_and_the_node_lives(fusion, world) -> None:
    world.act()
    world.said.publish(b"\x00\x01\x00\x00\xff\xff\xff\x7fpick")
    world.passed.publish(b"\x00\x01\x00\x00\xff\xff\xff\x7f")
    world.until(lambda: "problem/instruction" in world.steps[-1])
    world.until(lambda: "problem/arm_controller/joint_trajectory" in world.steps[-1])
    assert world.state == "acting"


@pytest.mark.parametrize("text", ["pick \u202eup", "pick " * 200_000], ids=["turned", "endless"])
def test_texts_that_nobody_can_have_said_are_refused_and_shown_short(fusion, world, text) -> None:
    world.act()
    world.say(text)
    world.until(lambda: world.state == "refused")
    assert world.reason.startswith("instruction has")
    assert len(world.steps[-1]["instruction"]) < 200
    assert world.steps[-1]["instruction"].isascii()


def test_an_exception_in_any_callback_stops_the_arm_with_the_reason(
    policy, running_fusion, world, monkeypatch
) -> None:
    raising = {"name": ""}

    def spoil(name: str) -> None:
        original = getattr(FusionNode, name)

        def spoilt(self, *args):
            if raising["name"] == name:
                raise RuntimeError(f"boom in {name}")
            return original(self, *args)

        monkeypatch.setattr(FusionNode, name, spoilt)

    for name in CALLBACKS:
        spoil(name)
    running = running_fusion(DOMAIN, policy)
    reset = world.node.create_client(Trigger, "fusion/reset")
    try:
        world.until(reset.service_is_ready)
        for name in CALLBACKS:
            world.act()
            raising["name"] = name
            if name == "_on_reset":
                answer = reset.call_async(Trigger.Request())
                world.until(answer.done)
                assert not answer.result().success
            if name == "_on_instruction":
                world.say("push the red cube away")
            expected = f"internal error: RuntimeError: boom in {name}"
            world.until(lambda expected=expected: world.reason == expected)
            assert world.state == "refused"
            world.until(lambda: stops(world.proposals[-1][0]))
            raising["name"] = ""
            world.proposals.clear()
    finally:
        running.close()
