"""Configures and activates the nodes of a stack in order, hears their heartbeats, names the lost.

`Bringup` decides; this node asks the others' lifecycle services and passes their answers on. When
the stack must end, the process ends with the reason: the launch file then ends everything. One
thread, the events executor's.
"""

import time
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Log
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.logging import LoggingSeverity
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.task import Future
from std_msgs.msg import Header
from std_srvs.srv import SetBool

from sensorium_core.bringup import Bringup, BringupConfig, Do, Phase
from sensorium_core.errors import SensoriumError
from sensorium_core.nodes.managed import HEARTBEAT, ManagedNode
from sensorium_core.nodes.messages import diagnostics
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node

_TICK_S = 0.02
_FAREWELL_S = 0.25
"""How long a node may take to deactivate before the next one is asked, when all of it ends."""
_FAREWELLS_S = 2.0
_IDS = {
    Do.CONFIGURE: Transition.TRANSITION_CONFIGURE,
    Do.ACTIVATE: Transition.TRANSITION_ACTIVATE,
}


class BringupNode(ManagedNode):
    """`heartbeat` and lifecycle services of the nodes in; `bringup/status` out."""

    def __init__(self) -> None:
        super().__init__("bringup")
        self._bringup: Bringup | None = None

    def configure(self) -> None:
        """Read which nodes there are."""
        self._config = declare_config(self, BringupConfig())
        prefix = self.get_namespace().rstrip("/") + "/"
        self._names = {f"{prefix}{name}": name for name in self._config.names}
        self._loggers = {
            full.strip("/").replace("/", "."): name for full, name in self._names.items()
        }
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._status = self.create_publisher(DiagnosticArray, "bringup/status", latched)

    def activate(self) -> None:
        """Begin to bring the others up."""
        self._bringup = Bringup(self._config, time.monotonic())
        self._told: tuple[object, ...] = ()
        self._ask_state, self._change_state = (
            {name: self.create_client(kind, f"{name}/{word}") for name in self._config.names}
            for kind, word in ((GetState, "get_state"), (ChangeState, "change_state"))
        )
        self._arm = self.create_client(SetBool, "gate/arm")
        self.create_subscription(Header, HEARTBEAT, self._on_beat, QoSProfile(depth=100))
        self.create_subscription(
            DiagnosticArray, "gate/status", self._on_gate, QoSProfile(depth=10)
        )
        self.create_subscription(Log, "/rosout", self._on_log, QoSProfile(depth=100))
        self.create_timer(_TICK_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))

    @property
    def verdict(self) -> str:
        """Why the stack must end; empty while it need not."""
        return self._bringup.verdict if self._bringup is not None else ""

    def _on_beat(self, message: Header) -> None:
        name = self._names.get(message.frame_id)
        if name is not None:
            self._bringup.beat(name, time.monotonic())

    def _on_gate(self, message: DiagnosticArray) -> None:
        values = {pair.key: pair.value for status in message.status for pair in status.values}
        self._bringup.gate_state(values.get("state", ""))

    def _on_log(self, message: Log) -> None:
        name = self._loggers.get(message.name)
        if name is not None and message.level >= LoggingSeverity.ERROR:
            self._bringup.complain(name, message.msg.strip().splitlines()[-1])

    def _tick(self) -> None:
        if self.verdict:
            return
        for name, what in self._bringup.update(time.monotonic(), self._can):
            self._do(name, what)
        for line in self._bringup.news:
            self.get_logger().info(line)
        self._bringup.news.clear()
        if self.verdict:
            self.get_logger().fatal(f"the system stops: {self.verdict}")
        self._report()

    def _client(self, name: str, what: Do) -> Client:
        if what is Do.ARM:
            return self._arm
        return (self._ask_state if what is Do.ASK else self._change_state)[name]

    def _can(self, name: str, what: Do) -> bool:
        return bool(self._client(name, what).service_is_ready())

    def _do(self, name: str, what: Do) -> None:
        request: Any = GetState.Request()
        if what is Do.ARM:
            request = SetBool.Request(data=True)
        elif what is not Do.ASK:
            request = ChangeState.Request(transition=Transition(id=_IDS[what]))
        answer = self._client(name, what).call_async(request)
        answer.add_done_callback(partial(self._on_answer, name, what))

    def _on_answer(self, name: str, what: Do, answer: Future) -> None:
        response, now_s = answer.result(), time.monotonic()
        if response is None:
            return
        if what is Do.ASK:
            self._bringup.state(name, response.current_state.label, now_s)
        else:
            self._bringup.done(name, what, response.success, now_s)
        self._tick()

    def _report(self) -> None:
        """Tell the state of every node when it changed."""
        members = self._bringup.members.values()
        state = (self.verdict, *((m.phase, m.restarts) for m in members))
        if state == self._told:
            return
        self._told = state
        up = all(member.phase is Phase.ACTIVE for member in members)
        level = DiagnosticStatus.OK if up else DiagnosticStatus.WARN
        text = "all active" if up else self._waits()
        if self.verdict:
            level, text = DiagnosticStatus.ERROR, self.verdict
        values = {m.name: f"{m.phase.value}, {m.restarts} restarts" for m in members}
        now_ns = self.get_clock().now().nanoseconds
        self._status.publish(diagnostics(now_ns, "bringup", level, text, values))

    def _waits(self) -> str:
        members = self._bringup.members.values()
        lost = [m.name for m in members if m.phase is Phase.LOST]
        if lost:
            return f"lost: {', '.join(lost)}"
        return f"not active: {', '.join(m.name for m in members if m.phase is not Phase.ACTIVE)}"

    def deactivate_all(self, spin: Any) -> None:
        """Deactivate the nodes, last first, if they answer; `spin(future, timeout_s)` waits."""
        if self._bringup is None or self.verdict:
            return
        end_s = time.monotonic() + _FAREWELLS_S
        request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
        active = [m.name for m in self._bringup.members.values() if m.phase is Phase.ACTIVE]
        for name in reversed(active):
            answer = self._change_state[name].call_async(request)
            spin(answer, min(_FAREWELL_S, end_s - time.monotonic()))
            if not answer.done():
                return


def _has_ended(node: BringupNode) -> bool:
    if node.verdict:
        raise SensoriumError(f"the system stops: {node.verdict}")
    return False


def main(args: list[str] | None = None) -> None:
    """Bring the stack up and watch it, until SIGINT, SIGTERM or until it must end."""
    run_node(BringupNode, args, _has_ended, BringupNode.deactivate_all)


if __name__ == "__main__":
    main()
