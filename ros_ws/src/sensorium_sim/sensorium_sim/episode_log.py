"""Writes what a cell senses into a bag: the topics, types and stamps of the live nodes.

One log an episode, one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core import image_cdr
from sensorium_core.cdr import PackedLayout, joint_state_layout, wrench_layout
from sensorium_core.trajectory import Trajectory
from sensorium_recording import geometry_messages, messages
from sensorium_recording.bag_writer import BagWriter

from sensorium_sim.cell import Cell
from sensorium_sim.readings import Readings
from sensorium_sim.scene import SceneState
from sensorium_sim.scene_json import state_to_json
from sensorium_sim.scene_markers import scene_markers

Array = NDArray[np.float64]

EPOCH_NS = 1_000_000_000
"""Stamp of an episode's start; zero would mean "no stamp" to ROS."""
BASE = "base_link"
_WRENCH = "geometry_msgs/msg/WrenchStamped"
_JOINTS = "sensor_msgs/msg/JointState"
_TOUCH_DIVISOR = 5
"""Pads report at 100 Hz: every fifth step."""


class EpisodeLog:
    """Topics of one episode. Times are the cell's, shifted by `EPOCH_NS`."""

    def __init__(
        self,
        bag: BagWriter,
        cell: Cell,
        size: tuple[int, int],
        joint_divisor: int,
        wrist_depth: bool,
        silent: frozenset[str] = frozenset(),
    ) -> None:
        """`size` is (rows, cols) of the pictures; joints come every `joint_divisor` steps.

        Fast senses whose topics are `silent` publish nothing, as when their sensor is dead.
        """
        self._bag, self._cell, self._silent = bag, cell, silent
        self._joint_divisor, self._wrist_depth = joint_divisor, wrist_depth
        bag.add_topic("/tf_static", messages.TRANSFORMS, latched=True)
        bag.add_topic("/instruction", messages.STRING, latched=True)
        self._infos: dict[str, bytes] = {}
        for name in ("scene", "wrist"):
            matrix, pose = cell.camera_info(name)
            frame = _frame(name)
            self._infos[name] = messages.encode_camera_info(0, frame, size, matrix)
            if name == "scene":
                poses = {frame: pose}
                payload = geometry_messages.encode_transforms(EPOCH_NS, BASE, poses)
                bag.write("/tf_static", messages.TRANSFORMS, EPOCH_NS, payload)
        self._fast = {
            "/wrench": (wrench_layout("tool"), _WRENCH),
            "/touch/left": (wrench_layout("pad_left"), _WRENCH),
            "/touch/right": (wrench_layout("pad_right"), _WRENCH),
            "/joint_states": (joint_state_layout(tuple(cell.joint_names), BASE), _JOINTS),
        }

    @property
    def now_ns(self) -> int:
        """Stamp of the present moment."""
        return self._cell.time_ns + EPOCH_NS

    def instruct(self, text: str) -> None:
        """What is said."""
        payload = messages.encode_string(text)
        self._bag.write("/instruction", messages.STRING, self.now_ns, payload)

    def frame(self, state: SceneState) -> None:
        """One exposure of both cameras, and the truth at that moment."""
        now = self.now_ns
        for name in ("scene", "wrist"):
            colour, depth = self._cell.render(name)
            prefix, frame = f"/camera/{name}", _frame(name)
            info = _stamped(self._infos[name], now)
            self._bag.write(f"{prefix}/camera_info", messages.CAMERA_INFO, now, info)
            payload = image_cdr.encode_image(now, frame, colour, "rgb8")
            self._bag.write(f"{prefix}/image_raw", image_cdr.TYPE, now, payload)
            if name == "scene" or self._wrist_depth:
                payload = image_cdr.encode_image(now, frame, depth, "16UC1")
                self._bag.write(f"{prefix}/depth/image_rect_raw", image_cdr.TYPE, now, payload)
        payload = messages.encode_string(state_to_json(replace(state, time_ns=now)))
        self._bag.write("/sim/state", messages.STRING, now, payload)
        markers = geometry_messages.encode_markers(now, BASE, scene_markers(state))
        self._bag.write("/sim/ground_truth", messages.MARKERS, now, markers)

    def expert(self, note: str) -> None:
        """What an expert decides now, as JSON; see `expert_note`."""
        payload = messages.encode_string(note)
        self._bag.write("/sim/expert", messages.STRING, self.now_ns, payload)

    def command(self, trajectory: Trajectory) -> None:
        """A proposed trajectory, passed as it is, arm and gripper apart; stamp 0 is now."""
        now = self.now_ns
        stamp = trajectory.stamp_ns + EPOCH_NS if trajectory.stamp_ns else now
        stamped = replace(trajectory, stamp_ns=stamp)
        names = trajectory.joint_names
        for topic, part in (
            ("/command/joint_trajectory", stamped),
            ("/arm_controller/joint_trajectory", stamped.select(names[:6])),
            ("/gripper_controller/joint_trajectory", stamped.select(names[6:])),
        ):
            payload = messages.encode_trajectory(part)
            self._bag.write(topic, messages.TRAJECTORY, now, payload)

    def readings(self, readings: Readings) -> None:
        """The fast senses of consecutive steps, in the order of time."""
        stamps = readings.stamps_ns + EPOCH_NS
        steps = readings.stamps_ns // 2_000_000
        slow, sparse = steps % _TOUCH_DIVISOR == 0, steps % self._joint_divisor == 0
        torque = np.zeros((len(stamps), 3))
        rows: list[tuple[int, str, str, bytes]] = []
        for topic, keep, values in (
            ("/wrench", np.ones(len(stamps), dtype=bool), readings.wrench),
            ("/joint_states", sparse, readings.joints),
            ("/touch/left", slow, np.hstack([readings.touch[:, 0], torque])),
            ("/touch/right", slow, np.hstack([readings.touch[:, 1], torque])),
        ):
            if topic in self._silent:
                continue
            layout, type_name = self._fast[topic]
            payloads = layout.encode(stamps[keep], values[keep])
            times = stamps[keep].tolist()
            rows += [(t, topic, type_name, p) for t, p in zip(times, payloads, strict=True)]
        rows.sort(key=_time)
        for t, topic, type_name, payload in rows:
            self._bag.write(topic, type_name, t, payload)

    def outcome(self, status: str, reason: str, values: Mapping[str, str]) -> None:
        """The judge's last word: success, failure, or waiting when nothing was attempted."""
        level = {"success": 0, "failure": 2}.get(status, 3)
        words = {"status": status, "reason": reason, **values}
        entry = messages.Status("sim", level, f"{status}: {reason}", words)
        payload = messages.encode_diagnostics(self.now_ns, [entry])
        self._bag.write("/sim/outcome", messages.DIAGNOSTICS, self.now_ns, payload)


def _frame(camera: str) -> str:
    return f"camera_{camera}_optical_frame"


def _stamped(payload: bytes, stamp_ns: int) -> bytes:
    """A payload with another header stamp."""
    layout = PackedLayout(payload, (), ())
    return layout.encode(np.array([stamp_ns]), np.empty((1, 0)))[0]


def _time(row: tuple[int, str, str, bytes]) -> int:
    return row[0]
