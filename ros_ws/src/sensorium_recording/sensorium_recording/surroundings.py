"""What a bag tells besides the senses: words, commands, the simulator's truth, the camera's place.

Belongs to one pass over a bag; keeps no more than a few seconds. ROS-free.
"""

from collections import deque
from typing import TypeVar

from sensorium_core.contract import Contract
from sensorium_core.geometry import Camera
from sensorium_core.policy_description import TOPIC as POLICY_DESCRIPTION
from sensorium_core.policy_description import PolicyDescription
from sensorium_core.trajectory import Trajectory
from sensorium_core.used_messages import read_used

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.episodes import (
    ARM_COMMAND,
    GRIPPER_COMMAND,
    INSTRUCTION,
    STATE,
    STATIC_TRANSFORMS,
    camera_info_topic,
    depth_camera,
    joined_command,
    posed_camera,
)
from sensorium_recording.messages import decode_string, decode_trajectory, diagnostic_values
from sensorium_recording.pending import SAME_CLOCK_NS

POLICY_STEP = "policy/step"
_KEPT = 64
"""Halves of commands and states that wait for their partner or their frame."""
_Value = TypeVar("_Value")


class Surroundings:
    """Takes the slow messages in, by relative topic, and answers for one frame after another."""

    def __init__(self, contract: Contract) -> None:
        self._joints = contract.action.joints
        self._depth = next(m for m in contract.modalities if m.kind == "depth")
        self._info = camera_info_topic(self._depth)
        self._told: deque[tuple[int, str]] = deque()
        self._halves: dict[str, dict[int, Trajectory]] = {ARM_COMMAND: {}, GRIPPER_COMMAND: {}}
        self._commands: list[Trajectory] = []
        self._states: dict[int, str] = {}
        self._used: dict[int, dict[str, list[int]]] = {}
        self._camera_messages: dict[str, RawMessage] = {}
        self.camera: Camera | None = None
        """The depth camera, once its intrinsics and its pose have come.

        The pose that the policy used counts before that of the static transforms."""

    @property
    def topics(self) -> tuple[str, ...]:
        """What `take` understands."""
        return (
            INSTRUCTION, ARM_COMMAND, GRIPPER_COMMAND, STATE, STATIC_TRANSFORMS,
            POLICY_DESCRIPTION, POLICY_STEP, self._info,
        )  # fmt: skip

    def take(self, topic: str, message: RawMessage) -> None:
        """Take a message in."""
        if topic == INSTRUCTION:
            self._told.append((message.log_time_ns, decode_string(message.payload)))
        elif topic == STATE:
            _keep(self._states, message.log_time_ns, decode_string(message.payload))
        elif topic == POLICY_STEP:
            self._take_step(message)
        elif topic in self._halves:
            self._take_command(topic, message)
        elif topic != self._info or topic not in self._camera_messages:
            self._take_camera(topic, message)

    def commands_before(self, t_ns: int) -> list[Trajectory]:
        """Commands with earlier stamps, each once.

        A command of this very stamp was computed from this frame and is not known to it.
        """
        early = [c for c in self._commands if c.stamp_ns < t_ns]
        self._commands = [c for c in self._commands if c.stamp_ns >= t_ns][-_KEPT:]
        return early

    def words_until(self, t_ns: int, log_time_ns: int) -> list[str]:
        """What was said until a stamp, each once; `log_time_ns` is when the frame was recorded.

        Text has no stamp. Its time of recording is compared with the frame's stamp where both
        come from one clock, else with the frame's time of recording.
        """
        now = t_ns if abs(log_time_ns - t_ns) < SAME_CLOCK_NS else log_time_ns
        words = []
        while self._told and self._told[0][0] <= now:
            words.append(self._told.popleft()[1])
        return words

    def state_at(self, t_ns: int) -> str | None:
        """The simulator's truth of this stamp as JSON."""
        return self._states.get(t_ns)

    def used_at(self, t_ns: int) -> dict[str, list[int]] | None:
        """By modality, stamps of the messages that a live step of this time was taken from."""
        return self._used.get(t_ns)

    def _take_step(self, message: RawMessage) -> None:
        t_ns, values = diagnostic_values(message.payload)
        used = read_used(t_ns, values)
        if used:
            stamps = {name: [stamp for stamp, _ in told] for name, told in used.items()}
            _keep(self._used, t_ns, stamps)

    def _take_command(self, topic: str, message: RawMessage) -> None:
        trajectory = decode_trajectory(message.payload)
        _keep(self._halves[topic], trajectory.stamp_ns, trajectory)
        arm, gripper = (half.get(trajectory.stamp_ns) for half in self._halves.values())
        if arm is not None and gripper is not None:
            command = joined_command(arm, gripper, self._joints)
            self._commands += [] if command is None else [command]

    def _take_camera(self, topic: str, message: RawMessage) -> None:
        self._camera_messages[topic] = message
        info = self._camera_messages.get(self._info)
        static = self._camera_messages.get(STATIC_TRANSFORMS)
        told = self._camera_messages.get(POLICY_DESCRIPTION)
        if info is not None and told is not None:
            pose = PolicyDescription.from_json(decode_string(told.payload)).camera_pose
            self.camera = posed_camera(info, pose)
        elif info is not None and static is not None:
            camera = depth_camera([info], [static], self._depth.frame)
            self.camera = self.camera if camera is None else camera


def _keep(waiting: dict[int, _Value], key: int, value: _Value) -> None:
    waiting[key] = value
    while len(waiting) > _KEPT:
        del waiting[next(iter(waiting))]
