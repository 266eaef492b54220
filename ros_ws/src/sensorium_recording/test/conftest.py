"""Small bags for tests: a second or so of senses, as a robot would record them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sensorium_core import image_cdr
from sensorium_core.cdr import NS, joint_state_layout, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.trajectory import Trajectory
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.episode_marks import MARKS, Mark
from sensorium_recording.messages import (
    DIAGNOSTICS,
    STRING,
    TRAJECTORY,
    Status,
    encode_diagnostics,
    encode_string,
    encode_trajectory,
)

CONTRACT = tabletop()
JOINTS = CONTRACT.action.joints
_WRENCH = "geometry_msgs/msg/WrenchStamped"
_JOINTS = "sensor_msgs/msg/JointState"
_IMAGES = (
    ("/camera/scene/image_raw", "rgb8", (96, 128, 3)),
    ("/camera/scene/depth/image_rect_raw", "16UC1", (96, 128)),
    ("/camera/wrist/image_raw", "rgb8", (96, 128, 3)),
)


def record_bag(
    path: Path,
    seed: int = 0,
    seconds: float = 1.0,
    instruction: str = "pick the ball",
    marks: list[tuple[float, Mark]] | None = None,
    outcome: str = "success",
    urdf: str = "",
    said: list[tuple[float, str]] | None = None,
) -> Path:
    """A bag of every sense from 1 s on: frames at 10 Hz, joints and wrench at 100 Hz.

    The commanded shoulder is at `t / 10` rad for stamp `t` [s]; `urdf` is what the bag says of
    its robot, if anything. `said` are other instructions and when, in seconds from its start.
    """
    rng = np.random.default_rng(seed)
    with BagWriter(path) as bag:
        if urdf:
            bag.write_metadata("robot_description", {"urdf": urdf})
        if said is None:
            bag.write("/instruction", STRING, NS, encode_string(instruction))
        for step in range(round(seconds * 100) + 1):
            t = NS + step * NS // 100
            for time, mark in marks or []:
                if NS + round(time * NS) == t:
                    bag.write("/" + MARKS, DIAGNOSTICS, t, mark.encode(t))
            for time, text in said or []:
                if NS + round(time * NS) == t:
                    bag.write("/instruction", STRING, t, encode_string(text))
            _fast(bag, rng, t)
            if step % 10 == 0:
                _frame(bag, rng, t)
        values = {"status": outcome, "family": "pick"}
        payload = encode_diagnostics(t, [Status("sim", 0, outcome, values)])
        bag.write("/sim/outcome", DIAGNOSTICS, t, payload)
    return path


def _fast(bag: BagWriter, rng: np.random.Generator, t: int) -> None:
    for topic, frame in (
        ("/wrench", "tool"), ("/touch/left", "pad_left"), ("/touch/right", "pad_right")
    ):  # fmt: skip
        payload = wrench_layout(frame).encode_one(t, rng.normal(size=6))
        bag.write(topic, _WRENCH, t, payload)
    layout = joint_state_layout(tuple(JOINTS), "base_link")
    bag.write("/joint_states", _JOINTS, t, layout.encode_one(t, rng.normal(size=14) * 0.1))


def _frame(bag: BagWriter, rng: np.random.Generator, t: int) -> None:
    for topic, encoding, shape in _IMAGES:
        image = rng.integers(0, 255, shape)
        bag.write(topic, image_cdr.TYPE, t, image_cdr.encode_image(t, "f", image, encoding))
    positions = np.zeros((2, 7))
    positions[:, 0] = np.array([t, t + NS]) / NS / 10
    command = Trajectory(t, JOINTS, np.array([0.0, 1.0]), positions)
    for topic, names in (("/arm_controller", JOINTS[:6]), ("/gripper_controller", JOINTS[6:])):
        payload = encode_trajectory(command.select(names))
        bag.write(f"{topic}/joint_trajectory", TRAJECTORY, t, payload)


@pytest.fixture
def record() -> Callable[..., Path]:
    """`record_bag`, for tests."""
    return record_bag
