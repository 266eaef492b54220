"""Records topics to MCAP bags: raw bytes, as they come, with every loss accounted for.

A topic is subscribed when its first publisher is seen, with a quality of service that the
publishers can meet. One thread reads; the bag's own thread compresses and writes. An inactive
recorder hears nothing and has no services; a bag that is open when it is deactivated is closed.
"""

import importlib
import time
from collections.abc import Callable

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensorium_core.contract import load_contract
from sensorium_core.errors import SensoriumError
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.messages import diagnostics
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node
from sensorium_core.nodes.raw import read_stamp
from std_srvs.srv import SetBool, Trigger

from sensorium_recording.bag_facts import bag_facts
from sensorium_recording.nodes.tap import Tap
from sensorium_recording.recorder import Recorder
from sensorium_recording.recorder_config import RecorderConfig
from sensorium_recording.rosbag2_metadata import Offer
from sensorium_recording.typestore import schema_text

EXTRA_TOPICS = (
    "instruction",
    "camera/scene/camera_info",
    "camera/wrist/camera_info",
    "command/joint_trajectory",
    "arm_controller/joint_trajectory",
    "gripper_controller/joint_trajectory",
    "policy/step",
    "policy/description",
    "gate/status",
    "diagnostics",
    "sim/ground_truth",
    "sim/outcome",
    "/tf_static",
)
_TAKE_S = 0.004
_TICK_S = 0.1
_DISCOVERY_S = 0.25
_REPORT_S = 1.0
_QUEUE_S = 1.0
_QUEUE = (60, 1000)
"""Fewest and most messages that the middleware keeps for us."""


class RecorderNode(ManagedNode):
    """Subscribes, hands over, reports."""

    def __init__(
        self,
        config: RecorderConfig | None = None,
        topics: tuple[str, ...] = (),
        contract: str = "",
        calibration: str = "",
        namespace: str = "",
    ) -> None:
        """Arguments are the defaults of the parameters of the same names."""
        super().__init__("recorder", namespace=namespace)
        self._defaults = (config or RecorderConfig(), topics, contract, calibration)

    def configure(self) -> None:
        """Read what is wanted, and what goes into every bag."""
        config, topics, contract, calibration = self._defaults
        named = [t for t in self.declare_parameter("topics", [*topics, ""]).value if t]
        self._settings = declare_config(self, config)
        senses = load_contract(self.declare_parameter("contract", contract).value)
        folder = self.declare_parameter("calibration", calibration).value
        urdf = self.declare_parameter("robot_description", "").value
        wanted = named or [*(m.topic for m in senses.modalities), *EXTRA_TOPICS]
        self._wanted = {self.resolve_topic_name(t) for t in wanted}
        self._rates = {self.resolve_topic_name(m.topic): m.rate_hz for m in senses.modalities}
        self._facts = bag_facts(senses, folder, urdf)
        self._begins_at_once = self.declare_parameter("record_on_start", True).value
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)

    def activate(self) -> None:
        """Hear, and record at once if `record_on_start` is set; what was heard before is gone."""
        self.recorder = Recorder(self._settings, self._facts, self.get_namespace())
        self._tapped = rclpy.create_node(
            "recorder_inputs", namespace=self.get_namespace(), use_global_arguments=False
        )
        self.undo_by(self._tapped.destroy_node)
        self.undo_by(self._close)
        self._pending = set(self._wanted)
        self._taps: list[Tap] = []
        self._types: dict[str, str] = {}
        self._reported = ""
        self._setup_interface()
        if self._begins_at_once:
            self._begin()

    def _setup_interface(self) -> None:
        for name, action in {
            "start": lambda: str(self.recorder.start(self._now_ns())),
            "stop": self._stop,
            "start_episode": lambda: f"episode {self._start_episode()}",
        }.items():
            self.create_service(Trigger, f"~/{name}", _trigger(action))
        self.create_service(SetBool, "~/end_episode", self._on_end_episode)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_TAKE_S, self._take, clock=steady)
        self.create_timer(_TICK_S, self._tick, clock=steady)
        self.create_timer(_DISCOVERY_S, self._discover, clock=steady)
        self.create_timer(_REPORT_S, self._report, clock=steady)
        self.create_timer(_REPORT_S, self._watch, clock=steady)

    def _begin(self) -> None:
        try:
            self.get_logger().info(f"recording to {self.recorder.start(self._now_ns())}")
        except SensoriumError as error:
            self.recorder.problem = str(error)

    def _take(self) -> None:
        """Empty every queue into the bag."""
        take = self.recorder.take
        simulated = self.get_clock().ros_time_is_active
        for tap in self._taps:
            for payload, received_ns, sequence, full in tap.take():
                now_ns = self._now_ns() if simulated or not received_ns else received_ns
                stamp_ns = None if sequence is not None else _stamp(payload)
                take(tap.topic, now_ns, payload, sequence, stamp_ns, full)

    def _tick(self) -> None:
        self.recorder.tick(self._now_ns(), time.monotonic_ns())
        problem = self.recorder.problem
        if problem != self._reported:
            self._reported = problem
            if problem:
                self.get_logger().error(problem)
                self._report()

    def _discover(self) -> None:
        types = dict(self.get_topic_names_and_types())
        for topic in sorted(self._pending & set(types)):
            offers = self.get_publishers_info_by_topic(topic)
            if offers:
                self._pending.discard(topic)
                self._types[topic] = types[topic][0]
                self._subscribe(topic, types[topic][0], [o.qos_profile for o in offers])
        unmatched = {tap.topic for tap in self._taps if not tap.matched}
        self.recorder.waiting = sorted(self._pending | unmatched)
        for topic, type_name in self._types.items():
            others = [t for t in types.get(topic, []) if t != type_name]
            if others:
                words = f"also published as {', '.join(others)}: only {type_name} is recorded"
                self.recorder.refuse(topic, words)

    def _watch(self) -> None:
        """Follow publishers that come later: how many, and whether they can be heard."""
        for number, tap in enumerate(self._taps):
            offers = [o.qos_profile for o in self.get_publishers_info_by_topic(tap.topic)]
            account = self.recorder.accounts[tap.topic]
            account.publishers = max(account.publishers, len(offers))
            if offers and not tap.hears(offers):
                _, qos = _meeting(offers, self._rates.get(tap.topic, 0.0))
                self._taps[number] = tap.anew(self._tapped, qos)
                self.get_logger().warning(f"{tap.topic} is offered otherwise now: heard anew")

    def _subscribe(self, topic: str, type_name: str, offers: list[QoSProfile]) -> None:
        try:
            schema_text(type_name)
            package, _, name = type_name.split("/")
            message = getattr(importlib.import_module(f"{package}.msg"), name)
        except (SensoriumError, ImportError, AttributeError) as error:
            self.recorder.refuse(topic, f"not recorded: {error}")
            self.get_logger().warning(f"cannot record {topic}: {error}")
            return
        rate_hz = self._rates.get(topic, 0.0)
        offer, qos = _meeting(offers, rate_hz)
        self.recorder.declare(topic, type_name, offer, rate_hz)
        self.recorder.accounts[topic].publishers = len(offers)
        self._taps.append(Tap(self._tapped, message, topic, qos))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _stop(self) -> str:
        self._take()
        return str(self.recorder.stop())

    def _start_episode(self) -> int:
        return self.recorder.start_episode(self._now_ns())

    def _on_end_episode(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        outcome = "success" if request.data else "failure"
        return _answer(
            response, lambda: f"episode {self.recorder.end_episode(self._now_ns(), outcome)}"
        )

    def _report(self) -> None:
        status = self.recorder.status()
        told = diagnostics(
            self._now_ns(), status.name, status.level, status.message, status.values
        )
        self._diagnostics.publish(told)

    def _close(self) -> None:
        if self.recorder.recording:
            try:
                self.get_logger().info(f"recorded {self._stop()}")
            except SensoriumError as error:
                self.get_logger().error(str(error))


def _stamp(payload: bytes) -> int | None:
    try:
        return read_stamp(payload)
    except SensoriumError:
        return None


def _meeting(offers: list[QoSProfile], rate_hz: float) -> tuple[Offer, QoSProfile]:
    """What is offered, and the strictest profile that every publisher meets."""
    reliable = all(o.reliability == ReliabilityPolicy.RELIABLE for o in offers)
    latched = all(o.durability == DurabilityPolicy.TRANSIENT_LOCAL for o in offers)
    offered = Offer(latched, reliable, max(sum(o.depth for o in offers), 1))
    return offered, QoSProfile(
        depth=min(max(round(rate_hz * _QUEUE_S), _QUEUE[0]), _QUEUE[1]),
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _trigger(
    action: Callable[[], str],
) -> Callable[[Trigger.Request, Trigger.Response], Trigger.Response]:
    return lambda _, response: _answer(response, action)


def _answer(
    response: Trigger.Response | SetBool.Response, action: Callable[[], str]
) -> Trigger.Response | SetBool.Response:
    try:
        response.message, response.success = action(), True
    except SensoriumError as error:
        response.message, response.success = str(error), False
    return response


def main(args: list[str] | None = None) -> None:
    """Run until SIGINT or SIGTERM, then close the bag."""
    run_node(RecorderNode, args)


if __name__ == "__main__":
    main()
