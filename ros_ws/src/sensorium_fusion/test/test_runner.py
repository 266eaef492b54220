"""The policy loop: what it refuses, when it holds, how it comes to rest."""

import numpy as np
import pytest
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.errors import KinematicsError
from sensorium_core.goal import Goal
from sensorium_core.language import Command
from sensorium_fusion.grounding import object_words
from sensorium_fusion.plan import stop_trajectory, tool_waypoints
from sensorium_fusion.step import State

MS = 1_000_000


def test_nothing_is_proposed_before_anything_is_said(bench) -> None:
    assert bench.turn(100).trajectory is None
    assert bench.runner.state is State.IDLE


def test_an_instruction_plans_at_once_from_where_the_arm_is(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    step = bench.turn(100)
    assert step.state is State.ACTING
    assert step.trajectory is not None
    np.testing.assert_allclose(step.trajectory.positions[0, :6], bench.q, atol=1e-6)
    assert step.trajectory.stamp_ns == 100 * MS
    assert not bench.runner.due(200 * MS)
    assert bench.runner.due(400 * MS)


def test_a_plan_that_the_gate_does_not_let_pass_is_followed_by_another_soon(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    bench.turn(100)
    bench.sense(400 * MS)
    refused = bench.runner.step(400 * MS).trajectory
    assert not bench.runner.due(490 * MS), "the answer may be on its way"
    assert bench.runner.due(500 * MS)
    bench.runner.commanded(refused)
    assert not bench.runner.due(500 * MS)


def test_the_anchor_is_remembered_and_fed_back(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    bench.turn(100)
    bench.turn(400)
    np.testing.assert_allclose(bench.policy.fed[-1]["memory"][0, :4], [0.5, 0.1, 0.02, 1.0])


def test_what_is_not_understood_is_refused_in_words_and_moves_nothing(bench) -> None:
    bench.runner.instruct("florble the wug")
    step = bench.turn(100)
    assert step.state is State.REFUSED
    assert step.reason == "I do not understand"
    assert step.trajectory is None
    assert not bench.policy.fed


def test_what_the_policy_has_not_learned_is_refused_however_well_understood(bench) -> None:
    goal = Goal("insert", quality="round")
    told = Command("insert the round peg", goal_tokens(goal), {}, goal, True, "ok")
    bench.language.encode = lambda text: told
    bench.runner.instruct(told.text)
    step = bench.turn(100)
    assert step.state is State.REFUSED
    assert step.reason == "this policy has not learned to insert, only to pick, push, press"
    assert not bench.policy.fed


def test_an_object_that_is_not_there_is_refused_by_name(bench) -> None:
    bench.policy.present = 0.01
    bench.runner.instruct("pick up the red cube")
    step = bench.turn(100)
    assert step.state is State.REFUSED
    assert "I see no red cube" in step.reason
    assert step.trajectory is None


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        (Goal("pick", "red", "cube"), "red cube"),
        (Goal("pick", None, "ball"), "ball"),
        (Goal("press", "green"), "green button"),
        (Goal("hold", "green", manner="gently"), "green button"),
        (Goal("insert", quality="round"), "round peg"),
        (Goal("feel", quality="soft"), "soft object"),
        (None, "such object"),
    ],
)
def test_an_object_has_a_name_for_a_person(goal, words) -> None:
    assert object_words(Command("", goal_tokens(goal), {}, goal, True, "ok")) == words


def test_doubt_is_settled_over_several_frames_without_moving(bench) -> None:
    bench.policy.present = 0.4
    bench.runner.instruct("pick up the red cube")
    states = [bench.turn(100 * (i + 1)) for i in range(5)]
    assert all(step.trajectory is None for step in states)
    assert states[-1].state is State.REFUSED


def test_a_dead_required_sense_brings_the_arm_to_rest_and_motion_resumes_with_it(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    bench.turn(100)
    held = bench.turn(500, scene_depth=None)
    assert held.state is State.HOLDING
    assert "cloud" in held.reason
    assert "0.40 s" in held.reason
    assert held.trajectory is not None
    assert not held.trajectory.velocities[-1].any()
    assert bench.turn(600, scene_depth=None).trajectory is None
    waiting = bench.turn(700)
    assert (waiting.state, waiting.trajectory) == (State.HOLDING, None)
    assert "all is back, waiting 0.2 s" in waiting.reason
    assert bench.turn(900).state is State.ACTING


def test_an_empty_instruction_stops_mid_motion_without_a_jump(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    plan = bench.turn(100).trajectory
    bench.runner.instruct("  ")
    stop = bench.turn(250)
    assert stop.state is State.IDLE
    assert stop.trajectory is not None
    np.testing.assert_allclose(stop.trajectory.positions[0], plan.sample(250 * MS), atol=1e-9)
    assert bench.turn(300).trajectory is None


def test_a_new_instruction_takes_over_from_the_commanded_motion(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    first = bench.turn(100).trajectory
    bench.runner.instruct("pick up the blue ball")
    second = bench.turn(250).trajectory
    assert second is not None
    np.testing.assert_allclose(second.positions[0], first.sample(250 * MS), atol=1e-9)


def test_done_is_believed_only_twice(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    bench.turn(100)
    bench.policy.done = 0.9
    assert bench.turn(400).state is State.ACTING
    assert bench.turn(700).state is State.DONE


def test_waypoints_stay_in_the_workspace_and_start_gently() -> None:
    action = tabletop().action
    chunk = np.full((8, 5), 5.0, dtype=np.float32)
    reference = np.array([0.5, 0.0, 0.2, 0.0, 0.5])
    rows = tool_waypoints(chunk, reference, np.zeros(4), action)
    assert (rows[:, :3] <= np.array(action.workspace_max_m) + 1e-9).all()
    steps = np.diff(np.vstack([reference, rows]), axis=0)
    assert np.abs(steps[0, :3]).max() <= 0.013 + 1e-9
    assert np.abs(np.diff(steps[:, :3], axis=0)).max() <= 0.013 + 0.035


def test_a_stop_leaves_the_gripper_where_it_is() -> None:
    names = tabletop().action.joints
    stop = stop_trajectory(np.zeros(7), np.ones(7), 0, names)
    assert stop.positions[-1, 6] == 0.0
    assert stop.positions[-1, 0] == pytest.approx(0.1)


def test_a_stop_neither_begins_nor_ends_with_a_jerk() -> None:
    names = tabletop().action.joints
    stop = stop_trajectory(np.zeros(7), np.ones(7), 0, names)
    times = np.linspace(0.0, 0.2, 201)
    positions = np.array([stop.sample(round(t * 1e9))[0] for t in times])
    acceleration = np.diff(positions, 2) * 1e6
    assert abs(acceleration[0]) < 1.0
    assert abs(acceleration[-1]) < 1.0
    assert np.abs(acceleration).max() < 1.6 / 0.2


def test_an_answer_that_is_not_finite_moves_nothing(bench) -> None:
    bench.policy.chunk = np.full((8, 5), np.nan, dtype=np.float32)
    bench.runner.instruct("pick up the red cube")
    step = bench.turn(100)
    assert step.trajectory is None
    assert "not finite" in step.reason
    with pytest.raises(KinematicsError, match="not finite"):
        tool_waypoints(bench.policy.chunk, np.zeros(5), np.zeros(4), tabletop().action)


def test_a_required_sense_that_is_not_there_is_named_with_its_reason(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    said = [bench.turn(100, joints=None).reason]
    said.append(bench.turn(200, joints=np.append(np.nan, np.zeros(13))).reason)
    bench.turn(300)
    said.append(bench.turn(2000, joints=None).reason)
    for words, why in zip(
        said,
        ("was never received", "holds a value that is not a finite number", "silent for 1.70 s"),
        strict=True,
    ):
        assert words.startswith("holding still: ")
        assert "joints (" in words
        assert why in words
    bench.runner = bench.new_runner()
    bench.runner.set_camera(None)
    bench.runner.instruct("pick up the red cube")
    step = bench.turn(100)
    assert step.trajectory is None
    assert "cloud (" in step.reason
    assert "no camera_info or no tf" in step.reason
