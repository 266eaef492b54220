"""Fills a `PlotData` from the messages of a bag, in one pass. Not thread safe."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from sensorium_core.cdr import decode_joint_states, decode_wrenches
from sensorium_core.errors import SensoriumError
from sensorium_core.image_cdr import decode_image
from sensorium_core.trajectory import Trajectory

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.episode_log import is_topic
from sensorium_recording.episodes import ARM_COMMAND, GRIPPER_COMMAND
from sensorium_recording.messages import decode_diagnostics, decode_trajectory
from sensorium_recording.plot_data import STATES, PlotData, StreamTimes
from sensorium_recording.series import Series, Thumbnails

Array = NDArray[np.float64]
_Take = Callable[[list[int], list[bytes]], None]

_BATCH = 256
_HEAD = 12
_WAYPOINTS = 4
_MAX_JOINTS = 12
_TIMED = frozenset(
    {
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/CompressedImage",
        "sensor_msgs/msg/PointCloud2",
        "sensor_msgs/msg/JointState",
        "geometry_msgs/msg/WrenchStamped",
        "trajectory_msgs/msg/JointTrajectory",
    }
)
"""Types whose gaps are shown."""


class Collector:
    """Takes messages in; `finish` gives what they say."""

    def __init__(self, window_ns: tuple[int, int] | None = None) -> None:
        """Outside `window_ns`, log times, only episodes are followed."""
        self._data = PlotData()
        self._window_ns = window_ns
        self._pending: dict[str, tuple[list[int], list[bytes]]] = {}
        self._takes: dict[str, _Take] = {}
        self._commanded: dict[str, tuple[int, Trajectory]] = {}

    def take(self, message: RawMessage) -> None:
        """Take in one message, in the order of the bag."""
        topic, type_name, t_ns, payload = message
        self._data.episodes.take(topic, t_ns, payload)
        if self._window_ns and not self._window_ns[0] <= t_ns <= self._window_ns[1]:
            return
        self._data.note_time(t_ns)
        self._look(topic, type_name, t_ns, payload)
        if topic not in self._takes:
            self._takes[topic] = self._handler(topic, type_name)
            self._pending[topic] = ([], [])
        times, payloads = self._pending[topic]
        times.append(t_ns)
        payloads.append(payload[:_HEAD] if self._takes[topic] is _ignore else payload)
        if len(times) >= _BATCH:
            self._flush(topic)

    def finish(self) -> PlotData:
        """What was seen."""
        for topic in self._pending:
            self._flush(topic)
        for name in list(self._commanded):
            self._draw_command(name, self._data.last_ns)
        return self._data

    def _flush(self, topic: str) -> None:
        times, payloads = self._pending[topic]
        self._pending[topic] = ([], [])
        if not times:
            return
        if topic in self._data.streams:
            self._data.streams[topic].add(times, payloads)
        try:
            self._takes[topic](times, payloads)
        except SensoriumError:
            self._data.undecodable += len(times)

    def _handler(self, topic: str, type_name: str) -> _Take:
        if type_name in _TIMED:
            self._data.streams[topic] = StreamTimes(type_name)
        if type_name == "sensor_msgs/msg/JointState" and is_topic(topic, "joint_states"):
            return self._joints
        if type_name == "geometry_msgs/msg/WrenchStamped":
            for side, name in enumerate(("left", "right")):
                if is_topic(topic, f"touch/{name}"):
                    return lambda times, payloads: self._touch(side, times, payloads)
            if is_topic(topic, "wrench"):
                return self._wrench
        return _ignore

    def _look(self, topic: str, type_name: str, t_ns: int, payload: bytes) -> None:
        """What is taken message by message: pictures, commands and the policy's steps."""
        try:
            if is_topic(topic, "camera/scene/image_raw"):
                _picture(self._data.scene, t_ns, payload)
            elif is_topic(topic, "camera/wrist/image_raw"):
                _picture(self._data.wrist, t_ns, payload)
            elif is_topic(topic, "policy/step"):
                self._step(t_ns, payload)
            elif type_name == "trajectory_msgs/msg/JointTrajectory":
                for name in (ARM_COMMAND, GRIPPER_COMMAND):
                    if is_topic(topic, name):
                        self._draw_command(name, t_ns)
                        self._commanded[name] = t_ns, decode_trajectory(payload)
        except SensoriumError:
            self._data.undecodable += 1

    def _wrench(self, times: Sequence[int], payloads: Sequence[bytes]) -> None:
        force = decode_wrenches(payloads)[1][:, :3]
        norm = _norm(force)
        self._data.force.add(np.array(times, np.int64), np.hstack([norm, force]))

    def _touch(self, side: int, times: Sequence[int], payloads: Sequence[bytes]) -> None:
        norm = _norm(decode_wrenches(payloads)[1][:, :3])
        self._data.touch[side].add(np.array(times, np.int64), norm)

    def _joints(self, times: Sequence[int], payloads: Sequence[bytes]) -> None:
        _, names, positions, _ = decode_joint_states(payloads)
        for name, column in zip(names, positions.T, strict=True):
            _add(self._data.joints, name, np.array(times, np.int64), column)

    def _draw_command(self, name: str, until_ns: int) -> None:
        """Add the part of the last trajectory that ran before the next one came."""
        if name not in self._commanded:
            return
        since_ns, trajectory = self._commanded[name]
        run_ns = min(until_ns - since_ns, trajectory.end_ns - trajectory.stamp_ns)
        if run_ns < 0:
            return
        times = np.linspace(0, run_ns, _WAYPOINTS).astype(np.int64)
        rows = np.array([trajectory.sample(trajectory.stamp_ns + int(t)) for t in times])
        for joint, column in zip(trajectory.joint_names, rows.T, strict=True):
            _add(self._data.commands, joint, since_ns + times, column)

    def _step(self, t_ns: int, payload: bytes) -> None:
        statuses = decode_diagnostics(payload)[1]
        values = statuses[0].values if statuses else {}
        data = self._data
        if data.policy is None:
            names = (key.split("/", 1)[1] for key in values if key.startswith("valid/"))
            data.modalities = tuple(names)
            data.policy = Series(1 + len(data.modalities))
        state = values.get("state", "")
        code = STATES.index(state) if state in STATES else np.nan
        valid = [float(values.get(f"valid/{m}") == "true") for m in data.modalities]
        data.policy.add(np.array([t_ns], np.int64), np.array([[code, *valid]]))


def _norm(force: Array) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        norm: Array = np.linalg.norm(force, axis=1, keepdims=True)
    return norm


def _picture(thumbnails: Thumbnails, t_ns: int, payload: bytes) -> None:
    if thumbnails.wants(t_ns):
        thumbnails.add(t_ns, decode_image(payload)[2])


def _add(series: dict[str, Series], name: str, t_ns: NDArray[np.int64], column: Array) -> None:
    if name not in series:
        if len(series) >= _MAX_JOINTS:
            return
        series[name] = Series(1)
    series[name].add(t_ns, column[:, None])


def _ignore(times: Sequence[int], payloads: Sequence[bytes]) -> None:
    """For topics of which nothing but the times are shown."""
