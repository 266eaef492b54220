"""Taring: what is left of a reading is the touch, whichever way the tool points."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sensorium_core.calibration import load_wrench_calibration, rotation_of_quat
from sensorium_core.errors import CalibrationDataError
from sensorium_drivers.wrench import GRAVITY_M_S2, WrenchTare, fit_payload

CELL = load_wrench_calibration(
    Path(__file__).parents[4] / "calibration" / "ur5e_cell" / "wrench.yaml"
)
BIAS = (3.0, -2.0, 11.0, 0.2, -0.1, 0.05)
BIASED = CELL.model_copy(update={"bias": BIAS})

quaternions = st.tuples(*[st.floats(-1, 1)] * 4)
vectors = st.tuples(*[st.floats(-30, 30)] * 3)


def reading(R_base_sensor: np.ndarray, contact: np.ndarray, mass_kg: float, com: np.ndarray):
    """What the sensor shows: bias, weight, and a contact wrench given in its own frame."""
    weight = R_base_sensor.T @ [0, 0, -mass_kg * GRAVITY_M_S2]
    return np.array(BIAS) + contact + np.concatenate([weight, np.cross(com, weight)])


@given(quaternions)
def test_without_contact_nothing_is_left_at_any_orientation(quaternion):
    assume(np.linalg.norm(quaternion) > 0.1)
    rotation = rotation_of_quat(np.array(quaternion))
    raw = reading(rotation, np.zeros(6), CELL.payload_mass_kg, np.array(CELL.payload_com_m))
    np.testing.assert_allclose(WrenchTare(BIASED).compensate(raw, rotation), 0.0, atol=1e-9)


@given(quaternions, vectors)
def test_a_touch_at_the_tool_comes_out_as_that_force_and_no_torque(quaternion, touch):
    assume(np.linalg.norm(quaternion) > 0.1)
    rotation, T = rotation_of_quat(np.array(quaternion)), CELL.pose.matrix
    in_sensor = T[:3, :3].T @ np.array(touch)
    tool_in_sensor = -T[:3, :3].T @ T[:3, 3]
    contact = np.concatenate([in_sensor, np.cross(tool_in_sensor, in_sensor)])
    raw = reading(rotation, contact, CELL.payload_mass_kg, np.array(CELL.payload_com_m))
    expected = [*touch, 0.0, 0.0, 0.0]
    got = WrenchTare(BIASED).compensate(raw, rotation)
    np.testing.assert_allclose(got, expected, atol=1e-9)


def test_pressing_down_on_the_table_pushes_against_the_tool():
    pointing_down = np.diag([1.0, -1.0, -1.0])
    sensor = pointing_down @ CELL.pose.matrix[:3, :3]
    table_pushes_up = np.concatenate([sensor.T @ [0, 0, 20.0], np.zeros(3)])
    raw = reading(sensor, table_pushes_up, CELL.payload_mass_kg, np.array(CELL.payload_com_m))
    force = WrenchTare(BIASED).compensate(raw, sensor)[:3]
    np.testing.assert_allclose(force, [0, 0, -20.0], atol=1e-9)


@given(st.floats(0.1, 5), vectors, st.integers(0, 1000))
def test_the_fit_finds_the_payload_that_made_the_readings(mass_kg, com_cm, seed):
    com = np.array(com_cm) / 100
    random = np.random.default_rng(seed)
    turns = np.array([rotation_of_quat(random.normal(size=4)) for _ in range(12)])
    readings = np.array([reading(r, np.zeros(6), mass_kg, com) for r in turns])
    bias, mass, centre = fit_payload(readings, turns)
    np.testing.assert_allclose(bias, BIAS, atol=1e-6)
    assert mass == pytest.approx(mass_kg)
    np.testing.assert_allclose(centre, com, atol=1e-6)


def test_readings_in_one_orientation_are_refused():
    turns = np.repeat(np.eye(3)[None], 5, axis=0)
    with pytest.raises(CalibrationDataError, match="unknowns"):
        fit_payload(np.zeros((5, 6)), turns)
    with pytest.raises(CalibrationDataError, match="n of 3"):
        fit_payload(np.zeros((2, 6)), turns[:2])
