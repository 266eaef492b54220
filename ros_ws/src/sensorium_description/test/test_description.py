"""The description is what the data sheet says, and what every tool can load."""

import colorsys
import xml.etree.ElementTree as ET
from functools import cache

import numpy as np
import pytest
from sensorium_description import load_constants, load_urdf, urdf_path

DH_D = (0.1625, 0.0, 0.0, 0.1333, 0.0997, 0.0996)
DH_A = (0.0, -0.425, -0.3922, 0.0, 0.0, 0.0)
DH_ALPHA = (np.pi / 2, 0.0, 0.0, np.pi / 2, -np.pi / 2, 0.0)


@cache
def robot() -> ET.Element:
    return ET.fromstring(load_urdf())


def joint(name: str) -> ET.Element:
    found = robot().find(f"joint[@name='{name}']")
    assert found is not None, name
    return found


def numbers(element: ET.Element | None, key: str, default: str = "0 0 0") -> np.ndarray:
    text = default if element is None else element.get(key, default)
    return np.array([float(value) for value in text.split()])


def origin(name: str) -> np.ndarray:
    pose = np.eye(4)
    element = joint(name).find("origin")
    pose[:3, 3] = numbers(element, "xyz")
    roll, pitch, yaw = numbers(element, "rpy")
    pose[:3, :3] = turn(2, yaw) @ turn(1, pitch) @ turn(0, roll)
    return pose


def turn(axis: int, angle: float) -> np.ndarray:
    i, j = (axis + 1) % 3, (axis + 2) % 3
    rotation = np.eye(3)
    rotation[i, i] = rotation[j, j] = np.cos(angle)
    rotation[i, j], rotation[j, i] = -np.sin(angle), np.sin(angle)
    return rotation


def urdf_flange(q: np.ndarray) -> np.ndarray:
    """base_link to tool0 by the URDF."""
    pose = origin("base_link_inertia_fixed")
    for name, angle in zip(load_constants().arm_joints, q, strict=True):
        spin = np.eye(4)
        spin[:3, :3] = turn(2, angle)
        pose = pose @ origin(name) @ spin
    return pose @ origin("flange_fixed") @ origin("tool0_fixed")


def dh_flange(q: np.ndarray) -> np.ndarray:
    """base to flange by Denavit-Hartenberg; ROS turns the base by half a turn."""
    pose = np.diag([-1.0, -1.0, 1.0, 1.0])
    for theta, d, a, alpha in zip(q, DH_D, DH_A, DH_ALPHA, strict=True):
        screw_z, screw_x = np.eye(4), np.eye(4)
        screw_z[:3, :3], screw_z[2, 3] = turn(2, theta), d
        screw_x[:3, :3], screw_x[0, 3] = turn(0, alpha), a
        pose = pose @ screw_z @ screw_x
    return pose


def test_kinematics_are_the_published_ones() -> None:
    for q in np.random.default_rng(0).uniform(-3, 3, (20, 6)):
        np.testing.assert_allclose(urdf_flange(q), dh_flange(q), atol=1e-6)


def test_limits_are_the_published_ones() -> None:
    for name in load_constants().arm_joints:
        limit = joint(name).find("limit")
        assert limit is not None
        heavy = name.startswith(("shoulder", "elbow"))
        assert float(limit.get("effort", "0")) == (150.0 if heavy else 28.0)
        assert float(limit.get("velocity", "0")) == pytest.approx(np.pi)


def test_links_that_move_have_mass() -> None:
    moving = [j for j in robot().findall("joint") if j.get("type") != "fixed"]
    for name in [child.get("link") for j in moving for child in j.findall("child")]:
        mass = robot().find(f"link[@name='{name}']/inertial/mass")
        assert mass is not None, name
        assert float(mass.get("value", "0")) > 0, name


def test_fingers_mirror_each_other() -> None:
    mimic = joint("gripper_right_joint").find("mimic")
    assert mimic is not None
    assert mimic.get("joint") == "gripper_joint"
    left = numbers(joint("gripper_joint").find("axis"), "xyz")
    right = numbers(joint("gripper_right_joint").find("axis"), "xyz")
    np.testing.assert_array_equal(left, -right)


def test_nothing_on_the_robot_has_a_colour_that_a_task_could_name() -> None:
    for colour in robot().iter("color"):
        red, green, blue, _ = numbers(colour, "rgba")
        assert colorsys.rgb_to_hsv(red, green, blue)[1] < 0.2


def test_shapes_are_primitives() -> None:
    assert not list(robot().iter("mesh"))


def test_camera_poses_are_arguments() -> None:
    moved = ET.fromstring(load_urdf(scene_camera_xyz="1 2 3"))
    element = moved.find("joint[@name='camera_scene_link_fixed']/origin")
    np.testing.assert_allclose(numbers(element, "xyz"), [1, 2, 3])


def test_simulator_and_controller_blocks_come_on_request() -> None:
    assert robot().find("ros2_control") is None
    full = ET.fromstring(load_urdf(ros2_control="true", gazebo="true"))
    controlled = [j.get("name") for j in full.findall("ros2_control/joint")]
    assert controlled[:7] == list(load_constants().joints)
    assert {s.get("name") for s in full.iter("sensor")} >= {"scene", "wrist", "wrench"}


def test_constants_fit_the_urdf() -> None:
    constants = load_constants()
    limit = joint(constants.gripper_joint).find("limit")
    assert limit is not None
    assert float(limit.get("upper", "0")) == constants.gripper_stroke_m
    assert len(constants.max_acceleration) == len(constants.joints) == 7
    assert urdf_path().is_file()


def test_the_description_does_not_tell_where_it_is_installed():
    """Bags hold it and caches are named by its hash: they would differ from place to place."""
    text = load_urdf()
    assert str(urdf_path().parent) not in text
    assert "sensorium_description/urdf/cell.urdf.xacro" in text
