"""Records topics to an MCAP bag: raw subscriptions, written where they arrive.

A topic is subscribed when its first publisher is seen, with a quality of service that the
publisher can meet. One thread: the events executor's.
"""

import importlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import SensoriumError
from sensorium_core.nodes.process import run_node
from std_srvs.srv import Trigger

from sensorium_recording.recorder import Recorder
from sensorium_recording.typestore import schema_text

EXTRA_TOPICS = (
    "instruction",
    "camera/scene/camera_info",
    "camera/wrist/camera_info",
    "command/joint_trajectory",
    "arm_controller/joint_trajectory",
    "gripper_controller/joint_trajectory",
    "policy/step",
    "gate/status",
    "sim/ground_truth",
    "sim/outcome",
    "/tf_static",
)
_QUEUE = 200
_DISCOVERY_S = 0.1
_REPORT_S = 1.0


class RecorderNode(Node):
    """Subscribes, writes, reports."""

    def __init__(self) -> None:
        super().__init__("recorder")
        topics = self.declare_parameter("topics", [""]).value
        output = Path(self.declare_parameter("output", "out").value)
        name = self.declare_parameter("name", "episode").value
        contract = _contract(self.declare_parameter("contract", "").value)
        self._pending = {
            self.resolve_topic_name(t) for t in ([t for t in topics if t] or _default(contract))
        }
        self.recorder = Recorder(output, name, {"contract": {"json": contract.to_json()}})
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)
        self.create_service(Trigger, "~/start", self._on_start)
        self.create_service(Trigger, "~/stop", self._on_stop)
        self.create_timer(_DISCOVERY_S, self._discover)
        self.create_timer(_REPORT_S, self._report)
        if self.declare_parameter("autostart", True).value:
            self.get_logger().info(f"recording to {self.recorder.start()}")

    def _discover(self) -> None:
        if not self._pending:
            return
        types = dict(self.get_topic_names_and_types())
        for topic in sorted(self._pending & set(types)):
            offers = self.get_publishers_info_by_topic(topic)
            if offers:
                self._pending.discard(topic)
                self._subscribe(topic, types[topic][0], [o.qos_profile for o in offers])

    def _subscribe(self, topic: str, type_name: str, offers: list[QoSProfile]) -> None:
        try:
            schema_text(type_name)
            package, _, name = type_name.split("/")
            message = getattr(importlib.import_module(f"{package}.msg"), name)
        except (SensoriumError, ImportError, AttributeError) as error:
            self.recorder.refuse(topic, f"not recorded: {error}")
            self.get_logger().warning(f"cannot record {topic}: {error}")
            return
        callback = partial(self._on_message, topic, type_name)
        self.create_subscription(message, topic, callback, _meeting(offers), raw=True)

    def _on_message(self, topic: str, type_name: str, payload: bytes) -> None:
        self.recorder.write(topic, type_name, self.get_clock().now().nanoseconds, payload)

    def _on_start(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return _answer(response, self.recorder.start)

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        return _answer(response, self.recorder.stop)

    def _report(self) -> None:
        status = self.recorder.status()
        values = [KeyValue(key=k, value=v) for k, v in status.values.items()]
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                name=status.name,
                level=bytes([status.level]),
                message=status.message,
                values=values,
            )
        ]
        self._diagnostics.publish(message)

    def destroy_node(self) -> None:
        """Close the bag, then the node."""
        if self.recorder.recording:
            self.get_logger().info(f"recorded {self.recorder.stop()}")
        super().destroy_node()


def _default(contract: Contract) -> list[str]:
    return [*(m.topic for m in contract.modalities), *EXTRA_TOPICS]


def _contract(path: str) -> Contract:
    return Contract.load(Path(path)) if path else tabletop()


def _meeting(offers: list[QoSProfile]) -> QoSProfile:
    """The strictest profile that every publisher meets."""
    reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
    latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
    return QoSProfile(
        depth=_QUEUE,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _answer(response: Trigger.Response, action: Callable[[], Path]) -> Trigger.Response:
    try:
        response.message = str(action())
        response.success = True
    except SensoriumError as error:
        response.message = str(error)
        response.success = False
    return response


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM, then close the bag."""
    run_node(RecorderNode, args)


if __name__ == "__main__":
    main()
