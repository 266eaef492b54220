"""The driver nodes as processes over real DDS."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image, PointCloud2
from sensorium_core.nodes.messages import ns_to_stamp
from sensorium_drivers.cloud import POINT
from std_msgs.msg import String

DOMAIN = 40 + os.getpid() % 60
ENVIRONMENT = {
    **os.environ,
    "ROS_DOMAIN_ID": str(DOMAIN),
    "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
}
CALIBRATION = Path(__file__).parents[4] / "calibration" / "ur5e_cell"
ROWS, COLS = 96, 128


@pytest.fixture
def witness() -> Iterator[tuple[Node, Callable]]:
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    context = Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    node = Node("witness", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def until(condition: Callable[[], bool], timeout_s: float = 15.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "timed out"
            executor.spin_once(timeout_sec=0.05)

    yield node, until
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()


def start(module: str, *parameters: str, **options: object) -> subprocess.Popen:
    command = [sys.executable, "-m", f"sensorium_drivers.nodes.{module}", "--ros-args"]
    for parameter in parameters:
        command += ["-p", parameter]
    return subprocess.Popen(command, env=ENVIRONMENT, **options)


def image(stamp_ns: int, pixels: np.ndarray, encoding: str) -> Image:
    message = Image(height=ROWS, width=COLS, encoding=encoding, step=pixels.strides[0])
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.data = pixels.tobytes()
    return message


def test_depth_and_colour_of_one_stamp_become_one_cloud_and_sigterm_ends_the_node(witness):
    node, until = witness
    clouds: list[PointCloud2] = []
    node.create_subscription(PointCloud2, "camera/scene/points", clouds.append, 10)
    colour = node.create_publisher(Image, "camera/scene/image_raw", 10)
    depth = node.create_publisher(Image, "camera/scene/depth/image_rect_raw", 10)
    process = start("cloud_node", f"calibration:={CALIBRATION}", "rate_hz:=100.0")
    try:
        until(lambda: colour.get_subscription_count() and depth.get_subscription_count())
        until(lambda: node.count_publishers("camera/scene/points") == 1)
        sent = 0

        def send_until_received() -> bool:
            nonlocal sent
            sent += 1
            stamp_ns = sent * 33_000_000
            pixels = np.full((ROWS, COLS, 3), (200, 10, 20), np.uint8)
            colour.publish(image(stamp_ns, pixels, "rgb8"))
            colour.publish(image(stamp_ns + 1, pixels, "rgb8"))
            depth.publish(image(stamp_ns, np.full((ROWS, COLS), 1000, np.uint16), "16UC1"))
            return bool(clouds)

        until(send_until_received)
        cloud = clouds[0]
        assert cloud.header.frame_id == "base_link"
        assert cloud.header.stamp.nanosec % 1_000_000 == 0
        points = np.frombuffer(cloud.data, POINT)
        assert len(points) == cloud.width > 10
        assert set(points["rgb"]) == {0xC80A14}
        process.terminate()
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.wait()


def test_typed_lines_become_instructions_and_bad_ones_change_nothing(witness, tmp_path):
    node, until = witness
    heard: list[str] = []
    latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(String, "instruction", lambda m: heard.append(m.data), latched)
    process = start(
        "instruction_node", stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        process.stdin.write("pick up the red cube\nbad\x07line\n" + "x" * 600 + "\n")
        process.stdin.flush()
        until(lambda: heard == ["pick up the red cube"])
        process.stdin.write("\n")
        process.stdin.flush()
        until(lambda: heard == ["pick up the red cube", ""])
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 0
    finally:
        process.kill()
        process.stdin.close()
        process.wait()
