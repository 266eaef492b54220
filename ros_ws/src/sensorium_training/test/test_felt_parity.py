"""Bag = live for contract version 2: what a policy remembered is what its recording shows."""

from pathlib import Path

import numpy as np
import pytest
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import touch
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.language import Command
from sensorium_core.policy import PolicyOutput
from sensorium_recording.alignment import aligned_frames
from sensorium_sim.episode_log import EPOCH_NS
from sensorium_sim.layout import heldout_seed
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_layout import touch_scene
from sensorium_training.closed_loop import ClosedLoop
from sensorium_training.dagger import Told, episode
from sensorium_training.dataset import load
from sensorium_training.evaluation import by_family, run_case, task_cases

FAMILY, SEED = "feel", heldout_seed(1)


class Grabber:
    """Goes down over a place and closes the fingers there, then lifts; notes what it is fed."""

    contract = touch()
    unheard: frozenset[str] = frozenset()
    families = ALL_FAMILIES

    def __init__(self, x: float, y: float) -> None:
        self.place, self.fed = np.array([x, y, 0.02]), []

    def run(self, tensors: dict[str, np.ndarray]) -> PolicyOutput:
        self.fed.append({name: value.copy() for name, value in tensors.items()})
        tool = tensors["reference"][0].astype(np.float64)
        away = self.place - tool[:3]
        near = float(np.hypot(away[0], away[1])) < 0.004
        low = near and away[2] > -0.006
        step = away * [1.0, 1.0, near] * min(1.0, 0.015 / max(np.linalg.norm(away), 1e-6))
        c, s = np.cos(tool[3]), np.sin(tool[3])
        chunk = np.zeros((8, 5), dtype=np.float32)
        chunk[:, 0] = (c * step[0] + s * step[1]) * np.arange(1, 9)
        chunk[:, 1] = (c * step[1] - s * step[0]) * np.arange(1, 9)
        chunk[:, 2] = (0.0 if low else step[2]) * np.arange(1, 9)
        chunk[:, :3] = np.clip(chunk[:, :3], -np.abs(away), np.abs(away))
        chunk[:, 4] = 0.0 if low else 1.0
        target, intent = self.place.astype(np.float32), np.zeros(2, np.float32)
        return PolicyOutput(chunk, target, 1.0, 0.0, np.full(6, 1 / 6), intent)


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grabber, Path]:
    folder = tmp_path_factory.mktemp("driven")
    scene, _ = touch_scene(FAMILY, SEED)
    policy = Grabber(scene.objects[0].x, scene.objects[0].y)
    told = Told()
    loop = ClosedLoop(policy, told)
    assert isinstance(loop.cell, TouchCell)
    episode(loop, told, folder, SEED, FAMILY)
    return policy, folder


def test_what_was_remembered_live_comes_out_of_the_bag_bit_for_bit(
    driven: tuple[Grabber, Path],
) -> None:
    policy, folder = driven
    frames = list(aligned_frames(next(folder.glob("ep_*")), touch()))
    by_cloud = {frame.observation.values["cloud"].tobytes(): frame for frame in frames}
    grasped = 0
    for tensors in policy.fed:
        frame = by_cloud[tensors["cloud"][0].tobytes()]
        for name in ("wrench", "touch_left", "touch_right", "joints"):
            seen = frame.observation.values[name]
            np.testing.assert_array_equal(tensors[name][0], seen, err_msg=name)
        live, again = tensors["memory"][0], frame.memory.vector()
        weight = [20, 21, 28, 29]
        np.testing.assert_array_equal(np.delete(live[5:], np.array(weight) - 5),
                                      np.delete(again[5:], np.array(weight) - 5))  # fmt: skip
        grasped += int(live[16])
    assert grasped > 3, "the story is of a grasp"
    assert frames[0].t_ns >= EPOCH_NS


def test_episodes_of_a_policy_are_labelled_by_the_expert_that_looked_on(
    driven: tuple[Grabber, Path],
) -> None:
    _, folder = driven
    data = load(folder, "all", 0.0, contract=touch())
    rows = data.batch(np.arange(len(data)))
    assert len(data) > 20
    assert np.isfinite(rows["chunk"]).all()
    assert np.abs(rows["chunk"][:, 0]).max() > 0.01


def test_touch_cases_have_their_own_scenes_and_judges() -> None:
    (case,) = task_cases("give", 1, "heldout", "train")
    assert case.goal is not None
    assert case.goal.family == "give"
    policy = Grabber(0.5, 0.0)
    told = Told(case.goal)
    loop = ClosedLoop(policy, told)
    outcome = run_case_shortly(loop, case)
    assert not outcome.success
    assert [family for family, _, _ in by_family([outcome])] == ["give", "all"]


def run_case_shortly(loop, case):
    """The case, by a policy that says at its second step that it is done."""
    policy = loop._runner._policy
    run = policy.run

    def done(tensors):
        output = run(tensors)
        return PolicyOutput(output.chunk, output.target, 1.0, 1.0, output.weights, output.intent)

    policy.run = done
    return run_case(loop, case)


def test_told_is_what_is_meant() -> None:
    goal = Goal("insert", quality="round")
    command = Told(goal).encode("whatever")
    assert isinstance(command, Command)
    np.testing.assert_array_equal(command.tokens, goal_tokens(goal))
