"""Plays a bag: its messages byte for byte, with /clock, at the pace at which they were recorded.

The pace is kept by a thread of its own (`Player.run`). Another (`ReadAhead`) takes what a process
of its own reads (`ReaderProcess`). Services, parameters and diagnostics are the events executor's.
Each activation plays from the beginning.
"""

import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock as RclClock
from rclpy.clock import ClockType
from rclpy.parameter import Parameter
from sensorium_core.cdr import NS
from sensorium_core.errors import BagError, PlayerConfigError, SensoriumError, TopicTakenError
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.messages import diagnostics
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node
from std_srvs.srv import SetBool, Trigger

from sensorium_recording.bag_reader import BagReader
from sensorium_recording.nodes.bag_publishers import BagPublishers
from sensorium_recording.play_list import (
    PlayerConfig,
    check_rate,
    choose_topics,
    frame_topic,
)
from sensorium_recording.player import Outlets, Player
from sensorium_recording.read_ahead import ReadAhead
from sensorium_recording.reader_process import ReaderProcess

_SWITCH_S = 0.0005
"""A thread that computes hands the interpreter over to the pace within this time."""
_FILL_S = 2.0
_REPORT_S = 1.0
_ARRIVAL_S = 2.0


class PlayerNode(ManagedNode):
    """Publishers of a bag's topics; services `~/pause`, `~/step`; parameter `rate`."""

    def __init__(self, config: PlayerConfig | None = None) -> None:
        super().__init__("player")
        self._defaults = config or PlayerConfig()
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def configure(self) -> None:
        """Open the bag, and offer its topics."""
        self.config = declare_config(self, self._defaults, live=("rate",))
        bag = _bag(self.config.bag)
        chosen = choose_topics(bag.channels(), self.config.topics, self.config.exclude)
        self._outlets = BagPublishers(self, chosen)
        self._path, missing = bag.path, ", ".join(self._outlets.missing)
        if missing:
            self.get_logger().warning(
                f"not played, since their message packages are not installed: {missing}"
            )
        if not self._outlets.topics:
            raise BagError(bag.path, "holds nothing that can be played", "choose other topics")
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)

    def activate(self) -> None:
        """Play."""
        self.player = self._build()
        self._setup_control()
        self._error = None
        self._leaving = threading.Event()
        if self.config.realtime:
            self._hurry()
        self._thread = threading.Thread(target=self._play, name="pace")
        self._thread.start()
        self.undo_by(self._end)

    def _build(self) -> Player:
        topics, config, say = self._outlets.topics, self.config, self.get_logger().warning
        self._reading = ReaderProcess(self._path, topics, config.start_s, config.loop, say)
        self._ahead = ReadAhead(self._reading)
        return Player(
            self._ahead,
            Outlets(self._outlets.publish, self._outlets.tick, say),
            rate=check_rate(float(self.get_parameter("rate").value)),
            start_s=config.start_s,
            paused=config.paused,
            frame_topic=frame_topic(topics, config.frame_topic),
            tick_ns=round(NS / config.clock_hz),
        )

    @property
    def over(self) -> bool:
        """Whether everything is played. Raises what ended it early."""
        if self._thread is None or self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def _setup_control(self) -> None:
        self.create_service(SetBool, "~/pause", self._on_pause)
        self.create_service(Trigger, "~/step", self._on_step)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.undo_by(self.remove_on_set_parameters_callback, self._on_parameters)
        steady = RclClock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_REPORT_S, self._look, clock=steady)

    def _play(self) -> None:
        """The pace's thread."""
        try:
            with self._reading, self._ahead:
                self._leaving.wait(self.config.delay_s)
                self._require_alone()
                self._ahead.wait_filled(_FILL_S)
                self.player.run()
                if not self._leaving.is_set():
                    self._outlets.flush(_ARRIVAL_S)
        except Exception as error:  # noqa: BLE001 - the thread's boundary: `over` raises it again
            self._error = error
        self._conclude()

    def _require_alone(self) -> None:
        taken = [] if self.config.force else self._outlets.taken()
        if taken:
            raise TopicTakenError(taken)

    def _hurry(self) -> None:
        """Take the lowest real-time priority, which threads started from now on inherit.

        All of them need it: one that is kept waiting may hold the interpreter.
        """
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            self.get_logger().warning(
                "the system does not permit real-time priority; see `ulimit -r`, or run as root"
            )

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

    def _look(self) -> None:
        """Tell how it goes, and end it when somebody else speaks up, who may be found late."""
        self._report()
        try:
            self._require_alone()
        except TopicTakenError as error:
            self._error = error
            self.player.stop()

    def _report(self) -> None:
        status = self.player.status()
        now_ns = self.get_clock().now().nanoseconds
        told = diagnostics(now_ns, status.name, status.level, status.message, status.values)
        self._diagnostics.publish(told)

    def _end(self) -> None:
        """End playing; a player that is deactivated is not over."""
        self._leaving.set()
        self.player.stop()
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _bag(path: str) -> BagReader:
    if not path:
        raise PlayerConfigError("bag", path, "a rosbag2 directory or an MCAP file")
    return BagReader(Path(path))


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
