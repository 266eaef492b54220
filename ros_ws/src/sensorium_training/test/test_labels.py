"""Labels say what the expert would do now, for the goal told and for others of the same scene."""

from dataclasses import replace

import numpy as np
import pytest
from sensorium_core.codebook import goal_classes
from sensorium_core.goal import FAMILIES, Goal
from sensorium_sim.expert_view import view_of
from sensorium_sim.layout import feasible_goals, heldout_seed, sample_scene
from sensorium_sim.rollout import rollout
from sensorium_sim.scene import ButtonState, ObjectState, Scene, SceneState
from sensorium_training.labels import GOALS, LABELS, PRESENT_GOALS, Frame, label_frames

SCENES = [heldout_seed(i) for i in range(6)]


def state_of(scene: Scene) -> SceneState:
    """Ground truth of a scene at its start, without a simulator."""
    objects = tuple(
        ObjectState(
            o.colour, o.shape, o.size_m, np.array([o.x, o.y, 0.5 * o.size_m]),
            np.array([0.0, 0.0, np.sin(0.5 * o.yaw), np.cos(0.5 * o.yaw)]), np.zeros(3),
        )
        for o in scene.objects
    )  # fmt: skip
    buttons = tuple(
        ButtonState(b.colour, np.array([b.x, b.y, 0.045]), 0.0, 0, 0.0) for b in scene.buttons
    )
    tool = np.array(scene.start_pose)
    return SceneState(0, objects, buttons, tool, scene.start_opening_m, None)


def frames_of(scene: Scene, visible: bool = True) -> list[Frame]:
    """Three frames along a way down; the cloud has ten points in each thing, or none."""
    state, cloud = state_of(scene), np.zeros((512, 7), dtype=np.float32)
    places = [thing.position for thing in (*state.objects, *state.buttons)]
    if visible:
        cloud[: 10 * len(places), :3] = np.repeat(places, 10, axis=0)
        cloud[: 10 * len(places), 6] = 1.0
    return [
        Frame(state, np.array([*scene.start_pose, 1.0]) - [0, 0, drop, 0, 0], cloud, 0.0, 0.0)
        for drop in (0.0, 0.01, 0.02)
    ]


def labels_of(scene: Scene, goal: Goal, frames: list[Frame]) -> dict[str, np.ndarray]:
    return label_frames(scene, goal, frames[0].state, frames, np.random.default_rng(1))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SCENES)
def test_the_chunk_of_the_own_goal_is_the_experts_rollout(seed, family):
    scene = sample_scene(seed)
    goals = feasible_goals(scene, family)
    if not goals:
        pytest.skip("the scene allows no goal of this family")
    frames = frames_of(scene)
    rows = labels_of(scene, goals[0], frames)
    for k, frame in enumerate(frames):
        view = view_of(goals[0], frames[0].state, frame.state, frame.reference[:4])
        np.testing.assert_allclose(rows["chunk"][k, 0], rollout(view, goals[0]), atol=1e-6)
        np.testing.assert_allclose(rows["target"][k, 0, :3], view.target[0])
        np.testing.assert_allclose(rows["memory"][k, 0, :3], view.anchor[0])


@pytest.mark.parametrize("seed", SCENES)
def test_rows_have_the_promised_shapes_and_depend_on_the_seed_alone(seed):
    scene = sample_scene(seed)
    goal = feasible_goals(scene, "pick")[0]
    rows, again = (labels_of(scene, goal, frames_of(scene)) for _ in range(2))
    for name, array in rows.items():
        assert array.shape == (3, *LABELS[name][0]), name
        np.testing.assert_array_equal(array, again[name])


def test_absent_goals_ask_for_no_motion_and_are_said_to_be_absent():
    scene = sample_scene(SCENES[0])
    rows = labels_of(scene, feasible_goals(scene, "pick")[0], frames_of(scene))
    absent = slice(PRESENT_GOALS, GOALS)
    assert not rows["chunk"][:, absent].any()
    assert not rows["flags"][:, absent].any()
    there = {goal_classes(g)[1:3] for g in feasible_goals(scene, "pick")}
    named = {tuple(classes[1:3]) for classes in rows["goal"][:, absent].reshape(-1, 4)}
    assert not there & named


def test_what_nobody_can_see_is_neither_present_nor_absent():
    scene = sample_scene(SCENES[0])
    goal = feasible_goals(scene, "pick")[0]
    assert (labels_of(scene, goal, frames_of(scene))["flags"][:, 0, 0] == 1.0).all()
    hidden = labels_of(scene, goal, frames_of(scene, visible=False))
    assert (hidden["flags"][:, :PRESENT_GOALS, 0] == 0.5).all()


def test_a_press_is_done_once_it_was_felt():
    scene = sample_scene(SCENES[0])
    goal = feasible_goals(scene, "press")[0]
    frames = frames_of(scene)
    x, y, z = frames[0].state.buttons[0].position
    frames = [replace(f, reference=np.array([x, y, z + 0.2, 0.0, 0.0])) for f in frames]
    felt = [replace(f, peak_press=1.0) for f in frames]
    assert not labels_of(scene, goal, frames)["flags"][:, 0, 1].any()
    assert labels_of(scene, goal, felt)["flags"][:, 0, 1].all()
