"""Publishers of a bag's topics, as they were offered when it was recorded, and of /clock."""

import importlib
import struct
import time
from collections.abc import Mapping

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensorium_core.cdr import ENCAPSULATION, NS

from sensorium_recording.bag_reader import Topic
from sensorium_recording.messages import DIAGNOSTICS, POINT_CLOUD, STRING
from sensorium_recording.play_list import CLOCK, IMAGES

_SHARED = ("/diagnostics", "/parameter_events", "/rosout", "/tf", "/tf_static")
"""Topics that many nodes publish at once by their nature."""
_WORDS = (STRING, DIAGNOSTICS)
"""Types that no arm follows."""
_SHARED_DEPTH = 100
"""One publisher speaks for all of those, so that more than one's messages must stay latched."""
_LARGE = (*IMAGES, POINT_CLOUD)
_ROOM, _ROOM_LARGE = 1000, 64
"""Messages that wait for a slow reliable subscriber; a volatile publisher forgets what arrived."""
_STAMP = struct.Struct("<iI")


class BagPublishers:
    """One publisher for every topic whose message package is installed."""

    def __init__(self, node: Node, topics: Mapping[str, Topic]) -> None:
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        self.missing: list[str] = []
        """Topics whose message package is not installed, with their types."""
        for name, topic in topics.items():
            message = _message_class(topic.type_name)
            if message is None:
                self.missing.append(f"{name} ({topic.type_name})")
            else:
                profile = _profile(name, topic)
                self._publishers[name] = node.create_publisher(message, name, profile)
        self.topics = {name: topics[name] for name in self._publishers}
        """What can be published."""
        self._clock = node.create_publisher(Clock, CLOCK, 10)

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message as it lies in the bag."""
        self._publishers[topic].publish(payload)

    def tick(self, time_ns: int) -> None:
        """Send the time."""
        self._clock.publish(ENCAPSULATION + _STAMP.pack(*divmod(time_ns, NS)))

    def taken(self) -> list[str]:
        """Senses and commands that somebody else publishes too."""
        return [
            name
            for name, publisher in self._publishers.items()
            if name not in _SHARED
            and self.topics[name].type_name not in _WORDS
            and self._node.count_publishers(publisher.topic_name) > 1
        ]

    def flush(self, timeout_s: float) -> None:
        """Wait until everything has arrived, but no longer than `timeout_s`."""
        end_s = time.monotonic() + timeout_s
        for publisher in self._publishers.values():
            left_s = max(end_s - time.monotonic(), 0.0)
            publisher.wait_for_all_acked(Duration(seconds=left_s))


def _message_class(type_name: str) -> type | None:
    try:
        package, _, name = type_name.split("/")
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError):
        return None


def _profile(name: str, topic: Topic) -> QoSProfile:
    """What the topic's publishers offered, with room for what is sent in haste after a stall."""
    offer = topic.offer
    depth = max(offer.depth, _SHARED_DEPTH if name in _SHARED else 1)
    if offer.reliable and not offer.latched:
        depth = max(depth, _ROOM_LARGE if topic.type_name in _LARGE else _ROOM)
    reliable, latched = ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL
    return QoSProfile(
        depth=depth,
        reliability=reliable if offer.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=latched if offer.latched else DurabilityPolicy.VOLATILE,
    )
