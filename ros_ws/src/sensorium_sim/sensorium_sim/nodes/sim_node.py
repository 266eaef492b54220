"""The simulated cell as a ROS node: the topics of a real one, plus ground truth and verdicts.

One thread, the events executor's. Faults and episodes are parameters, so that the standard
parameter services and `ros2 param set` drive them while the node runs:

    ros2 param set /sim fault.wrench silence
    ros2 param set /sim episode.goal "push blue cylinder left"

Which cell it is, `tabletop` or `touch`, is fixed when it starts: they do not give the same bytes.
While inactive time stands still in the cell; each activation begins the episode anew.
"""

import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterDescriptor, SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensorium_core.errors import EpisodeError, SensoriumError, TrajectoryError
from sensorium_core.nodes.managed import ManagedNode
from sensorium_core.nodes.messages import diagnostics, trajectory_from_message
from sensorium_core.nodes.parameters import declare_config
from sensorium_core.nodes.process import run_node
from std_msgs.msg import String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory
from visualization_msgs.msg import MarkerArray

from sensorium_sim.cells import CELLS, playable
from sensorium_sim.episode import Episode, Judge, find_episode
from sensorium_sim.faults import KINDS, SENSORS, Fault, Reading
from sensorium_sim.live import LiveCell
from sensorium_sim.nodes.sensor_publishers import SensorPublishers
from sensorium_sim.nodes.truth_messages import marker_array, no_markers, outcome_message

_TRUTH_S = 0.1
_REPORT_S = 1.0
_FAULT = "fault."
_EPISODE = ("episode.seed", "episode.goal")
_CAMERAS = ("scene", "wrist")


@dataclass(frozen=True)
class SimConfig:
    """What is fixed when the simulator starts."""

    cell: str = "tabletop"
    """`tabletop`, or `touch`: with all that the nine families need, and another arm."""
    camera_width: int = 640
    """Columns of every picture; pictures are 4:3."""
    camera_height: int = 480
    """Rows of every picture."""
    camera_rate_hz: float = 30.0
    """Frames per second of each camera."""
    wrist_depth: bool = False
    """Whether the wrist camera publishes depth too."""
    tick_s: float = 0.006
    """How often the simulation catches up with the clock; fast sensors come in such batches."""
    noise_seed: int = 0
    """Chooses the sensor noise, together with the scene's seed."""

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise EpisodeError(f"cell {self.cell!r}", " or ".join(CELLS))
        if self.camera_width * 3 != self.camera_height * 4 or self.camera_height < 96:
            got = f"{self.camera_width}x{self.camera_height}"
            raise EpisodeError(f"camera size {got}", "4:3 and at least 128x96")
        if not 0.0 < self.camera_rate_hz <= 100.0:
            raise EpisodeError(f"camera_rate_hz {self.camera_rate_hz:g}", "0 to 100")
        if not 0.001 <= self.tick_s <= 0.05:
            raise EpisodeError(f"tick_s {self.tick_s:g}", "0.001 to 0.05")


class SimNode(ManagedNode):
    """Runs a `LiveCell` and judges its episodes."""

    def __init__(self) -> None:
        super().__init__("sim")

    def configure(self) -> None:
        """Build the cell and its publishers; nothing moves yet."""
        self._config = declare_config(self, SimConfig())
        self._declare_episode()
        self._declare_faults()
        self._live = self._build(self._config)
        self.undo_by(self._live.cell.close)
        self.add_on_set_parameters_callback(self._check_parameters)
        self.undo_by(self.remove_on_set_parameters_callback, self._check_parameters)
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._markers = self.create_publisher(MarkerArray, "sim/ground_truth", 10)
        self._outcomes = self.create_publisher(DiagnosticArray, "sim/outcome", latched)
        self._diagnostics = self.create_publisher(DiagnosticArray, "diagnostics", 10)

    def activate(self) -> None:
        """Begin the episode and let time pass."""
        for sensor in SENSORS:
            fault = self.get_parameter(f"{_FAULT}{sensor}").value
            self._live.faults.set(sensor, Fault.parse(sensor, fault))
        self.add_post_set_parameters_callback(self._take_parameters)
        self.undo_by(self.remove_post_set_parameters_callback, self._take_parameters)
        self._listen()
        self._begin(self._find(*(self.get_parameter(name).value for name in _EPISODE)))
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(self._config.tick_s, self._live.advance, clock=steady)
        self.create_timer(_TRUTH_S, self._publish_truth, clock=steady)
        self.create_timer(_REPORT_S, self._report, clock=steady)

    def _build(self, config: SimConfig) -> LiveCell:
        size = config.camera_width, config.camera_height
        cell = CELLS[config.cell](*size, _CAMERAS, config.noise_seed)
        depth = frozenset(_CAMERAS if config.wrist_depth else _CAMERAS[:1])
        publishers = SensorPublishers(
            self,
            cell.joint_names,
            {name: cell.camera_info(name)[0] for name in _CAMERAS},
            (config.camera_height, config.camera_width),
            depth,
        )
        self._published = publishers.counts
        self._frame_delays_s: deque[float] = deque(maxlen=64)

        def send(reading: Reading) -> None:
            publishers.publish(reading)
            if reading.sensor == "scene_depth":
                self._frame_delays_s.append((time.time_ns() - reading.stamp_ns) * 1e-9)

        return LiveCell(cell, _CAMERAS, config.camera_rate_hz, depth, send, config.tick_s)

    def _declare_episode(self) -> None:
        """Declare what is judged. Raises on a goal that there is none of."""
        seed = self.declare_parameter(
            "episode.seed", 0, ParameterDescriptor(description="seed of the scene")
        ).value
        goal = self.declare_parameter(
            "episode.goal",
            "pick",
            ParameterDescriptor(description="what is judged, such as `pick red cube` or `none`"),
        ).value
        self._find(seed, goal)

    def _find(self, seed: int, goal: str) -> Episode:
        """The episode that is meant. Raises `EpisodeError` on one that this cell cannot play."""
        return playable(find_episode(seed, goal), self._config.cell)

    def _declare_faults(self) -> None:
        described = "; ".join(f"{kind}: {words}" for kind, words in KINDS.items())
        for sensor in SENSORS:
            fault = self.declare_parameter(
                f"{_FAULT}{sensor}", "none", ParameterDescriptor(description=described)
            ).value
            Fault.parse(sensor, fault)

    def _listen(self) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        for topic in ("arm_controller/joint_trajectory", "gripper_controller/joint_trajectory"):
            self.create_subscription(JointTrajectory, topic, self._on_trajectory, 10)
        self.create_subscription(String, "instruction", self._on_instruction, latched)
        self.create_service(Trigger, "~/reset", self._on_reset)

    def _begin(self, episode: Episode) -> None:
        self._episode = episode
        self._judge = Judge(episode)
        self._live.reset(episode.scene)
        self._markers.publish(no_markers())
        self._publish_truth()
        self.get_logger().info(f"scene {episode.seed}, goal: {episode.goal_text}")

    def _on_trajectory(self, message: JointTrajectory) -> None:
        try:
            problem = self._live.command(trajectory_from_message(message))
        except TrajectoryError as error:
            problem = str(error)
        if problem:
            self.get_logger().warning(f"trajectory not followed: {problem}")

    def _on_instruction(self, message: String) -> None:
        if message.data.strip():
            self._judge.told(self._live.cell.ground_truth())

    def _on_reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._begin(self._episode)
        response.success, response.message = True, f"scene {self._episode.seed}"
        return response

    def _check_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        try:
            for parameter in parameters:
                if parameter.name.startswith(_FAULT):
                    sensor = parameter.name.removeprefix(_FAULT)
                    Fault.parse(sensor, str(parameter.value))
            self._wanted_episode(parameters)
        except SensoriumError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _wanted_episode(self, parameters: list[Parameter]) -> Episode | None:
        """The episode that a change of parameters asks for, if any."""
        changed = {p.name: p.value for p in parameters if p.name in _EPISODE}
        if not changed:
            return None
        seed, goal = (changed.get(name, self.get_parameter(name).value) for name in _EPISODE)
        return self._find(seed, goal)

    def _take_parameters(self, parameters: list[Parameter]) -> None:
        for parameter in parameters:
            if parameter.name.startswith(_FAULT):
                sensor = parameter.name.removeprefix(_FAULT)
                self._live.faults.set(sensor, Fault.parse(sensor, parameter.value))
                self.get_logger().info(f"{sensor}: {parameter.value}")
        episode = self._wanted_episode(parameters)
        if episode is not None:
            self._begin(episode)

    def _publish_truth(self) -> None:
        state, stamp_ns = self._live.cell.ground_truth(), self._live.stamp_ns
        before = self._judge.verdict.status
        verdict = self._judge.update(state)
        if verdict.status != before:
            self.get_logger().info(f"{verdict.status}: {verdict.reason}")
        self._markers.publish(marker_array(state, stamp_ns))
        self._outcomes.publish(outcome_message(self._episode, verdict, stamp_ns))

    def _report(self) -> None:
        factor, faults = self._live.pacer.real_time_factor(), self._live.faults.active
        slow = factor < 0.98
        level = DiagnosticStatus.WARN if slow or faults else DiagnosticStatus.OK
        text = "slower than real time" if slow else "real time"
        delay_s = float(np.median(self._frame_delays_s)) if self._frame_delays_s else 0.0
        values = {
            "frame_published_after_s": f"{delay_s:.4f}",
            "real_time_factor": f"{factor:.3f}",
            "time_lost_s": f"{self._live.pacer.lost_ns * 1e-9:.3f}",
            "trajectories_not_followed": str(self._live.rejected),
            **{f"published/{sensor}": str(n) for sensor, n in self._published.items()},
            **{f"{_FAULT}{sensor}": fault for sensor, fault in faults.items()},
        }
        self._diagnostics.publish(diagnostics(self._live.stamp_ns, "sim", level, text, values))


def main(args: list[str] | None = None) -> None:
    """Run the simulator until SIGINT or SIGTERM."""
    run_node(SimNode, args)


if __name__ == "__main__":
    main()
