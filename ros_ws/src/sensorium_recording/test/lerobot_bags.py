"""Bags for the tests of the LeRobot export: every sense, commands and a verdict."""

from pathlib import Path

import numpy as np
from sensorium_core import image_cdr
from sensorium_core.cdr import NS, joint_state_layout, wrench_layout
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory
from sensorium_recording import messages
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.geometry_messages import encode_transforms

WRENCH, STATE = "geometry_msgs/msg/WrenchStamped", "sensor_msgs/msg/JointState"
FRAME = "camera_scene_optical_frame"
Row = tuple[str, str, int, bytes]


def record(
    folder: Path,
    name: str,
    seed: int = 0,
    *,
    rate_hz: float = 10.0,
    jitter_s: float = 0.0,
    length_s: float = 2.0,
    words: str | tuple[tuple[float, str], ...] = "lift the cube",
    outcome: str = "success",
    silent: tuple[str, ...] = (),
) -> Path:
    """One bag of random forces and moving pictures, whose stamps start at 1 s."""
    rng = np.random.default_rng(seed)
    rows = [("/tf_static", messages.TRANSFORMS, NS, _camera_pose())]
    told = ((0.3, words),) if isinstance(words, str) else words
    for at_s, text in told if words else ():
        payload = messages.encode_string(text)
        rows.append(("/instruction", messages.STRING, NS + round(at_s * NS), payload))
    rows += _samples(rng, length_s) + _pictures(rng, length_s, rate_hz, jitter_s)
    rows += _commands(rng, length_s)
    end = NS + round(length_s * NS)
    status = messages.Status("sim", 0, outcome, {"status": outcome})
    if outcome:
        verdict = messages.encode_diagnostics(end, [status])
        rows.append(("/sim/outcome", messages.DIAGNOSTICS, end, verdict))
    with BagWriter(folder / name) as bag:
        for row in sorted(rows, key=lambda row: row[2]):
            if not any(topic in row[0] for topic in silent):
                bag.write(*row)
    return bag.directory


def _camera_pose() -> bytes:
    pose = np.eye(4)
    pose[:3, 3] = (0.5, 0.0, 0.7)
    return encode_transforms(NS, "base_link", {FRAME: pose})


def _samples(rng: np.random.Generator, length_s: float) -> list[Row]:
    stamps = NS + 10_000_000 * np.arange(round(length_s * 100) + 1)
    count = len(stamps)
    joints = joint_state_layout(JOINTS).encode(stamps, rng.normal(size=(count, 14)))
    rows = [("/joint_states", STATE, int(t), p) for t, p in zip(stamps, joints, strict=True)]
    for topic in ("/wrench", "/touch/left", "/touch/right"):
        payloads = wrench_layout("tool").encode(stamps, rng.normal(size=(count, 6)))
        rows += [(topic, WRENCH, int(t), p) for t, p in zip(stamps, payloads, strict=True)]
    return rows


def _pictures(
    rng: np.random.Generator, length_s: float, rate_hz: float, jitter_s: float
) -> list[Row]:
    rows: list[Row] = []
    k = np.array([[500.0, 0, 64], [0, 500.0, 48], [0, 0, 1]])
    for i in range(int(length_s * rate_hz) + 1):
        stamp = NS + round((i / rate_hz + jitter_s * float(rng.random())) * NS)
        for camera, shift in (("scene", 0), ("wrist", 60)):
            payload = image_cdr.encode_image(stamp, FRAME, picture(8 * i + shift), "rgb8")
            rows.append((f"/camera/{camera}/image_raw", image_cdr.TYPE, stamp, payload))
        depth = np.full((96, 128), 600 + i, np.uint16)
        payload = image_cdr.encode_image(stamp, FRAME, depth, "16UC1")
        rows.append(("/camera/scene/depth/image_rect_raw", image_cdr.TYPE, stamp, payload))
        info = messages.encode_camera_info(stamp, FRAME, (96, 128), k)
        rows.append(("/camera/scene/camera_info", messages.CAMERA_INFO, stamp, info))
    return rows


def picture(shift: int) -> np.ndarray:
    """A smooth picture whose brightness says which one it is, since codecs blur what is not."""
    rows, cols = np.mgrid[0:96, 0:128]
    channels = (rows + shift, cols + shift, 0 * rows + shift)
    return np.stack([c % 256 for c in channels], axis=-1).astype(np.uint8)


def _commands(rng: np.random.Generator, length_s: float) -> list[Row]:
    rows: list[Row] = []
    for i in range(5, int(length_s * 10)):
        stamp, times = NS + i * NS // 10, np.array([0.1, 0.2, 0.3])
        arm = Trajectory(stamp, JOINTS[:6], times, rng.normal(size=(3, 6)))
        grip = Trajectory(stamp, JOINTS[6:], times, rng.normal(size=(3, 1)))
        for part, joints in (("arm", arm), ("gripper", grip)):
            payload = messages.encode_trajectory(joints, "base_link")
            topic = f"/{part}_controller/joint_trajectory"
            rows.append((topic, messages.TRAJECTORY, stamp, payload))
    return rows
