"""The gate's process: converts messages, asks `Gate`, publishes. The only publisher to the arm.

One thread, the events executor's, at real-time priority where the system allows it. An exception
in a callback stops the arm; the process lives on.
An inactive gate hears nobody and has no `gate/arm`: nothing reaches the arm.
"""

import traceback
from collections.abc import Callable
from functools import partial
from time import monotonic_ns, time_ns
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import JointState
from sensorium_core.contract import load_contract
from sensorium_core.errors import MessageDecodeError, TrajectoryError
from sensorium_core.kinematics import ARM_JOINTS, GRIPPER_JOINT, JOINTS
from sensorium_core.nodes.guarded import GuardedNode
from sensorium_core.nodes.messages import (
    trajectory_from_message,
    trajectory_to_message,
)
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.priority import GATE_PRIORITY
from sensorium_core.nodes.process import run_node
from sensorium_core.nodes.raw import JointStateReader, read_wrench
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_urdf
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from trajectory_msgs.msg import JointTrajectory

from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.nodes.status import status_message
from sensorium_control.reasons import Reason

PROPOSED = "command/joint_trajectory"
COMMANDED = ("arm_controller/joint_trajectory", "gripper_controller/joint_trajectory")
_TICK_S = 0.005
_STATUS_S = 0.1
_SIMULATED_STEP_S = 0.2
_GRAPH_S = 0.1
_LOOKS, _AS_ONE_NS = 3, 1_000_000
_JOINTS_HZ, _QUEUE_S = 500.0, 0.1
"""How much of a sense may wait for the gate."""


class GateNode(GuardedNode):
    """`command/joint_trajectory` in; `arm_controller/` and `gripper_controller/` out, or not."""

    def __init__(self) -> None:
        super().__init__("gate")
        self._simulated_time = self.get_parameter("use_sim_time").value

    def configure(self) -> None:
        """Build the gate, disarmed, and its publishers."""
        self._gate = self._build_gate()
        self._joint_reader = JointStateReader(JOINTS)
        self._reported: tuple[object, ...] = ()
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._arm = self.create_publisher(JointTrajectory, COMMANDED[0], 10)
        self._gripper = self.create_publisher(JointTrajectory, COMMANDED[1], 10)
        self._status = self.create_publisher(DiagnosticArray, "gate/status", latched)

    def activate(self) -> None:
        """Listen and answer; what undoes it disarms, and the arm rests where it is told to."""
        self.undo_by(self._rest)
        self._listen()
        self.create_service(SetBool, "gate/arm", self.guard_service(self._on_arm))
        self.create_service(Trigger, "gate/stop", self.guard_service(self._on_stop))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_TICK_S, self.guard(self._on_tick), clock=steady)
        self.create_timer(_GRAPH_S, self.guard(self._on_graph), clock=steady)
        self.create_timer(_STATUS_S, self.guard(self._report), clock=steady)
        self.ask_for_priority(GATE_PRIORITY, "a busy machine may delay the gate; see docs/gate.md")

    def _rest(self) -> None:
        self._arm_when_ready = False
        self._gate.disarm(self._now_ns())
        self._finish()

    def _build_gate(self) -> Gate:
        def parameter(name: str, default: object) -> Any:
            return self.declare_parameter(name, default).value

        contract = load_contract(parameter("contract", ""))
        self._controller = parameter("controller", "")
        required = [name for name in parameter("required_senses", ["wrench"]) if name]
        self._arm_when_ready = parameter("arm_on_start", False)
        urdf_xml = parameter("robot_description", "") or load_urdf()
        given = {"clock_step_s": _SIMULATED_STEP_S} if self._simulated_time else {}
        config = declare_config(self, GateConfig.from_contract(contract, required, **given))
        self._max_points = config.max_points
        self._felt = [m for m in contract.modalities if m.name in config.required_senses]
        self._felt += [m for m in contract.modalities if m.name == "wrench" not in required]
        return Gate(config, urdf_xml)

    def _listen(self) -> None:
        """Hear joints, the senses that are felt (the wrench always), proposals and heartbeats."""
        self._subscribe(JointState, "joint_states", self._on_joints, _sensor_qos(_JOINTS_HZ), True)
        for modality in self._felt:
            heard, qos = partial(self._on_felt, modality.name), _sensor_qos(modality.rate_hz)
            self._subscribe(WrenchStamped, modality.topic, heard, qos, True)
        self._subscribe(JointTrajectory, PROPOSED, self._on_proposal, QoSProfile(depth=5))
        self._subscribe(Header, "command/heartbeat", self._on_heartbeat, QoSProfile(depth=5))

    def _subscribe(
        self, kind: type, topic: str, callback: Callable, qos: QoSProfile, raw: bool = False
    ) -> None:
        self.create_subscription(kind, topic, self.guard(callback), qos, raw=raw)

    def _now_ns(self) -> int:
        """Time of the node's clock; asking the system for it costs a tenth of asking rclpy."""
        return int(self.get_clock().now().nanoseconds) if self._simulated_time else time_ns()

    def _both_clocks(self) -> tuple[int, int]:
        """Node time and monotonic time of one moment, even where another process came between."""
        for _ in range(_LOOKS):
            before, now_ns, after = monotonic_ns(), self._now_ns(), monotonic_ns()
            if after - before < _AS_ONE_NS:
                break
        return now_ns, after

    def _on_proposal(self, message: JointTrajectory) -> None:
        try:
            trajectory = trajectory_from_message(message, self._max_points)
        except TrajectoryError as error:
            self._gate.refuse_malformed(str(error))
        else:
            decision = self._gate.propose(trajectory, self._now_ns())
            self._send(decision.trajectory)
        self._finish()

    def _on_joints(self, payload: bytes) -> None:
        try:
            read = self._joint_reader.read(payload)
        except MessageDecodeError:
            read = None
        if read is None:
            self._gate.drop_measurement()
        else:
            self._gate.observe_joints(*read, self._now_ns())

    def _on_felt(self, name: str, payload: bytes) -> None:
        try:
            stamp_ns, wrench = read_wrench(payload)
        except MessageDecodeError:
            self._gate.drop_measurement()
            return
        if name == "wrench":
            self._gate.observe_wrench(stamp_ns, wrench, self._now_ns())
            self._finish()
        else:
            self._gate.observe_sense(name, stamp_ns, self._now_ns(), wrench.tolist())

    def _on_heartbeat(self, _: Header) -> None:
        self._gate.observe_heartbeat(self._now_ns())

    def _on_graph(self) -> None:
        """Count who proposes, who commands and who obeys."""
        listeners = self.get_subscriptions_info_by_topic(COMMANDED[0])
        named = [i for i in listeners if self._controller in ("", i.node_name)]
        commanders = max(self.count_publishers(topic) for topic in COMMANDED)
        self._gate.observe_graph(self.count_publishers(PROPOSED), commanders, len(named))

    def _on_tick(self) -> None:
        now_ns, steady_ns = self._both_clocks()
        if self._arm_when_ready and self._gate.arm(now_ns).accepted:
            self._arm_when_ready = False
        self._gate.tick(now_ns, steady_ns)
        self._finish()

    def _on_arm(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._arm_when_ready = False
        if request.data:
            decision = self._gate.arm(self._now_ns())
            response.success, response.message = decision.accepted, decision.detail
        else:
            self._gate.disarm(self._now_ns())
            response.success, response.message = True, self._gate.state.value
        self._finish()
        return response

    def _on_stop(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._arm_when_ready = False
        self._gate.stop(self._now_ns(), Reason.OPERATOR_STOP, "somebody called gate/stop")
        response.success, response.message = True, "stopped; call gate/arm to go on"
        self._finish()
        return response

    def _finish(self) -> None:
        """Send the hold that the last call may have caused, and tell when something changed."""
        self._send(self._gate.pop_reaction())
        cause = self._gate.cause
        if (self._gate.state, cause.reason) != self._reported:
            self._reported = (self._gate.state, cause.reason)
            self.get_logger().info(f"{self._gate.state.value}: {cause.detail}")
            self._report()

    def _send(self, trajectory: Trajectory | None) -> None:
        if trajectory is not None:
            self._arm.publish(trajectory_to_message(trajectory.select(ARM_JOINTS)))
            self._gripper.publish(trajectory_to_message(trajectory.select((GRIPPER_JOINT,))))

    def _report(self) -> None:
        now_ns = self._now_ns()
        self._status.publish(status_message(self._gate.status(now_ns), now_ns))

    def fail(self, error: Exception) -> str:
        """Stop the arm after an exception; the process lives on."""
        self.get_logger().error(traceback.format_exc())
        detail = f"{type(error).__name__}: {error}"
        self._gate.stop(self._now_ns(), Reason.INTERNAL_ERROR, detail)
        self._send(self._gate.pop_reaction())
        try:
            self._finish()
        except Exception:  # noqa: BLE001 - the arm is told to rest; nobody can be told why
            self.get_logger().error(traceback.format_exc())
        return f"internal error: {error}"


def _sensor_qos(rate_hz: float) -> QoSProfile:
    reliability = qos_profile_sensor_data.reliability
    return QoSProfile(depth=max(5, round(rate_hz * _QUEUE_S)), reliability=reliability)


def main(args: list[str] | None = None) -> None:
    """Run the gate until SIGINT or SIGTERM."""
    run_node(GateNode, args)


if __name__ == "__main__":
    main()
