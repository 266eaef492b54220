"""`python -m sensorium_cli.nodes.image_probe talk|listen TOPIC COUNT`: images between processes.

The talker waits for the listener, then sends COUNT best-effort 640x480 images at 30 Hz. The
listener writes one line of JSON: how many arrived, and the median delay.
"""

from __future__ import annotations

import array
import json
import statistics
import sys
import time

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

_WIDTH, _HEIGHT = 640, 480
_PERIOD_S = 1.0 / 30.0
_DISCOVERY_S = 15.0
_SILENCE_S = 1.5
_NS = 1_000_000_000


def talk(node: Node, topic: str, count: int) -> None:
    """Send `count` images once somebody listens."""
    publisher = node.create_publisher(Image, topic, qos_profile_sensor_data)
    end_s = time.monotonic() + _DISCOVERY_S
    while publisher.get_subscription_count() == 0 and time.monotonic() < end_s:
        time.sleep(0.05)
    time.sleep(0.5)  # The publisher sees the match before the subscriber does.
    image = Image(height=_HEIGHT, width=_WIDTH, encoding="rgb8", step=3 * _WIDTH)
    image.data = array.array("B", bytes(3 * _WIDTH * _HEIGHT))
    start_s = time.monotonic()
    for index in range(count):
        image.header.stamp.sec, image.header.stamp.nanosec = divmod(time.time_ns(), _NS)
        publisher.publish(image)
        time.sleep(max(0.0, start_s + (index + 1) * _PERIOD_S - time.monotonic()))
    time.sleep(_SILENCE_S)


def listen(node: Node, topic: str, count: int) -> None:
    """Take images until all are there or none comes any more; write the result."""
    delays_ms: list[float] = []

    def take(image: Image) -> None:
        stamp_ns = image.header.stamp.sec * _NS + image.header.stamp.nanosec
        delays_ms.append((time.time_ns() - stamp_ns) / 1e6)

    node.create_subscription(Image, topic, take, qos_profile_sensor_data)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    end_s = time.monotonic() + _DISCOVERY_S
    while len(delays_ms) < count and time.monotonic() < end_s:
        before = len(delays_ms)
        executor.spin_once(timeout_sec=0.1)
        if len(delays_ms) > before:
            end_s = time.monotonic() + _SILENCE_S
    executor.shutdown()
    median = statistics.median(delays_ms) if delays_ms else 0.0
    sys.stdout.write(json.dumps({"received": len(delays_ms), "p50_ms": median}) + "\n")


def main() -> None:
    """Run one of the two sides."""
    role, topic, count = sys.argv[1:4]
    rclpy.init()
    node = Node(f"image_probe_{role}")
    {"talk": talk, "listen": listen}[role](node, topic, int(count))
    node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
