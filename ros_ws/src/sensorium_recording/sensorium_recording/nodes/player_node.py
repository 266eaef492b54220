"""Plays a bag: its messages byte for byte, with /clock, at the pace at which they were recorded.

The pace is kept by a thread of its own (`Player.run`), reading is another's (`ReadAhead`);
services, parameters and diagnostics are the events executor's.
"""

import importlib
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as RclClock
from rclpy.clock import ClockType
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensorium_core.cdr import ENCAPSULATION, NS
from sensorium_core.errors import BagError, PlayerConfigError, SensoriumError, TopicTakenError
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node
from std_srvs.srv import SetBool, Trigger

from sensorium_recording.bag_reader import BagReader, Topic
from sensorium_recording.play_list import (
    CLOCK,
    PlayerConfig,
    PlayList,
    check_rate,
    choose_topics,
    frame_topic,
)
from sensorium_recording.player import Outlets, Player
from sensorium_recording.read_ahead import ReadAhead
from sensorium_recording.rosbag2_metadata import Offer

_SWITCH_S = 0.0005
"""A thread that computes hands the interpreter over to the pace within this time."""
_FILL_S = 2.0
_REPORT_S = 1.0
_ARRIVAL_S = 2.0
_SHARED = ("/diagnostics", "/parameter_events", "/rosout", "/tf", "/tf_static")
"""Topics that many nodes publish at once by their nature."""
_STAMP = struct.Struct("<iI")


class PlayerNode(Node):
    """Publishers of a bag's topics; services `~/pause`, `~/step`; parameter `rate`."""

    def __init__(self, config: PlayerConfig | None = None) -> None:
        super().__init__("player")
        self.config = declare_config(self, config or PlayerConfig(), live=("rate",))
        bag = _bag(self.config.bag)
        chosen = choose_topics(bag.channels(), self.config.topics, self.config.exclude)
        self._outlets = self._offer(bag.path, chosen)
        topics = {name: topic for name, topic in chosen.items() if name in self._outlets}
        self._ticks = self.create_publisher(Clock, CLOCK, 10)
        say = self.get_logger().warning
        self._ahead = ReadAhead(
            iter(PlayList(bag, topics, self.config.start_s, self.config.loop, say))
        )
        self.player = Player(
            self._ahead,
            Outlets(self._publish_raw(), self._tick, say),
            rate=self.config.rate,
            start_s=self.config.start_s,
            paused=self.config.paused,
            frame_topic=frame_topic(topics, self.config.frame_topic),
            tick_ns=round(NS / self.config.clock_hz),
        )
        self._setup_control()
        self._error: Exception | None = None
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=self._play, name="pace")
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether everything is played. Raises what ended it early."""
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def _setup_control(self) -> None:
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)
        self.create_service(SetBool, "~/pause", self._on_pause)
        self.create_service(Trigger, "~/step", self._on_step)
        self.add_on_set_parameters_callback(self._on_parameters)
        steady = RclClock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_REPORT_S, self._report, clock=steady)

    def _offer(self, bag: Path, topics: Mapping[str, Topic]) -> dict[str, Publisher]:
        """A publisher for every topic whose message type is installed."""
        made, missing = {}, []
        for name, topic in topics.items():
            message = _message_class(topic.type_name)
            if message is None:
                missing.append(f"{name} ({topic.type_name})")
            else:
                made[name] = self.create_publisher(message, name, _profile(topic.offer))
        if missing:
            self.get_logger().warning(
                f"not played, since their message packages are not installed: {', '.join(missing)}"
            )
        if not made:
            raise BagError(bag, "holds nothing that can be played", "choose other topics")
        return made

    def _publish_raw(self) -> Callable[[str, bytes], None]:
        send = {name: publisher.publish for name, publisher in self._outlets.items()}

        def publish(topic: str, payload: bytes) -> None:
            send[topic](payload)

        return publish

    def _tick(self, time_ns: int) -> None:
        self._ticks.publish(ENCAPSULATION + _STAMP.pack(*divmod(time_ns, NS)))

    def _play(self) -> None:
        """The pace's thread."""
        try:
            with self._ahead:
                self._leaving.wait(self.config.delay_s)
                self._require_alone()
                self._ahead.wait_filled(_FILL_S)
                self.player.run()
                self._flush()
        except Exception as error:  # noqa: BLE001 - the thread's boundary: `over` raises it again
            self._error = error
        self._conclude()

    def _require_alone(self) -> None:
        taken = [
            name
            for name, publisher in self._outlets.items()
            if name not in _SHARED and self.count_publishers(publisher.topic_name) > 1
        ]
        if taken and not self.config.force:
            raise TopicTakenError(taken)

    def _flush(self) -> None:
        """Let the last messages arrive."""
        end_s = time.monotonic() + _ARRIVAL_S
        for publisher in self._outlets.values():
            left_s = max(end_s - time.monotonic(), 0.0)
            publisher.wait_for_all_acked(Duration(seconds=left_s))

    def _conclude(self) -> None:
        moment, values = self.player.moment(), self.player.status().values
        self.get_logger().info(
            f"played {moment.played_s:.3f} s, {moment.messages} messages; timing error "
            f"p50 {values['error_p50_ms']} ms, p99 {values['error_p99_ms']} ms, "
            f"max {values['error_max_ms']} ms"
        )

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.player.pause(request.data)
        response.success = True
        response.message = "paused" if request.data else "playing"
        return response

    def _on_step(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success = self.player.step()
        response.message = "stepped" if response.success else "not paused; pause first"
        return response

    def _on_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if change.name == "rate":
                try:
                    self.player.set_rate(check_rate(float(change.value)))
                except SensoriumError as error:
                    return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _report(self) -> None:
        status = self.player.status()
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = [
            DiagnosticStatus(
                name=status.name,
                level=bytes([status.level]),
                message=status.message,
                values=[KeyValue(key=k, value=v) for k, v in status.values.items()],
            )
        ]
        self._diagnostics.publish(message)

    def destroy_node(self) -> None:
        """End playing, then the node."""
        self._leaving.set()
        self.player.stop()
        self._thread.join()
        super().destroy_node()


def _bag(path: str) -> BagReader:
    if not path:
        raise PlayerConfigError("bag", path, "a rosbag2 directory or an MCAP file")
    return BagReader(Path(path))


def _message_class(type_name: str) -> type | None:
    try:
        package, _, name = type_name.split("/")
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError, ValueError):
        return None


def _profile(offer: Offer) -> QoSProfile:
    """What the topic's publishers offered."""
    return QoSProfile(
        depth=offer.depth,
        reliability=ReliabilityPolicy.RELIABLE
        if offer.reliable
        else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if offer.latched
        else DurabilityPolicy.VOLATILE,
    )


def play(
    config: PlayerConfig | None = None,
    args: list[str] | None = None,
    watch: Callable[[Player], None] = lambda player: None,
) -> None:
    """Play until the bag ends, SIGINT or SIGTERM; `watch` is called four times a second.

    Raises what ended the playing early.
    """
    sys.setswitchinterval(_SWITCH_S)

    def over(node: PlayerNode) -> bool:
        watch(node.player)
        return node.over

    run_node(partial(PlayerNode, config), args, over)


def main(args: list[str] | None = None) -> None:
    """Play the bag that the parameters name."""
    play(args=args)


if __name__ == "__main__":
    main()
