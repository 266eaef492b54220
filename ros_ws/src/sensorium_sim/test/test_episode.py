"""Scenes that fit a goal, and verdicts on attempts."""

from dataclasses import replace

import numpy as np
import pytest
from sensorium_core.errors import EpisodeError
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_sim import episode as episode_module
from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.cells import CELLS, playable
from sensorium_sim.episode import HOLD_STILL_S, Judge, find_episode, goal_text, parse_goal
from sensorium_sim.layout import feasible
from sensorium_sim.scene import ObjectState, SceneState
from sensorium_sim.tasks import TASKS
from sensorium_sim.touch_asked import goals_here
from sensorium_sim.touch_scene import TouchScene

NS = 1_000_000_000


@pytest.mark.parametrize(
    "goal",
    [
        Goal("pick", "red", "cube"),
        Goal("push", "blue", "cylinder", "left"),
        Goal("press", "green"),
        Goal("insert", quality="round"),
        Goal("hold", "green", manner="firmly"),
        Goal("put", "red", "cube", onto_colour="blue"),
        Goal("stack", "red", "cube", onto_colour="blue", onto_shape="ball"),
    ],
)
def test_goals_are_read_as_they_are_written(goal):
    assert parse_goal(goal_text(goal)) == goal


@pytest.mark.parametrize(
    "text",
    ["", "lift red cube", "pick red red", "pick pink cube", "push red cube", "insert", "hold red"],
)
def test_a_bad_goal_is_refused(text):
    with pytest.raises(EpisodeError, match="goal"):
        parse_goal(text)


@pytest.mark.parametrize("text", ["pick red cube", "push blue ball away", "press purple"])
def test_the_scene_that_is_found_fits_the_goal(text):
    episode = find_episode(11, text)
    assert feasible(episode.scene, episode.goal)
    assert episode.goal_text == text


@pytest.mark.parametrize("family", ALL_FAMILIES)
@pytest.mark.parametrize("seed", [0, 5, 1_200_000])
def test_a_family_and_a_seed_set_the_scene_that_headless_evaluation_plays(family, seed):
    scene, goal = ALL_TASKS[family].reset(seed)
    for text in (family, goal.words):
        episode = find_episode(seed, text)
        assert (episode.seed, episode.scene, episode.goal) == (seed, scene, goal)
    assert episode.time_limit_s == ALL_TASKS[family].time_limit_s


@pytest.mark.parametrize(
    "text", ["hold red gently", "put blue ball green", "stack red cube blue cylinder", "feel soft"]
)
def test_a_scene_of_touch_is_found_that_has_what_the_goal_names(text):
    episode = find_episode(11, text)
    assert isinstance(episode.scene, TouchScene)
    assert episode.goal_text == text
    assert episode.goal in goals_here(ALL_TASKS[episode.goal.family].reset(episode.seed)[1],
                                      episode.scene)  # fmt: skip


def test_what_no_scene_of_touch_has_is_refused(monkeypatch):
    monkeypatch.setattr(episode_module, "_TOUCH_TRIES", 20)
    with pytest.raises(EpisodeError, match="'stack red cube blue ball' fits no scene"):
        find_episode(0, "stack red cube blue ball")


def test_only_the_cell_of_touch_plays_scenes_of_touch():
    touch, tabletop = find_episode(2, "hold"), find_episode(2, "pick")
    assert playable(touch, "touch") is touch
    for cell in CELLS:
        assert playable(tabletop, cell) is tabletop
    with pytest.raises(EpisodeError, match=f"goal '{touch.goal_text}'.*cell:=touch"):
        playable(touch, "tabletop")


def test_a_goal_that_names_no_shape_is_completed_from_the_scene():
    episode = find_episode(0, "pick green")
    assert episode.goal.shape is not None


def test_a_family_alone_gives_the_goal_that_the_seed_sets():
    episode = find_episode(4, "push")
    assert (episode.scene, episode.goal) == TASKS["push"].reset(4)


def test_the_task_s_own_goal_gives_the_task_s_own_scene():
    scene, goal = TASKS["push"].reset(9)
    assert find_episode(9, goal_text(goal)).scene == scene


def test_no_goal_means_any_scene_and_holding_still():
    assert find_episode(3, "none").goal is None


def state(t_s=0.0, tool=(0.4, 0.0, 0.3, 0.0), height=0.02, holding=None):
    item = ObjectState(
        "red", "cube", 0.04, np.array([0.4, 0.0, height]), np.array([0, 0, 0, 1.0]), np.zeros(3)
    )
    return SceneState(round(t_s * NS), (item,), (), np.array(tool), 0.04, holding)


def judge(goal_words="pick red cube"):
    return Judge(replace(find_episode(0, goal_words), goal=parse_goal(goal_words)))


def test_nothing_counts_before_something_is_said():
    lifted = state(1.0, height=0.2, holding=0)
    assert judge().update(lifted).status == "waiting"


def test_lifting_the_target_is_success_and_the_verdict_stands():
    watch = judge()
    watch.told(state())
    assert watch.update(state(1.0)).status == "running"
    assert watch.update(state(2.0, height=0.1, holding=0)).status == "success"
    assert watch.update(state(3.0)).status == "success"


def test_time_runs_out():
    watch = judge()
    watch.told(state(5.0))
    limit_s = TASKS["pick"].time_limit_s
    assert watch.update(state(4.9 + limit_s)).status == "running"
    assert watch.update(state(5.1 + limit_s)).status == "failure"


def test_holding_still_succeeds_when_nothing_is_to_be_done():
    watch = judge("none")
    watch.told(state())
    assert watch.update(state(0.5 * HOLD_STILL_S)).status == "running"
    assert watch.update(state(HOLD_STILL_S)).status == "success"


@pytest.mark.parametrize("tool", [(0.4, 0.02, 0.3, 0.0), (0.4, 0.0, 0.3, 0.2)])
def test_moving_fails_when_nothing_is_to_be_done_even_if_the_arm_comes_back(tool):
    watch = judge("none")
    watch.told(state())
    assert watch.update(state(1.0, tool)).status == "failure"
    assert watch.update(state(HOLD_STILL_S)).status == "failure"
