"""Calibration files: the shipped ones fit the description, broken ones say what is wrong."""

import math
from pathlib import Path

import numpy as np
import pinocchio as pin
import pytest
import yaml
from sensorium_core.calibration import (
    load_camera_calibration,
    load_wrench_calibration,
    rotation_of_quat,
)
from sensorium_core.errors import CalibrationError
from sensorium_description import load_constants, load_urdf

CELL = Path(__file__).parents[4] / "calibration" / "ur5e_cell"
REMEDY = "run scripts/simulated-calibration after changing the description"


def placement(parent: str, child: str) -> np.ndarray:
    model = pin.buildModelFromXML(load_urdf())
    data = model.createData()
    pin.framesForwardKinematics(model, data, pin.neutral(model))
    a, b = (data.oMf[model.getFrameId(n)] for n in (parent, child))
    return a.actInv(b).homogeneous


@pytest.mark.parametrize("name", ["scene", "wrist"])
def test_the_cameras_are_where_the_description_puts_them(name):
    calibration = load_camera_calibration(CELL / f"{name}_camera.yaml")
    pose, k = calibration.pose, calibration.intrinsics
    expected = placement(pose.parent, pose.child)
    np.testing.assert_allclose(pose.matrix, expected, atol=1e-5, err_msg=REMEDY)
    fovy_deg = load_constants().cameras[name]["vertical_fov_deg"]
    focal = 0.5 * k.height / math.tan(math.radians(fovy_deg) / 2)
    assert k.fx == pytest.approx(focal), REMEDY
    assert (k.cx, k.cy) == (319.5, 239.5)
    assert calibration.camera().size == (480, 640)


def test_the_payload_is_what_the_description_hangs_on_the_flange():
    calibration = load_wrench_calibration(CELL / "wrench.yaml")
    model = pin.buildModelFromXML(load_urdf())
    below_wrist_kg = calibration.payload_mass_kg + 0.365
    last_joint = model.inertias[model.getJointId("wrist_3_joint")].mass
    fingers = [model.inertias[model.getJointId(j)].mass for j in model.names if "gripper" in j]
    assert below_wrist_kg == pytest.approx(last_joint + sum(fingers)), REMEDY
    np.testing.assert_allclose(
        calibration.pose.matrix, placement("tool", "tool0"), atol=1e-5, err_msg=REMEDY
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"focal": 3.0}, "focal.*legal keys: units, date"),
        ({"intrinsics": {"width": 640, "fz": 1.0}}, "intrinsics.*legal keys: width, height, fx"),
        ({"date": "yesterday"}, "date"),
        ({"method": ""}, "method"),
    ],
)
def test_a_broken_file_names_the_key_and_the_legal_ones(tmp_path, change, words):
    data = yaml.safe_load((CELL / "scene_camera.yaml").read_text())
    path = tmp_path / "camera.yaml"
    path.write_text(yaml.safe_dump({**data, **change}))
    with pytest.raises(CalibrationError, match=words):
        load_camera_calibration(path)


def test_nan_is_no_calibration_and_a_rotation_has_length_one(tmp_path):
    data = yaml.safe_load((CELL / "wrench.yaml").read_text())
    path = tmp_path / "wrench.yaml"
    path.write_text(yaml.safe_dump({**data, "bias": [float("nan")] * 6}))
    with pytest.raises(CalibrationError, match="bias"):
        load_wrench_calibration(path)
    data["pose"]["quat_xyzw"] = [0.0, 0.0, 0.5, 0.5]
    path.write_text(yaml.safe_dump(data))
    with pytest.raises(CalibrationError, match=r"length 0\.707"):
        load_wrench_calibration(path)


def test_a_file_that_is_absent_or_no_yaml_says_so(tmp_path):
    with pytest.raises(CalibrationError, match="cannot be read"):
        load_wrench_calibration(tmp_path / "none.yaml")
    path = tmp_path / "wrench.yaml"
    path.write_text("[: nonsense")
    with pytest.raises(CalibrationError, match="is not YAML"):
        load_wrench_calibration(path)


def test_quaternions_turn_like_pinocchios():
    for _ in range(20):
        q = pin.Quaternion(pin.SE3.Random().rotation)
        np.testing.assert_allclose(rotation_of_quat(q.coeffs()), q.matrix(), atol=1e-12)
