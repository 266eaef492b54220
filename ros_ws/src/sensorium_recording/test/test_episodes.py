"""Episodes as arrays: what was recorded comes back in the contract's terms."""

from pathlib import Path

import numpy as np
import pytest
from sensorium_core import image_cdr
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError
from sensorium_core.kinematics import JOINTS
from sensorium_core.observation import Aligner
from sensorium_core.trajectory import Trajectory
from sensorium_recording import messages
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.episodes import episodes, read_episode
from sensorium_recording.geometry_messages import encode_transforms

WRENCH, STATE = "geometry_msgs/msg/WrenchStamped", "sensor_msgs/msg/JointState"
T0 = 10**9


def _record(path: Path, namespace: str = "") -> Path:
    rng = np.random.default_rng(3)
    stamps = T0 + 2_000_000 * np.arange(500)
    prefix = f"/{namespace}/" if namespace else "/"
    names = tuple(reversed(JOINTS))
    joints = joint_state_layout(names).encode(stamps, np.tile(np.arange(14.0), (500, 1)))
    wrench = wrench_layout("tool").encode(stamps, rng.normal(size=(500, 6)))
    with BagWriter(path) as bag:
        pose = np.eye(4)
        pose[:3, 3] = (1.0, 0.0, 0.7)
        static = encode_transforms(T0, "base_link", {"camera_scene_optical_frame": pose})
        bag.write("/tf_static", messages.TRANSFORMS, T0, static)
        bag.write(prefix + "instruction", messages.STRING, T0, messages.encode_string("go"))
        for i in range(500):
            bag.write(prefix + "wrench", WRENCH, int(stamps[i]), wrench[i])
            bag.write(prefix + "joint_states", STATE, int(stamps[i]), joints[i])
            if i % 50 == 0:
                _frame(bag, prefix, int(stamps[i]), i)
        _command(bag, prefix)
        status = messages.Status("sim", 0, "success: it was", {"status": "success"})
        payload = messages.encode_diagnostics(T0 + 10**9, [status])
        bag.write(prefix + "sim/outcome", messages.DIAGNOSTICS, T0 + 10**9, payload)
    return path


def _frame(bag: BagWriter, prefix: str, stamp: int, value: int) -> None:
    colour = np.full((480, 640, 3), value % 256, np.uint8)
    depth = np.full((480, 640), 700 + value, np.uint16)
    k = np.array([[500.0, 0, 319.5], [0, 500.0, 239.5], [0, 0, 1]])
    info = messages.encode_camera_info(stamp, "camera_scene_optical_frame", (480, 640), k)
    scene = prefix + "camera/scene/"
    bag.write(scene + "camera_info", messages.CAMERA_INFO, stamp, info)
    payload = image_cdr.encode_image(stamp, "camera_scene_optical_frame", colour, "rgb8")
    bag.write(scene + "image_raw", image_cdr.TYPE, stamp, payload)
    payload = image_cdr.encode_image(stamp, "camera_scene_optical_frame", depth, "16UC1")
    bag.write(scene + "depth/image_rect_raw", image_cdr.TYPE, stamp, payload)


def _command(bag: BagWriter, prefix: str) -> None:
    whole = Trajectory(T0 + 5, JOINTS, np.array([0.0, 0.1]), np.arange(14.0).reshape(2, 7))
    for topic, names in (("arm", JOINTS[:6]), ("gripper", JOINTS[6:])):
        payload = messages.encode_trajectory(whole.select(names))
        name = f"{prefix}{topic}_controller/joint_trajectory"
        bag.write(name, messages.TRAJECTORY, T0 + 5, payload)


@pytest.mark.parametrize("namespace", ["", "left_arm"])
def test_an_episode_comes_back_in_the_contracts_terms(tmp_path: Path, namespace: str) -> None:
    episode = read_episode(_record(tmp_path / "ep", namespace), tabletop(), namespace)
    shapes = {name: track.values.shape for name, track in episode.tracks.items()}
    assert shapes["scene_rgb"] == (10, 480, 640, 3)
    assert shapes["scene_depth"] == (10, 480, 640)
    assert shapes["wrench"] == (500, 6)
    assert shapes["touch_left"][0] == shapes["wrist_rgb"][0] == 0
    np.testing.assert_array_equal(
        episode.tracks["joints"].values[0], [*range(6, -1, -1), *range(13, 6, -1)]
    )
    assert episode.instructions == ((T0, "go"),)
    assert episode.outcome == {"status": "success"}
    (command,) = episode.commands
    assert (command.joint_names, command.stamp_ns) == (JOINTS, T0 + 5)
    np.testing.assert_array_equal(command.positions, np.arange(14.0).reshape(2, 7))
    assert episode.camera is not None
    assert episode.camera.intrinsics == (500.0, 500.0, 319.5, 239.5)


def test_tracks_fit_the_aligner(tmp_path: Path) -> None:
    episode = read_episode(_record(tmp_path / "ep"), tabletop())
    aligner = Aligner(tabletop())
    assert episode.camera is not None
    aligner.set_camera(episode.camera)
    for name, track in episode.tracks.items():
        for stamp, value in zip(track.stamps_ns.tolist(), track.values, strict=True):
            aligner.push(name, stamp, value)
    seen = aligner.observe(T0 + 2_000_000 * 499)
    assert {name for name, ok in seen.valid.items() if ok} == {
        "scene_rgb", "scene_depth", "wrench", "joints"
    }  # fmt: skip


def test_directories_without_episodes_raise_by_name(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="holds no episodes"):
        episodes(tmp_path)
    with pytest.raises(BagError, match="is no directory"):
        episodes(tmp_path / "none")
    _record(tmp_path / "b")
    unfinished = BagWriter(tmp_path / "c")
    assert episodes(tmp_path) == [tmp_path / "b"]
    unfinished.discard()


def test_a_bag_of_other_things_raises_by_name(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "ep") as bag:
        bag.write("/chatter", messages.STRING, 1, messages.encode_string("hi"))
    with pytest.raises(BagError, match="holds no topic of the contract"):
        read_episode(tmp_path / "ep", tabletop())
