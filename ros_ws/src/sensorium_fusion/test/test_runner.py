"""The policy loop: what it refuses, when it holds, how it comes to rest."""

from types import SimpleNamespace

import numpy as np
import pytest
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.geometry import Camera
from sensorium_core.goal import Goal
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command
from sensorium_core.policy import PolicyOutput
from sensorium_description import load_constants, load_urdf
from sensorium_fusion.plan import stop_trajectory, tool_waypoints
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import State

MS = 1_000_000
GOAL = Goal("pick", "red", "cube")


class FakePolicy:
    """Moves 1 cm a step in x; notes what it was fed."""

    contract = tabletop()

    def __init__(self, present: float = 0.99) -> None:
        self.present, self.done, self.fed = present, 0.0, []

    def run(self, tensors: dict) -> PolicyOutput:
        self.fed.append(tensors)
        chunk = np.zeros((8, 5), dtype=np.float32)
        chunk[:, 0] = 0.01 * np.arange(1, 9)
        chunk[:, 4] = 1.0
        target = np.array([0.5, 0.1, 0.02], dtype=np.float32)
        return PolicyOutput(chunk, target, self.present, self.done, np.full(6, 1 / 6))


class FakeLanguage:
    def encode(self, text: str) -> Command:
        known = text.startswith("pick")
        reason = None if known else "I do not understand"
        return Command(text, goal_tokens(GOAL), {}, GOAL, known, "ok", reason)


@pytest.fixture(scope="module")
def arm() -> Kinematics:
    return Kinematics(load_urdf())


@pytest.fixture
def bench(arm: Kinematics) -> SimpleNamespace:
    policy = FakePolicy()
    runner = Runner(policy, FakeLanguage(), arm)
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    pose[:3, 3] = [0.5, 0.0, 0.8]
    runner.set_camera(Camera((100.0, 100.0, 63.5, 47.5), (96, 128), pose))
    home = np.array([0.48, 0.0, 0.30, 0.0])
    q = arm.ik(np.array(load_constants().home_seed_q), home)

    def sense(t: int, depth: bool = True) -> None:
        joints = np.zeros(14)
        joints[:6], joints[6] = q, 0.02
        runner.push("joints", t, joints)
        runner.push("scene_rgb", t, np.zeros((96, 128, 3), dtype=np.uint8))
        if depth:
            runner.push("scene_depth", t, np.full((96, 128), 760, dtype=np.uint16))

    return SimpleNamespace(policy=policy, runner=runner, sense=sense, q=q)


def turn(bench: SimpleNamespace, t_ms: int, **senses: bool):
    bench.sense(t_ms * MS, **senses)
    step = bench.runner.step(t_ms * MS)
    if step.trajectory is not None:
        bench.runner.commanded(step.trajectory)
    return step


def test_nothing_is_proposed_before_anything_is_said(bench) -> None:
    assert turn(bench, 100).trajectory is None
    assert bench.runner.state is State.IDLE


def test_an_instruction_plans_at_once_from_where_the_arm_is(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    step = turn(bench, 100)
    assert step.state is State.ACTING
    assert step.trajectory is not None
    np.testing.assert_allclose(step.trajectory.positions[0, :6], bench.q, atol=1e-6)
    assert step.trajectory.stamp_ns == 100 * MS
    assert not bench.runner.due(200 * MS)
    assert bench.runner.due(400 * MS)


def test_the_anchor_is_remembered_and_fed_back(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    turn(bench, 100)
    turn(bench, 400)
    np.testing.assert_allclose(bench.policy.fed[-1]["memory"][0, :4], [0.5, 0.1, 0.02, 1.0])


def test_what_is_not_understood_is_refused_in_words_and_moves_nothing(bench) -> None:
    bench.runner.instruct("florble the wug")
    step = turn(bench, 100)
    assert step.state is State.REFUSED
    assert step.reason == "I do not understand"
    assert step.trajectory is None
    assert not bench.policy.fed


def test_an_object_that_is_not_there_is_refused_by_name(bench) -> None:
    bench.policy.present = 0.01
    bench.runner.instruct("pick up the red cube")
    step = turn(bench, 100)
    assert step.state is State.REFUSED
    assert "I see no red cube" in step.reason
    assert step.trajectory is None


def test_doubt_is_settled_over_several_frames_without_moving(bench) -> None:
    bench.policy.present = 0.4
    bench.runner.instruct("pick up the red cube")
    states = [turn(bench, 100 * (i + 1)) for i in range(5)]
    assert all(step.trajectory is None for step in states)
    assert states[-1].state is State.REFUSED


def test_a_dead_required_sense_brings_the_arm_to_rest_and_motion_resumes_with_it(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    turn(bench, 100)
    held = turn(bench, 500, depth=False)
    assert held.state is State.HOLDING
    assert "cloud" in held.reason
    assert "0.40 s" in held.reason
    assert held.trajectory is not None
    assert not held.trajectory.velocities[-1].any()
    assert turn(bench, 600, depth=False).trajectory is None
    assert turn(bench, 700).state is State.ACTING


def test_an_empty_instruction_stops_mid_motion_without_a_jump(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    plan = turn(bench, 100).trajectory
    bench.runner.instruct("  ")
    stop = turn(bench, 250)
    assert stop.state is State.IDLE
    assert stop.trajectory is not None
    np.testing.assert_allclose(stop.trajectory.positions[0], plan.sample(250 * MS), atol=1e-9)
    assert turn(bench, 300).trajectory is None


def test_a_new_instruction_takes_over_from_the_commanded_motion(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    first = turn(bench, 100).trajectory
    bench.runner.instruct("pick up the blue ball")
    second = turn(bench, 250).trajectory
    assert second is not None
    np.testing.assert_allclose(second.positions[0], first.sample(250 * MS), atol=1e-9)


def test_done_is_believed_only_twice(bench) -> None:
    bench.runner.instruct("pick up the red cube")
    turn(bench, 100)
    bench.policy.done = 0.9
    assert turn(bench, 400).state is State.ACTING
    assert turn(bench, 700).state is State.DONE


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
