"""A managed node that no exception in a callback kills or blocks; foreign bytes are told."""

import time
from collections.abc import Callable
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.priority import prefer_this_process
from sensorium_core.printable import printable

_STUCK_S = 1.0
"""An executor that called nobody for so long is taken for dead."""


class GuardedNode(ManagedNode):
    """Wraps callbacks; a subclass says in `fail` what an exception means. One thread."""

    progress_s = 0.0
    """When a callback was last entered, by the monotonic clock."""

    def fail(self, error: Exception) -> str:
        """Go to the safe state after an exception; returns it in words. Must not raise."""
        raise NotImplementedError

    def note_problem(self, name: str, problem: str) -> None:
        """Tell of bad input under a name: data, no reason to fail."""
        self.get_logger().error(f"{name}: {problem}")

    def is_stuck(self) -> bool:
        """Whether the executor has called nobody for a second. Any thread may ask."""
        return time.monotonic() - self.progress_s > _STUCK_S

    def ask_for_priority(self, priority: int, otherwise: str) -> None:
        """Run before ordinary processes, so that a busy machine is no fault.

        Where the system refuses, a warning says what happens `otherwise`. The parameter `realtime`
        forbids it.
        """
        if not (self.declare_parameter("realtime", True).value and self.owns_process):
            return
        refusal = prefer_this_process(priority)
        if refusal:
            self.get_logger().warning(f"no real-time priority ({refusal}): {otherwise}")

    def guard(self, callback: Callable[..., None]) -> Callable[..., None]:
        """The callback of a topic or timer, behind the node's boundary."""

        def guarded(*args: Any) -> None:
            self.progress_s = time.monotonic()
            try:
                callback(*args)
            except Exception as error:  # noqa: BLE001 - the node's boundary: tell, live on
                self.fail(error)

        return guarded

    def guard_service(self, callback: Callable[..., Any]) -> Callable[..., Any]:
        """The same for a service whose response has `success` and `message`."""

        def guarded(request: Any, response: Any) -> Any:
            self.progress_s = time.monotonic()
            try:
                return callback(request, response)
            except Exception as error:  # noqa: BLE001 - the node's boundary: tell, live on
                response.success, response.message = False, self.fail(error)
                return response

        return guarded

    def subscribe(
        self, kind: type, topic: str, callback: Callable[[Any], None], qos: QoSProfile
    ) -> None:
        """Listen; bytes that are no such message, which rclpy drops without a word, are told."""

        def receive(payload: bytes) -> None:
            try:
                message = deserialize_message(payload, kind)
            except (RuntimeError, ValueError, MemoryError) as error:
                self.note_problem(topic, f"{topic} cannot be read: {printable(str(error)):.100}")
                return
            callback(message)

        self.create_subscription(kind, topic, self.guard(receive), qos, raw=True)
