"""Says an instruction over ROS and listens to what becomes of it. One thread, its own context."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.context import Context
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensorium_core.errors import NodeUnavailableError
from std_msgs.msg import String

LATCHED = QoSProfile(
    depth=1,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    reliability=ReliabilityPolicy.RELIABLE,
)
_STEP_S = 0.05
_SETTLE_S = 2.0
"""Once the policy is known: without another new node for this long, all of them are."""
_DISCOVERY_S = 3.5
"""Without the policy: it takes up to 2.8 s until a node that is there is found."""
_POLICY = "policy/step"


@dataclass(frozen=True)
class Report:
    """What a node says of itself."""

    topic: str
    level: int
    """0 fine, 1 warning, 2 error, 3 stale."""
    message: str
    values: dict[str, str]


class Speaker:
    """`with Speaker("") as speaker: speaker.say("pick up the red cube", timeout_s=10.0)`."""

    def __init__(self, namespace: str) -> None:
        """Join the ROS graph, in `namespace`."""
        self._context = Context()
        rclpy.init(context=self._context)
        self._node = Node("sensorium_say", namespace=namespace or None, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._publisher = self._node.create_publisher(String, "instruction", LATCHED)
        self._heeded: str | None = None
        """The instruction that the policy last said it has."""
        self.listen(_POLICY, self._heed)

    def listen(self, topic: str, on_report: Callable[[Report], None]) -> None:
        """Hand every status of a diagnostic topic to `on_report`, during `spin`."""

        def unpack(array: DiagnosticArray) -> None:
            for status in array.status:
                values = {pair.key: pair.value for pair in status.values}
                level = int.from_bytes(status.level, "little")
                on_report(Report(topic, level, status.message, values))

        self._node.create_subscription(DiagnosticArray, topic, unpack, 10)

    def say(self, text: str, timeout_s: float) -> bool:
        """Publish an instruction, and stay until everybody has it: nodes find each other slowly.

        Returns:
            Whether the policy took it; true where none runs.

        Raises:
            NodeUnavailableError: if nobody listens within `timeout_s`.
        """
        self._heeded, was_heard, seen = None, False, (0, 0, 0)
        self._publisher.publish(String(data=text))
        changed_s = time.monotonic()
        end_s = changed_s + timeout_s
        while time.monotonic() < end_s:
            self.spin(_STEP_S)
            if seen != self._known():
                seen, changed_s = self._known(), time.monotonic()
            heard, there, policies = seen
            was_heard = was_heard or heard > 0
            patience_s = _SETTLE_S if policies else _DISCOVERY_S
            settled = time.monotonic() - changed_s > patience_s and heard >= there
            if was_heard and settled and self._is_taken(text, policies):
                break
        if not was_heard:
            raise NodeUnavailableError(self._publisher.topic_name, timeout_s)
        self._publisher.wait_for_all_acked(Duration(seconds=2.0))
        return self._is_taken(text, seen[2])

    def _is_taken(self, text: str, policies: int) -> bool:
        return policies == 0 or self._heeded == text

    def _known(self) -> tuple[int, int, int]:
        """How many hear us; how many listen to instructions and are policies, as far as known."""
        topic = self._publisher.topic_name
        there = self._node.count_subscribers(topic)
        policies = self._node.count_publishers(_POLICY)
        return self._publisher.get_subscription_count(), there, policies

    def _heed(self, report: Report) -> None:
        self._heeded = report.values.get("instruction", self._heeded)

    def spin(self, duration_s: float) -> None:
        """Take messages for a while."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left_s, _STEP_S))

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> Speaker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
