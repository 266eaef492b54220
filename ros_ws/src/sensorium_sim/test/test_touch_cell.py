"""Fixtures are where the scene says, drawn where it says, and gone in the next episode."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from sensorium_core.trajectory import Trajectory
from sensorium_sim.layout import sample_scene
from sensorium_sim.scene import ObjectSpec, Scene
from sensorium_sim.sensors import JOINT_POSITION_NOISE_RAD
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_json import touch_state_from_json, touch_state_to_json
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import BlockSpec, ObjectTraits, TouchScene

BUTTONS = sample_scene(0).buttons


def fingerprint(cell: TouchCell, scene: Scene) -> str:
    cell.reset(scene)
    digest = hashlib.sha256()
    readings = cell.sense(150)
    for values in (readings.joints, readings.wrench, readings.touch, *cell.render("scene")):
        digest.update(values.tobytes())
    return digest.hexdigest()


def test_an_episode_owes_nothing_to_the_one_before(touch_cell: TouchCell) -> None:
    plain = sample_scene(5)
    first = fingerprint(touch_cell, plain)
    for family in ("insert", "hold", "feel", "put"):
        scene, _ = touch_scene(family, 5)
        own = fingerprint(touch_cell, scene)
        assert fingerprint(touch_cell, plain) == first
        assert fingerprint(touch_cell, scene) == own


def test_cameras_see_the_block_where_its_error_puts_it(touch_cell: TouchCell) -> None:
    """A block with an error and one that truly stands there give the same pictures."""
    error = (0.003, -0.002, 0.0)
    pictures = []
    for block in (
        BlockSpec(0.45, 0.02, 0.3, seen_error_m=error),
        BlockSpec(0.45 + error[0], 0.02 + error[1], 0.3),
        BlockSpec(0.45, 0.02, 0.3),
    ):
        touch_cell.reset(TouchScene(0, (), BUTTONS, block=block))
        pictures.append([p for name in ("scene", "wrist") for p in touch_cell.render(name)])
    assert all(np.array_equal(a, b) for a, b in zip(pictures[0], pictures[1], strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(pictures[0], pictures[2], strict=True))


def test_a_cap_is_felt_at_its_true_height_and_seen_at_another(touch_cell: TouchCell) -> None:
    scene, _ = touch_scene("hold", 3)
    changed = tuple(replace(t, seen_error_m=0.0) for t in scene.button_traits)
    touch_cell.reset(scene)
    seen, truth = touch_cell.render("scene")[1], touch_cell.ground_truth().buttons
    touch_cell.reset(replace(scene, button_traits=changed))
    assert not np.array_equal(seen, touch_cell.render("scene")[1])
    for before, now, trait in zip(truth, touch_cell.ground_truth().buttons, changed, strict=True):
        np.testing.assert_array_equal(before.position, now.position)
        assert now.position[2] == trait.top_m
        assert now.clicks == 0


def test_pegs_stand(touch_cell: TouchCell) -> None:
    scene, _ = touch_scene("insert", 2)
    touch_cell.reset(scene)
    before = touch_cell.ground_truth().objects
    touch_cell.step(250)
    for old, new in zip(before, touch_cell.ground_truth().objects, strict=True):
        np.testing.assert_allclose(old.position, new.position, atol=3e-4)


def test_a_state_survives_json(touch_cell: TouchCell) -> None:
    for family in ("insert", "hold", "put"):
        touch_cell.reset(touch_scene(family, 1)[0])
        touch_cell.step(5)
        state = touch_cell.ground_truth()
        text = touch_state_to_json(state)
        again = touch_state_from_json(text)
        assert touch_state_to_json(again) == text
        assert (again.scene, again.presses) == (state.scene, state.presses)


def pinched(cell: TouchCell, shape: str, give: float, opening_m: float) -> tuple[float, float]:
    """How far a pad has sunk in and what it feels, when the fingers are told an opening."""
    spec = ObjectSpec("red", shape, 0.04, 0.48, 0.0, 0.0)
    traits = (ObjectTraits(give_m_per_n=give),)
    pose = (0.48, 0.0, 0.02, 0.0)
    cell.reset(TouchScene(0, (spec,), BUTTONS, start_pose=pose, traits=traits))
    told = np.array([[opening_m]])
    cell.command(Trajectory(0, cell.joint_names[6:], np.array([0.3]), told))
    readings = cell.sense(350)
    pads = readings.touch[-50:, :, 1].mean(axis=0)
    return 0.02 - float(readings.joints[-50:, 6].mean()), float(0.5 * (pads[0] - pads[1]))


@pytest.mark.parametrize("shape", ["cube", "cylinder"])
def test_pads_sink_in_as_far_as_the_give_says(touch_cell: TouchCell, shape: str) -> None:
    for give in (6e-5, 2.2e-4, 3.2e-4):
        for opening in (0.015, 0.0):
            sunk, force = pinched(touch_cell, shape, give, opening)
            assert force > 4.0
            assert sunk / force == pytest.approx(give, rel=0.15)


def test_joints_at_rest_do_not_tell_what_hangs_on_the_tool(touch_cell: TouchCell) -> None:
    """A hanging block changes no resting joint by more than a fraction of the sensor's noise.

    Nor the opening of the fingers that hold it, on the table and in the air.
    """
    errors, openings = [], []
    for mass in (0.08, 0.34):
        spec = ObjectSpec("red", "cube", 0.04, 0.48, 0.0, 0.0, mass_kg=mass)
        pose = (0.48, 0.0, 0.02, 0.0)
        touch_cell.reset(TouchScene(0, (spec,), BUTTONS, start_pose=pose))
        q = touch_cell.setpoint()
        q[6] = 0.0
        touch_cell.command(Trajectory(0, touch_cell.joint_names, np.array([0.1]), q[None]))
        touch_cell.step(150)
        on_table = touch_cell.data.qpos[6]
        up = touch_cell.kinematics.ik(q[:6], np.array([0.48, 0.0, 0.1, 0.0]))
        target = np.array([[*up, 0.0]])
        touch_cell.command(Trajectory(0, touch_cell.joint_names, np.array([0.5]), target))
        touch_cell.step(500)
        assert touch_cell.ground_truth().holding == 0
        errors.append(touch_cell.data.qpos[:6] - touch_cell.setpoint()[:6])
        openings.append([on_table, touch_cell.data.qpos[6]])
    assert np.abs(errors[1] - errors[0]).max() < 0.25 * JOINT_POSITION_NOISE_RAD
    assert np.abs(np.diff(openings, axis=0)).max() < 0.25 * JOINT_POSITION_NOISE_RAD, (
        "fingers, [m]"
    )
