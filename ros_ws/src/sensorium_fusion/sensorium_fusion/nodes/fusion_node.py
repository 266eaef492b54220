"""The policy as a ROS node: senses and an instruction in, proposed trajectories out.

Converts messages, runs `Runner`, publishes. One thread, the events executor's. A step is taken
when a frame of the depth camera is complete, at the frame's stamp; timers step when frames stay
away, so that a dead camera is noticed and said. Between, where there is a fast half, the wrench
ticks it, and what it proposes goes the same way. An exception in a callback makes the arm hold
until the next instruction; the process lives on. An inactive node senses and proposes nothing.
"""

import time
import traceback

from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.clock import Clock, ClockType
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from sensorium_core.contract import Modality
from sensorium_core.errors import SensoriumError, TrajectoryError
from sensorium_core.geometry import Camera
from sensorium_core.instruction import shown
from sensorium_core.kinematics import Kinematics
from sensorium_core.nodes.guarded import GuardedNode
from sensorium_core.nodes.messages import trajectory_from_message, trajectory_to_message
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.priority import POLICY_PRIORITY
from sensorium_core.nodes.process import run_node
from sensorium_core.printable import printable
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from sensorium_fusion.clock_watch import ClockWatch
from sensorium_fusion.config import HonestyConfig
from sensorium_fusion.fast_half import WRENCH
from sensorium_fusion.frames import Frames
from sensorium_fusion.instructions import CachedLanguage, Mailbox
from sensorium_fusion.nodes import policy_parameters as given
from sensorium_fusion.nodes.heartbeat import Heartbeat
from sensorium_fusion.nodes.qualities import CAMERA_INFO, LATCHED, sensor_qos
from sensorium_fusion.nodes.step_message import step_message
from sensorium_fusion.runner import Runner
from sensorium_fusion.sensor_messages import Decoder, decoder
from sensorium_fusion.step import State, Step

_IDLE_S, _WATCH_S = 0.2, 0.005
_FRAMES_GONE_S = 0.15
_LATE_S = 0.015
"""A watch that comes so late proves nothing missing: messages may wait behind a slow callback."""
_WRENCH_GONE_NS = 40_000_000
"""Ticks of the fast half that no wrench brings come so late: by then it is silent."""
MESSAGES = {
    "sensor_msgs/msg/Image": Image,
    "sensor_msgs/msg/JointState": JointState,
    "geometry_msgs/msg/WrenchStamped": WrenchStamped,
}
_COMMANDED = ("arm_controller/joint_trajectory", "gripper_controller/joint_trajectory")


class FusionNode(GuardedNode):
    """Topics of the policy's contract in; `command/joint_trajectory` and `policy/step` out."""

    def __init__(self) -> None:
        super().__init__("fusion")

    def configure(self) -> None:
        """Load the policy and run it once; make its publishers."""
        self._config = declare_config(self, HonestyConfig())
        self._simulated_time = bool(self.get_parameter("use_sim_time").value)
        urdf_xml = given.urdf_of(self)
        policy, language = given.policy_of(self), given.language_of(self)
        self.contract, fast = policy.contract, given.fast_policy_of(self)
        drop = given.dropped_senses(self, self.contract)
        encoder, arm = CachedLanguage(language), Kinematics(urdf_xml)
        self._runner = Runner(policy, encoder, arm, drop, self._config, fast)
        self._runner.warm_up()
        self._frames = Frames(self.contract)
        self._T_base_optical = given.camera_pose(self, urdf_xml, self._frames.depth.frame)
        self._setup_publishers()
        made_of = policy, language, urdf_xml, drop, self._T_base_optical
        about = given.description_of(*made_of, self._runner.fast.sha256)
        self._descriptions.publish(String(data=about.to_json()))
        self.get_logger().info(f"policy {policy.path}, sha256 {policy.sha256[:12]}")
        self.get_logger().info(self._runner.fast.words)

    def activate(self) -> None:
        """Sense and propose; what was sensed or told before does not count."""
        self._clock_watch = ClockWatch(self.contract, self._config, self._simulated_time)
        self._mailbox, self._camera = Mailbox(), None
        self._forget()
        self._last_step_s = self._last_frame_s = 0.0
        self._is_broken, self.progress_s = False, time.monotonic()
        self._listen()
        self.create_service(Trigger, "~/reset", self.guard_service(self._on_reset))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(_IDLE_S, self.guard(self._on_idle), clock=steady)
        self.create_timer(_WATCH_S, self.guard(self._on_watch), clock=steady)
        self.ask_for_priority(
            POLICY_PRIORITY,
            "a busy machine may delay the policy and its heartbeat, and the gate then holds",
        )
        self.undo_by(Heartbeat(self, self._is_alive).stop)

    def _forget(self) -> None:
        self._runner.reset()
        self._clock_watch.clear()
        self._mailbox.clear()
        self._frames.clear()
        self._instruction = ""
        self._problems: dict[str, str] = {}
        self._watched_s = 0.0
        self._must_rest = False

    def _setup_publishers(self) -> None:
        self._proposals = self.create_publisher(JointTrajectory, "command/joint_trajectory", 5)
        self._steps = self.create_publisher(DiagnosticArray, "policy/step", 10)
        self._descriptions = self.create_publisher(String, "policy/description", LATCHED)

    def _listen(self) -> None:
        for modality in self.contract.modalities:
            self._subscribe_modality(modality)
        info = f"{self._frames.depth.topic.split('/depth/')[0]}/camera_info"
        self.subscribe(CameraInfo, info, self._on_camera_info, CAMERA_INFO)
        for topic in _COMMANDED:
            self.subscribe(JointTrajectory, topic, self._on_commanded, QoSProfile(depth=10))
        self.subscribe(String, "instruction", self._on_instruction, LATCHED)

    def _subscribe_modality(self, modality: Modality) -> None:
        decode = decoder(modality, self.contract)

        def receive(payload: bytes) -> None:
            self._on_sense(modality.name, decode, payload)

        message, guarded = MESSAGES[modality.message], self.guard(receive)
        qos = sensor_qos(modality)
        self.create_subscription(message, modality.topic, guarded, qos, raw=True)

    def _now_ns(self) -> int:
        """Time of the node's clock; asking the system for it costs a tenth of asking rclpy."""
        return int(self.get_clock().now().nanoseconds) if self._simulated_time else time.time_ns()

    def _on_sense(self, name: str, decode: Decoder, payload: bytes) -> None:
        now_ns, steady_s = self._now_ns(), time.monotonic()
        self._watch_clock(now_ns, steady_s)
        try:
            stamp_ns, value = decode(payload)
            if not self._clock_watch.accept(name, stamp_ns, now_ns, steady_s):
                return
            self._runner.push(name, stamp_ns, value)
        except SensoriumError as error:
            self.note_problem(name, str(error))
            return
        self._problems.pop(name, None)
        if name == WRENCH:
            self._correct(stamp_ns)
        frame_ns = self._frames.complete(name, stamp_ns)
        if frame_ns is not None:
            self._last_frame_s = steady_s
            if self._runner.due(frame_ns, self._clock_watch.faults(now_ns, steady_s)):
                self._step(frame_ns)

    def _watch_clock(self, now_ns: int, steady_s: float) -> None:
        """Forget what was sensed when the clock jumped: its stamps mean nothing any more."""
        jump_s = self._clock_watch.jump_s(now_ns, steady_s)
        if not jump_s:
            return
        words = f"the clock jumped {'back' if jump_s < 0 else 'ahead'} by {abs(jump_s):.1f} s"
        self.get_logger().warning(words)
        self._clock_watch.clear()
        self._frames.clear()
        self._runner.restart_clock(words)
        self._must_rest = self._runner.is_active

    def note_problem(self, name: str, problem: str) -> None:
        """Tell once, and with every step until the next good message."""
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
            self.note_problem("command", str(error))

    def _on_instruction(self, message: String) -> None:
        self._mailbox.put(message.data)
        self._read_mail(time.monotonic())

    def _read_mail(self, steady_s: float) -> None:
        text = self._mailbox.take(steady_s)
        if text is None:
            return
        self._instruction = shown(text)
        self._runner.instruct(text)
        self.get_logger().info(f"told: {self._instruction!r:.80}; {self._runner.reason}")
        if not self._runner.is_active:
            self._step(self._now_ns())

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._forget()
        response.success, response.message = True, "forgot senses, commands and instruction"
        return response

    def _on_idle(self) -> None:
        """Step when no frame did: to report while idle, to notice that frames stay away."""
        now_s = time.monotonic()
        if now_s - self._last_step_s < _IDLE_S:
            return
        gone = now_s - self._last_frame_s > _FRAMES_GONE_S
        if not self._runner.is_active or (gone and self._runner.due(self._now_ns())):
            self._step(self._now_ns())

    def _on_watch(self) -> None:
        """Between frames: read a waiting instruction, notice what cannot wait for the next one."""
        now_ns, steady_s = self._now_ns(), time.monotonic()
        self._watch_clock(now_ns, steady_s)
        self._read_mail(steady_s)
        late, self._watched_s = steady_s - self._watched_s > _LATE_S, steady_s
        if self._must_rest or (not late and self._is_lacking(now_ns, steady_s)):
            self._step(now_ns)
        elif not late:
            self._correct(now_ns - _WRENCH_GONE_NS)

    def _is_lacking(self, now_ns: int, steady_s: float) -> bool:
        """Whether a moving arm lacks a required sense."""
        if self._runner.state not in (State.GROUNDING, State.ACTING):
            return False
        return self._runner.is_lacking(now_ns, self._clock_watch.faults(now_ns, steady_s))

    def _correct(self, t_ns: int) -> None:
        """The fast half's turn, where there is one; what it proposes goes where plans go."""
        if not self._runner.corrects_at(t_ns):
            return
        now_ns = self._now_ns()
        faults = self._clock_watch.faults(now_ns, time.monotonic())
        proposal = self._runner.correct(t_ns, faults, now_ns - t_ns)
        if proposal is not None:
            self._proposals.publish(trajectory_to_message(proposal))

    def _step(self, t_ns: int) -> None:
        begun_ns, begun_s = self._now_ns(), time.monotonic()
        self._must_rest = False
        step = self._runner.step(t_ns, self._clock_watch.faults(begun_ns, begun_s))
        step = self._withhold_if_late(step, (begun_ns - t_ns) * 1e-9 + time.monotonic() - begun_s)
        if step.trajectory is not None:
            self._proposals.publish(trajectory_to_message(step.trajectory))
        step.stages_s["arrive"] = (begun_ns - t_ns) * 1e-9
        step.stages_s["total"] = (self._now_ns() - t_ns) * 1e-9
        received_s = self._clock_watch.received_ages_s(begun_s)
        message = step_message(step, self.contract, self._instruction, self._problems, received_s)
        self._steps.publish(message)
        self._last_step_s, self._is_broken = time.monotonic(), False

    def _withhold_if_late(self, step: Step, late_s: float) -> Step:
        """Nothing moves on pictures that became old meanwhile; see `max_latency_s`."""
        limit_s = self._config.max_latency_s
        if step.trajectory is None or step.state is not State.ACTING or late_s <= limit_s:
            return step
        self._must_rest = True
        words = f"a step ended {1e3 * late_s:.0f} ms after its pictures were taken"
        return self._runner.withhold(step, f"{words}; at most {1e3 * limit_s:.0f} ms are allowed")

    def _is_alive(self) -> bool:
        """Whether the executor gets on and its steps succeed. Called by the heartbeat's thread."""
        return not self._is_broken and not self.is_stuck()

    def fail(self, error: Exception) -> str:
        """Refuse everything until the next instruction; where even that fails, beat no more."""
        words = f"internal error: {type(error).__name__}: {printable(str(error)):.160}"
        if self._runner.state is State.REFUSED and self._runner.reason == words:
            return words
        self.get_logger().error(traceback.format_exc())
        try:
            self._mailbox.clear()
            self._runner.refuse(words)
            self._step(self._now_ns())
        except Exception:  # noqa: BLE001 - nothing is left to do but to fall silent
            self._is_broken = True
            self.get_logger().error(f"silent from now on: {traceback.format_exc()}")
        return words


def main(args: list[str] | None = None) -> None:
    """Run the policy until SIGINT or SIGTERM."""
    run_node(FusionNode, args)


if __name__ == "__main__":
    main()
