"""The cell moves as told, repeats itself, and owes nothing to earlier episodes."""

import hashlib

import numpy as np
import pytest
from sensorium_core.errors import TrajectoryError
from sensorium_core.trajectory import Trajectory
from sensorium_sim.cell import STEP_NS, Cell
from sensorium_sim.driving import ToolDriver, attempt
from sensorium_sim.layout import sample_scene
from sensorium_sim.scene import Scene
from sensorium_sim.tasks import TASKS

HOME = (0.48, 0.0, 0.30, 0.0)


def empty_scene() -> Scene:
    return Scene(0, (), sample_scene(0).buttons)


def swing(cell: Cell, seconds: float = 1.0) -> Trajectory:
    """Shoulder and elbow by 0.2 rad, and back to rest."""
    start = cell.setpoint()
    end = start + np.array([0.2, 0.0, 0.2, 0.0, 0.0, 0.3, 0.0])
    return Trajectory(
        0,
        cell.joint_names,
        np.array([0.5 * seconds, seconds]),
        np.stack([(start + end) / 2, end]),
        np.stack([(end - start) * 1.5 / seconds, np.zeros(7)]),
    )


def fingerprint(cell: Cell, family: str, seed: int) -> str:
    digest = hashlib.sha256()

    def look(cell: Cell) -> None:
        for name in ("scene", "wrist"):
            for picture in cell.render(name):
                digest.update(picture.tobytes())
        for reading in (*cell.joints(), cell.wrench(), cell.touch()):
            digest.update(reading.tobytes())

    attempt(cell, *TASKS[family].reset(seed), look=look)
    return digest.hexdigest()


def test_same_scene_and_commands_give_the_same_bytes_whatever_ran_before(cell: Cell) -> None:
    first = fingerprint(cell, "pick", 3)
    fingerprint(cell, "press", 4)
    other = Cell()
    assert fingerprint(cell, "pick", 3) == first == fingerprint(other, "pick", 3)
    other.close()


def test_noise_seed_changes_the_readings_and_not_the_truth(cell: Cell) -> None:
    scene = sample_scene(5)
    other = Cell(cameras=(), noise_seed=1)
    for each in (cell, other):
        each.reset(scene)
        each.step(20)
    assert not np.array_equal(cell.wrench(), other.wrench())
    a, b = cell.ground_truth().objects[0], other.ground_truth().objects[0]
    np.testing.assert_array_equal(a.position, b.position)


def test_arm_follows_its_setpoint(cell: Cell) -> None:
    cell.reset(empty_scene())
    cell.command(swing(cell))
    worst = 0.0
    for _ in range(100):
        cell.step(5)
        worst = max(worst, float(np.abs(cell.data.qpos[:6] - cell.setpoint()[:6]).max()))
    assert worst < 0.01
    cell.step(200)
    np.testing.assert_allclose(cell.joints()[0][:6], cell.setpoint()[:6], atol=1e-3)


def test_arm_and_gripper_are_commanded_apart(cell: Cell) -> None:
    cell.reset(empty_scene())
    arm = swing(cell)
    cell.command(arm.select(cell.joint_names[:6]))
    cell.step(50)
    cell.command(Trajectory(0, cell.joint_names[6:], np.array([0.2]), np.array([[0.01]]), None))
    cell.step(550)
    np.testing.assert_allclose(cell.setpoint()[:6], arm.positions[-1, :6])
    assert cell.setpoint()[6] == pytest.approx(0.01)


def test_a_trajectory_of_the_past_is_not_taken(cell: Cell) -> None:
    cell.reset(empty_scene())
    cell.step(100)
    before = cell.setpoint()
    late = Trajectory(STEP_NS, cell.joint_names, np.array([0.05]), np.zeros((1, 7)), None)
    assert not cell.command(late)
    cell.step(10)
    np.testing.assert_array_equal(cell.setpoint(), before)


def test_a_trajectory_of_half_an_arm_is_refused(cell: Cell) -> None:
    cell.reset(empty_scene())
    with pytest.raises(TrajectoryError):
        cell.command(Trajectory(0, cell.joint_names[:3], np.array([0.1]), np.zeros((1, 3)), None))


def test_second_finger_mirrors_the_first(cell: Cell) -> None:
    cell.reset(empty_scene())
    cell.command(Trajectory(0, cell.joint_names[6:], np.array([0.2]), np.array([[0.0]]), None))
    for _ in range(50):
        cell.step(5)
        left, right = cell.data.qpos[6:8]
        assert abs(left - right) < 2e-4
    assert left < 1e-3


def test_a_reset_puts_the_tool_where_the_scene_says(cell: Cell) -> None:
    pose = (0.40, -0.2, 0.15, 0.4)
    cell.reset(Scene(0, (), sample_scene(0).buttons, start_pose=pose))
    np.testing.assert_allclose(cell.ground_truth().tool_pose, pose, atol=1e-4)
    np.testing.assert_allclose(cell.kinematics.tool_pose(cell.joints()[0][:6]), pose, atol=1e-3)


def test_objects_of_every_shape_rest_where_they_were_put(cell: Cell) -> None:
    for seed in range(5):
        scene = sample_scene(seed)
        cell.reset(scene)
        cell.step(500)
        for spec, state in zip(scene.objects, cell.ground_truth().objects, strict=True):
            np.testing.assert_allclose(state.position[:2], (spec.x, spec.y), atol=1e-3)
            assert state.position[2] == pytest.approx(spec.size_m / 2, abs=1e-3)
            assert np.linalg.norm(state.velocity) < 1e-2


def test_buttons_click_under_a_finger_and_spring_back(cell: Cell) -> None:
    cell.reset(empty_scene())
    button = cell.ground_truth().buttons[0]
    driver = ToolDriver(cell)
    above = button.position + np.array([0.0, 0.0, 0.03])
    for _ in range(20):
        driver.move(np.clip(above - driver.pose[:3], -0.025, 0.025), 0.0, 0.0)
    for _ in range(20):
        driver.move(np.array([0.0, 0.0, -0.0012]), 0.0, 0.0)
    pressed = cell.ground_truth().buttons
    assert pressed[0].clicks == 1
    assert pressed[1].clicks == 0
    assert 8.0 < pressed[0].peak_force_n < 16.0
    for _ in range(5):
        driver.move(np.array([0.0, 0.0, 0.01]), 0.0, 0.0)
    assert abs(cell.ground_truth().buttons[0].travel_m) < 1e-4
