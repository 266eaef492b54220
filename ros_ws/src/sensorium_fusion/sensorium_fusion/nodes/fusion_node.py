"""The policy as a ROS node: senses and an instruction in, proposed trajectories out.

Converts messages, runs `Runner`, publishes. One thread, the events executor's. A step is taken
when a frame of the depth camera is complete, at the frame's stamp; a slow timer steps when frames
stay away, so that a dead camera is noticed and said. An inactive node senses and proposes nothing.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState
from sensorium_core.calibration import load_camera_calibration
from sensorium_core.contract import Modality
from sensorium_core.errors import (
    ContractError,
    PolicyFileError,
    SensoriumError,
    TrajectoryError,
)
from sensorium_core.geometry import Camera
from sensorium_core.hashes import file_sha256, text_sha256
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import LanguageEncoder
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.messages import (
    trajectory_from_message,
    trajectory_to_message,
)
from sensorium_core.nodes.process import run_node
from sensorium_core.policy import Policy
from sensorium_core.policy_description import PolicyDescription
from sensorium_description import load_urdf
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sensorium_fusion.frames import FramePair
from sensorium_fusion.nodes.step_message import step_message
from sensorium_fusion.runner import Runner
from sensorium_fusion.sensor_messages import Decoder, decoder
from sensorium_fusion.step import State

_IDLE_S = 0.2
_FRAMES_GONE_S = 0.15
_ACTIVE = (State.GROUNDING, State.ACTING, State.HOLDING)
MESSAGES = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
}
_COMMANDED = ("arm_controller/joint_trajectory", "gripper_controller/joint_trajectory")


class FusionNode(ManagedNode):
    """Topics of the policy's contract in; `command/joint_trajectory` and `policy/step` out."""

    def __init__(self) -> None:
        super().__init__("fusion")

    def configure(self) -> None:
        """Load the policy and run it once; make its publishers."""
        urdf_xml = self._parameter("robot_description", "") or load_urdf()
        policy = self._load_policy()
        self.contract = policy.contract
        language = LanguageEncoder(Path(self._parameter("language", "")))
        self._drop = self._dropped_senses()
        self._runner = Runner(policy, language, Kinematics(urdf_xml), self._drop)
        self._runner.warm_up()
        self._setup_frames(urdf_xml)
        self._setup_publishers()
        about = PolicyDescription(
            policy.sha256,
            file_sha256(language.path),
            text_sha256(urdf_xml),
            tuple(sorted(self._drop)),
            tuple(self._T_base_optical.ravel().tolist()),
        )
        self._descriptions.publish(String(data=about.to_json()))
        self.get_logger().info(f"policy {policy.path}, sha256 {policy.sha256[:12]}")

    def activate(self) -> None:
        """Sense and propose; what was sensed or told before does not count."""
        self._runner.reset()
        self._instruction = ""
        self._problems: dict[str, str] = {}
        self._last_step_s = self._last_frame_s = 0.0
        self._listen()
        self.create_service(Trigger, "~/reset", self._on_reset)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_IDLE_S, self._on_idle, clock=steady)

    def _parameter(self, name: str, default: object) -> Any:
        return self.declare_parameter(name, default).value

    def _load_policy(self) -> Policy:
        policy = Policy(Path(self._parameter("policy", "models/tabletop")))
        wanted = self._parameter("policy_sha256", "")
        if wanted and policy.sha256 != wanted:
            raise PolicyFileError(policy.path, f"has sha256 {policy.sha256}", f"expected {wanted}")
        return policy

    def _dropped_senses(self) -> frozenset[str]:
        drop = frozenset(name for name in self._parameter("drop", "").split(",") if name)
        unknown = sorted(drop - set(self.contract.senses))
        if unknown:
            raise ContractError(
                self.contract.name, f"has no senses {unknown}", f"known: {self.contract.senses}"
            )
        return drop

    def _setup_frames(self, urdf_xml: str) -> None:
        depth = next(m for m in self.contract.modalities if m.kind == "depth")
        colour = self.contract.modality(depth.name.replace("_depth", "_rgb"))
        self._frame = FramePair(colour.max_age_s)
        self._completes: dict[str, Callable[[int], int | None]] = {
            colour.name: self._frame.colour,
            depth.name: self._frame.depth,
        }
        self._T_base_optical = self._camera_pose(urdf_xml, depth.frame)
        self._camera: Camera | None = None
        self._camera_info = f"{depth.topic.split('/depth/')[0]}/camera_info"

    def _camera_pose(self, urdf_xml: str, frame: str) -> np.ndarray:
        """`T_base_optical` from a calibration file, or else from the description."""
        path = self._parameter("camera_calibration", "")
        if path:
            return load_camera_calibration(Path(path)).pose.matrix
        return Kinematics(urdf_xml, tool_frame=frame).fk(np.zeros(6))

    def _subscribe_modality(self, modality: Modality) -> None:
        decode = decoder(modality, self.contract)
        queue = max(2, round(modality.rate_hz * 0.1))

        def receive(payload: bytes) -> None:
            self._on_sense(modality.name, decode, payload)

        message = MESSAGES[modality.message]
        self.create_subscription(message, modality.topic, receive, _sensor_qos(queue), raw=True)

    def _setup_publishers(self) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._proposals = self.create_publisher(JointTrajectory, "command/joint_trajectory", 5)
        self._steps = self.create_publisher(DiagnosticArray, "policy/step", 10)
        self._descriptions = self.create_publisher(String, "policy/description", latched)

    def _listen(self) -> None:
        for modality in self.contract.modalities:
            self._subscribe_modality(modality)
        self.create_subscription(
            CameraInfo, self._camera_info, self._on_camera_info, _sensor_qos(1)
        )
        for topic in _COMMANDED:
            self.create_subscription(JointTrajectory, topic, self._on_commanded, 10)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.create_subscription(String, "instruction", self._on_instruction, latched)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _on_sense(self, name: str, decode: Decoder, payload: bytes) -> None:
        try:
            stamp_ns, value = decode(payload)
            self._runner.push(name, stamp_ns, value)
        except SensoriumError as error:
            self._note_problem(name, str(error))
            return
        if name in self._completes:
            self._problems.pop(name, None)
            frame_ns = self._completes[name](stamp_ns)
            if frame_ns is not None:
                self._last_frame_s = time.monotonic()
                if self._runner.due(frame_ns):
                    self._step(frame_ns)

    def _note_problem(self, name: str, problem: str) -> None:
        if self._problems.get(name) != problem:
            self.get_logger().error(problem)
        self._problems[name] = problem

    def _on_camera_info(self, message: CameraInfo) -> None:
        k = message.k
        intrinsics = (float(k[0]), float(k[4]), float(k[2]), float(k[5]))
        size = (message.height, message.width)
        known = self._camera
        if known is None or (known.intrinsics, known.size) != (intrinsics, size):
            self._camera = Camera(intrinsics, size, self._T_base_optical)
            self._runner.set_camera(self._camera)

    def _on_commanded(self, message: JointTrajectory) -> None:
        try:
            self._runner.commanded(trajectory_from_message(message).validate())
        except TrajectoryError as error:
            self._note_problem("command", str(error))

    def _on_instruction(self, message: String) -> None:
        self._instruction = message.data
        self._runner.instruct(message.data)
        self.get_logger().info(f"told: {message.data!r}; {self._runner.reason}")
        if self._runner.state not in _ACTIVE:
            self._step(self._now_ns())

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._runner.reset()
        self._instruction = ""
        response.success, response.message = True, "forgot senses, commands and instruction"
        return response

    def _on_idle(self) -> None:
        """Step when no frame did: to report while idle, to notice that frames stay away."""
        now_s = time.monotonic()
        if now_s - self._last_step_s < _IDLE_S:
            return
        resting = self._runner.state not in _ACTIVE
        gone = now_s - self._last_frame_s > _FRAMES_GONE_S
        if resting or (gone and self._runner.due(self._now_ns())):
            self._step(self._now_ns())

    def _step(self, t_ns: int) -> None:
        begun_ns = self._now_ns()
        step = self._runner.step(t_ns)
        if step.trajectory is not None:
            self._proposals.publish(trajectory_to_message(step.trajectory))
        sent_ns = self._now_ns()
        step.stages_s["arrive"] = (begun_ns - t_ns) * 1e-9
        step.stages_s["total"] = (sent_ns - t_ns) * 1e-9
        self._steps.publish(step_message(step, self.contract, self._instruction, self._problems))
        self._last_step_s = time.monotonic()


def _sensor_qos(depth: int) -> QoSProfile:
    return QoSProfile(depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT)


def main(args: list[str] | None = None) -> None:
    """Run the policy until SIGINT or SIGTERM."""
    run_node(FusionNode, args)


if __name__ == "__main__":
    main()
