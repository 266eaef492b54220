"""Scenes of the touch tasks are fair and hide what only touch may tell; goals are well formed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import MessageDecodeError, UnknownNameError
from sensorium_core.goal import TOUCH_FAMILIES, Goal
from sensorium_sim.layout import heldout_seed
from sensorium_sim.scene_json import goal_from_json, goal_to_json
from sensorium_sim.touch_json import (
    touch_scene_from_json,
    touch_scene_to_json,
    touch_state_from_json,
)
from sensorium_sim.touch_layout import (
    BLOCK_POSE,
    CAP_ERROR_M,
    HARD_M_PER_N,
    HEAVIER_KG,
    HOLE_ERROR_M,
    SOFT_M_PER_N,
    touch_scene,
)
from sensorium_sim.touch_scene import PEG_SHAPES, hole_position

SEEDS = st.integers(0, 1_999_999)
FAMILIES = st.sampled_from(TOUCH_FAMILIES)


@given(SEEDS, FAMILIES)
def test_a_seed_repeats_itself_and_things_have_room(seed: int, family: str) -> None:
    scene, goal = touch_scene(family, seed)
    assert touch_scene(family, seed) == (scene, goal)
    assert goal.family == family
    spots = [(o.x, o.y) for o in scene.objects] + [(b.x, b.y) for b in scene.bowls]
    spots += [(scene.block.x, scene.block.y)] if scene.block else []
    spots += [(b.x, b.y) for b in scene.buttons]
    gaps = [np.hypot(a[0] - b[0], a[1] - b[1]) for i, a in enumerate(spots) for b in spots[:i]]
    assert min(gaps) >= 0.1


@given(SEEDS)
def test_twins_look_alike_and_differ_in_what_is_asked_for(seed: int) -> None:
    for family in ("give", "feel"):
        scene, _ = touch_scene(family, seed)
        first, second = scene.objects
        seen = [(o.colour, o.shape, o.size_m, o.rgb) for o in (first, second)]
        assert seen[0] == seen[1]
    masses = sorted(o.mass_kg for o in touch_scene("give", seed)[0].objects)
    assert HEAVIER_KG[0] <= masses[1] - masses[0] <= HEAVIER_KG[1]
    gives = sorted(t.give_m_per_n or 0.0 for t in touch_scene("feel", seed)[0].traits)
    assert HARD_M_PER_N[0] <= gives[0] <= HARD_M_PER_N[1] < SOFT_M_PER_N[0] <= gives[1]


def test_one_weight_alone_seldom_tells_which_is_heavier() -> None:
    scenes = [touch_scene("give", seed)[0] for seed in range(1000)]
    light, heavy = np.sort([[o.mass_kg for o in scene.objects] for scene in scenes]).T
    bound = np.linspace(0.0, 0.5, 501)[:, None]
    right = 0.5 * ((light < bound).mean(1) + (heavy >= bound).mean(1))
    assert 0.69 < right.max() < 0.76


@given(SEEDS)
def test_where_the_well_is_is_known_to_three_millimetres(seed: int) -> None:
    scene, _ = touch_scene("insert", seed)
    assert scene.block is not None
    assert sorted(o.shape for o in scene.objects) == sorted(PEG_SHAPES.values())
    for kind in PEG_SHAPES:
        wrong = hole_position(scene.block, kind, True) - hole_position(scene.block, kind, False)
        np.testing.assert_allclose(wrong, scene.block.seen_error_m, atol=1e-12)
        assert (np.abs(wrong) <= HOLE_ERROR_M).all()
    drawn = np.array([scene.block.x, scene.block.y, 0.0]) + scene.block.seen_error_m
    np.testing.assert_allclose(drawn[:2], BLOCK_POSE[:2], atol=1e-12)
    assert scene.block.yaw == BLOCK_POSE[2]


def test_errors_and_answers_are_spread_evenly() -> None:
    """Over 600 scenes no answer is more likely than the other, and errors fill their range."""
    seeds = [heldout_seed(i) for i in range(600)]
    errors, first_is_heavier, asked = [], [], []
    for seed in seeds:
        block = touch_scene("insert", seed)[0].block
        assert block is not None
        errors.append(block.seen_error_m)
        scene, goal = touch_scene("give", seed)
        first_is_heavier.append(scene.objects[0].mass_kg > scene.objects[1].mass_kg)
        asked.append(goal.quality == "heavier")
    spread = np.std(errors, axis=0) / np.array(HOLE_ERROR_M)
    np.testing.assert_allclose(spread, 1 / np.sqrt(3), atol=0.04)
    assert abs(np.mean(first_is_heavier) - 0.5) < 0.07
    assert abs(np.mean(asked) - 0.5) < 0.07
    caps = [t.seen_error_m for s in seeds for t in touch_scene("hold", s)[0].button_traits]
    assert max(np.abs(caps)) <= CAP_ERROR_M
    assert np.std(caps) > 0.5 * CAP_ERROR_M


def test_no_depth_presses_most_buttons_rightly() -> None:
    """Springs and heights are such that a press by position alone is mostly wrong."""
    traits = [t for i in range(800) for t in touch_scene("hold", i)[0].button_traits]
    stiff = np.array([t.stiffness_n_per_m for t in traits])
    preload = np.array([t.preload_m for t in traits])
    error = np.array([t.seen_error_m for t in traits])
    for low, high in ((3.0, 7.0), (12.0, 18.0)):
        best = 0.0
        for depth in np.arange(-0.001, 0.013, 0.0003):
            travel = depth - error
            force = np.where(travel > 0, stiff * (preload + travel), 0.0)
            best = max(best, float(np.mean((force >= low) & (force <= high))))
        assert best < 0.45


@pytest.mark.parametrize(
    "fields",
    [
        {"family": "insert"},
        {"family": "insert", "quality": "soft"},
        {"family": "insert", "quality": "round", "colour": "red"},
        {"family": "hold", "colour": "red"},
        {"family": "hold", "colour": "pink", "manner": "gently"},
        {"family": "put", "colour": "red", "shape": "cube"},
        {"family": "hold", "colour": "red", "manner": "gently", "direction": "left"},
        {"family": "pick", "quality": "soft"},
        {"family": "press", "colour": "red", "manner": "gently"},
    ],
)
def test_a_goal_with_wrong_words_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(UnknownNameError):
        Goal(**fields)


@given(SEEDS, FAMILIES)
def test_plain_words_say_what_the_goal_says(seed: int, family: str) -> None:
    _, goal = touch_scene(family, seed)
    words = [w for w in vars(goal).values() if w and w != family]
    assert words
    assert all(word in goal.text for word in words)


@given(SEEDS, FAMILIES)
def test_scene_and_goal_survive_json(seed: int, family: str) -> None:
    scene, goal = touch_scene(family, seed)
    assert touch_scene_from_json(touch_scene_to_json(scene)) == scene
    assert goal_from_json(goal_to_json(goal)) == goal


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"family": "give"}', '{"seed": 1, "extra": 2}'])
def test_other_json_is_refused(text: str) -> None:
    for read in (touch_scene_from_json, touch_state_from_json, goal_from_json):
        with pytest.raises((MessageDecodeError, UnknownNameError)):
            read(text)


def test_an_unknown_family_has_no_scenes() -> None:
    with pytest.raises(UnknownNameError):
        touch_scene("pick", 0)
