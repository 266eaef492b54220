"""The proposer's heartbeat: while it beats, somebody is there who would tell of a fault.

A thread of its own, so that a step that takes long is not a death; it stops with the process
(killed, SIGSTOP) and when the executor's thread no longer gets anywhere.
"""

import struct
import threading
import time
from collections.abc import Callable

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import serialize_message
from sensorium_core.nodes.priority import HEARTBEAT_PRIORITY, prefer_this_thread
from std_msgs.msg import Header

TOPIC = "command/heartbeat"
PERIOD_S = 0.015
_JOIN_S = 1.0
_STAMP = struct.Struct("=iI")
_STAMP_AT = 4
"""A header in CDR: four bytes of encapsulation, seconds, nanoseconds, frame_id."""


class Heartbeat:
    """Publishes `command/heartbeat` every 15 ms for as long as `is_alive` says so.

    The message is encoded once and only its stamp written anew: a quarter of the work. In a
    process of real-time priority it goes before the steps, and before whatever draws pictures
    at the same priority, for 20 ms and more.
    """

    def __init__(self, node: Node, is_alive: Callable[[], bool]) -> None:
        """Make the publisher and start the thread."""
        self._clock = node.get_clock() if node.get_parameter("use_sim_time").value else None
        self._is_alive = is_alive
        self._publisher = node.create_publisher(Header, TOPIC, QoSProfile(depth=1))
        frame_id = node.get_fully_qualified_name()
        self._beat = bytearray(serialize_message(Header(frame_id=frame_id)))
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; call before the publisher is destroyed."""
        self._is_over = True
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        prefer_this_thread(HEARTBEAT_PRIORITY)
        while not self._is_over:
            time.sleep(PERIOD_S)  # an event's wait would cost more than the beat
            if self._is_over or not self._is_alive():
                continue
            now_ns = time.time_ns() if self._clock is None else self._clock.now().nanoseconds
            _STAMP.pack_into(self._beat, _STAMP_AT, *divmod(now_ns, 10**9))
            try:
                self._publisher.publish(bytes(self._beat))
            except InvalidHandle:
                return
