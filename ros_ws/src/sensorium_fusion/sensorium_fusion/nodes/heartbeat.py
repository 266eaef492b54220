"""The proposer's heartbeat: while it beats, somebody is there who would tell of a fault.

A thread of its own, so that a step that takes long is not a death; it stops with the process
(killed, SIGSTOP) and when the executor's thread no longer gets anywhere.
"""

import threading
from collections.abc import Callable

from rclpy.exceptions import InvalidHandle
from rclpy.node import Node
from rclpy.qos import QoSProfile
from std_msgs.msg import Header

TOPIC = "command/heartbeat"
PERIOD_S = 0.015
_JOIN_S = 1.0


class Heartbeat:
    """Publishes `command/heartbeat` every 15 ms for as long as `is_alive` says so."""

    def __init__(self, node: Node, is_alive: Callable[[], bool]) -> None:
        """Make the publisher and start the thread."""
        self._clock, self._is_alive = node.get_clock(), is_alive
        self._publisher = node.create_publisher(Header, TOPIC, QoSProfile(depth=1))
        self._beat = Header(frame_id=node.get_fully_qualified_name())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; call before the publisher is destroyed."""
        self._ended.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S):
            if not self._is_alive():
                continue
            self._beat.stamp = self._clock.now().to_msg()
            try:
                self._publisher.publish(self._beat)
            except InvalidHandle:
                return
