"""Readings are what calibrated sensors would give."""

import numpy as np
from sensorium_core.goal import Goal
from sensorium_sim.cell import Cell
from sensorium_sim.driving import ToolDriver, attempt
from sensorium_sim.layout import sample_scene
from sensorium_sim.scene import ObjectSpec, Scene


def one_cube(mass_kg: float = 0.2) -> Scene:
    cube = ObjectSpec("red", "cube", 0.042, 0.45, 0.05, 0.2, mass_kg)
    return Scene(0, (cube,), sample_scene(0).buttons)


def test_wrench_is_tared_in_free_motion(cell: Cell) -> None:
    cell.reset(sample_scene(0))
    driver = ToolDriver(cell)
    for k in range(20):
        driver.move(np.array([0.0, 0.02 * np.cos(k), 0.0]), 0.1 * np.sin(k), 1.0)
        assert np.linalg.norm(cell.wrench()[:3]) < 0.5
        assert np.linalg.norm(cell.wrench()[3:]) < 0.05
        assert np.abs(cell.touch()).max() < 0.2


def test_a_lifted_object_is_felt_by_wrist_and_pads(cell: Cell) -> None:
    mass = 0.2
    outcome, _ = attempt(cell, one_cube(mass), Goal("pick", "red", "cube"))
    assert outcome.success
    cell.step(400)
    # The tool points down: its z axis is along gravity.
    assert abs(cell.wrench()[2] - 9.81 * mass) < 0.3
    left, right = cell.touch()
    assert left[1] > 5.0
    assert right[1] < -5.0
    assert abs(left[1] + right[1]) < 1.0


def test_wrench_shows_the_push_of_the_table_on_the_fingers(cell: Cell) -> None:
    cell.reset(Scene(0, (), sample_scene(0).buttons, start_pose=(0.48, 0.0, 0.05, 0.0)))
    driver = ToolDriver(cell)
    for _ in range(16):
        driver.move(np.array([0.0, 0.0, -0.0025]), 0.0, 0.0)
    # The table pushes up, which is against the tool's z axis.
    assert cell.wrench()[2] < -3.0


def test_reading_twice_at_one_time_gives_one_reading(cell: Cell) -> None:
    cell.reset(sample_scene(1))
    cell.step(10)
    np.testing.assert_array_equal(cell.wrench(), cell.wrench())
    np.testing.assert_array_equal(cell.render("wrist")[1], cell.render("wrist")[1])


def test_series_of_readings_equal_the_single_ones(cell: Cell) -> None:
    cell.reset(sample_scene(2))
    readings = cell.sense(20)
    wrench, touch, joints = cell.wrench(), cell.touch(), np.concatenate(cell.joints())
    np.testing.assert_array_equal(readings.wrench[-1], wrench)
    np.testing.assert_array_equal(readings.touch[-1], touch)
    np.testing.assert_array_equal(readings.joints[-1], joints)
    assert readings.stamps_ns[-1] == cell.time_ns


def test_noise_has_the_size_it_says(cell: Cell) -> None:
    cell.reset(sample_scene(3))
    wrench = cell.sense(500).wrench
    assert 0.05 < wrench[:, :3].std() < 0.12
    assert abs(wrench[:, :3].mean()) < 0.02
