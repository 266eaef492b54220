"""Talks to a launched cell: says instructions, sets episodes, hears what becomes of them.

One thread, its own ROS context. Reports arrive during `spin`; the newest of each topic is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensorium_core.errors import EpisodeError, NodeUnavailableError
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger

from sensorium_cli.nodes.speaker import LATCHED, Report

TOPICS = ("policy/step", "gate/status", "sim/outcome", "diagnostics")
_STEP_S = 0.02
_ANSWER_S = 10.0


class CellClient:
    """`with CellClient(domain_id) as cell: cell.begin(...); cell.say("pick up the red cube")`."""

    def __init__(self, domain_id: int, namespace: str = "") -> None:
        """Join the graph of a domain; `namespace` is the robot's."""
        self._context = Context()
        rclpy.init(context=self._context, domain_id=domain_id)
        self._node = Node("sensorium_client", namespace=namespace or None, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._instruction = self._node.create_publisher(String, "instruction", LATCHED)
        self.reports: dict[str, Report] = {}
        """Newest report by the name of the status: policy, gate, sim, recorder, ..."""
        self.received_s: dict[str, float] = {}
        """When each came, on the monotonic clock."""
        for topic in TOPICS:
            self._listen(topic)
        self._extra: list[Any] = []
        create = self._node.create_client
        self._arm = create(SetBool, "gate/arm")
        self._forget = create(Trigger, "fusion/reset")
        self._record = create(Trigger, "recorder/start")
        self._set = create(SetParametersAtomically, "sim/set_parameters_atomically")

    def _listen(self, topic: str) -> None:
        def unpack(array: DiagnosticArray) -> None:
            for status in array.status:
                name = f"{status.name} health" if topic == "diagnostics" else status.name
                values = {pair.key: pair.value for pair in status.values}
                level = int.from_bytes(status.level, "little")
                self.reports[name] = Report(topic, level, status.message, values)
                self.received_s[name] = time.monotonic()

        self._node.create_subscription(DiagnosticArray, topic, unpack, 10)

    def spin(self, duration_s: float) -> None:
        """Take messages for a while."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0.0:
            self._executor.spin_once(timeout_sec=min(left_s, _STEP_S))

    def say(self, text: str) -> None:
        """Publish an instruction; an empty one stops the arm."""
        self._instruction.publish(String(data=text))

    @property
    def is_heard(self) -> bool:
        """Whether simulator and policy both listen to instructions."""
        return self._instruction.get_subscription_count() >= 2

    def arm(self, wanted: bool) -> tuple[bool, str]:
        """Arm or disarm the gate; returns whether it did, and its words.

        What the gate reported before no longer counts.
        """
        answer = self._call(self._arm, SetBool.Request(data=wanted))
        self.reports.pop("gate", None)
        return bool(answer.success), str(answer.message)

    def forget(self) -> None:
        """Let the policy forget senses, commands and instruction."""
        self._call(self._forget, Trigger.Request())

    def record(self) -> tuple[bool, str]:
        """Begin recording; returns whether it did, and the bag's path or why not."""
        answer = self._call(self._record, Trigger.Request())
        return bool(answer.success), str(answer.message)

    def set_episode(self, seed: int, goal: str) -> None:
        """Reset the simulator to a scene; raises `EpisodeError` with its words when it refuses."""
        self.set_simulation({"episode.seed": seed, "episode.goal": goal})

    def set_fault(self, sensor: str, fault: str) -> None:
        """Give a simulated sensor a fault, such as `silence`; `none` heals it."""
        self.set_simulation({f"fault.{sensor}": fault})

    def set_simulation(self, values: dict[str, int | str]) -> None:
        """Set parameters of the simulator, all at once; raises `EpisodeError` with its words."""
        parameters = [Parameter(name=name, value=_value(v)) for name, v in values.items()]
        request = SetParametersAtomically.Request(parameters=parameters)
        result = self._call(self._set, request).result
        if not result.successful:
            raise EpisodeError(f"with {values}: {result.reason}", "what the simulator allows")

    def listen(
        self, message: type, topic: str, callback: Callable[[Any], None], depth: int = 5
    ) -> None:
        """Hand every message of a sensor's topic to `callback`, during `spin`.

        Between two calls of `spin` the newest `depth` are kept.
        """
        qos = QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._extra.append(self._node.create_subscription(message, topic, callback, qos))

    def deafen(self) -> None:
        """End what `listen` began."""
        while self._extra:
            self._node.destroy_subscription(self._extra.pop())

    def _call(self, client: Any, request: Any) -> Any:
        if not client.wait_for_service(timeout_sec=_ANSWER_S):
            raise NodeUnavailableError(client.srv_name, _ANSWER_S)
        future = client.call_async(request)
        self._executor.spin_until_future_complete(future, timeout_sec=_ANSWER_S)
        if not future.done():
            raise NodeUnavailableError(client.srv_name, _ANSWER_S)
        return future.result()

    def close(self) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.try_shutdown(context=self._context)

    def __enter__(self) -> CellClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _value(value: int | str) -> ParameterValue:
    if isinstance(value, int):
        return ParameterValue(type=ParameterType.PARAMETER_INTEGER, integer_value=value)
    return ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=value)
