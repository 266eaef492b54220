"""Bag = live: what a policy saw while it acted is what its recording shows, bit for bit."""

from pathlib import Path

import numpy as np
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.goal import FAMILIES
from sensorium_core.language import Command
from sensorium_core.policy import PolicyOutput
from sensorium_recording.alignment import aligned_frames
from sensorium_recording.bag_writer import BagWriter
from sensorium_sim.cell import Cell
from sensorium_sim.episode_log import EPOCH_NS, EpisodeLog
from sensorium_sim.layout import heldout_seed
from sensorium_sim.scene_json import goal_to_json, scene_to_json
from sensorium_sim.tasks import TASKS
from sensorium_training.closed_loop import ClosedLoop
from sensorium_training.dataset import load


class WanderingPolicy:
    """Moves somewhere that depends on all that it is fed; notes the bytes."""

    contract = tabletop()
    unheard: frozenset[str] = frozenset()
    families = FAMILIES

    def __init__(self) -> None:
        self.fed: list[dict[str, np.ndarray]] = []

    def run(self, tensors: dict[str, np.ndarray]) -> PolicyOutput:
        self.fed.append({name: value.copy() for name, value in tensors.items()})
        sway = float(sum(v.astype(np.float64).mean() for v in tensors.values())) % 1.0
        chunk = np.zeros((8, 5), dtype=np.float32)
        chunk[:, :3] = np.outer(np.arange(1, 9), [0.004 * sway, 0.004, -0.002])
        chunk[:, 4] = sway
        target = np.array([0.5, 0.0, 0.02], dtype=np.float32)
        return PolicyOutput(chunk, target, 1.0, 0.0, np.full(6, 1 / 6))


class Told:
    def __init__(self, goal) -> None:
        self.goal = goal

    def encode(self, text: str) -> Command:
        return Command(text, goal_tokens(self.goal), {}, self.goal, True, "ok")


def record(folder: Path, policy: WanderingPolicy) -> Path:
    scene, goal = TASKS["pick"].reset(heldout_seed(3))
    loop = ClosedLoop(policy, Told(goal), cell=Cell())
    with BagWriter(folder / "episode") as bag:
        facts = {"goal": goal_to_json(goal), "scene": scene_to_json(scene)}
        bag.write_metadata("episode", facts)
        loop.run(
            scene,
            "go",
            lambda state: (None, "wandering"),
            2.0,
            lambda cell: EpisodeLog(bag, cell, (96, 128), 1, False),
        )
    return folder / "episode"


def test_what_the_policy_was_fed_is_what_the_bag_holds_bit_for_bit(tmp_path: Path) -> None:
    policy = WanderingPolicy()
    bag = record(tmp_path, policy)
    replayed = {
        frame.t_ns - EPOCH_NS: frame.observation for frame in aligned_frames(bag, tabletop())
    }
    fed_clouds = {tensors["cloud"].tobytes() for tensors in policy.fed}
    matched = [
        seen for seen in replayed.values() if seen.values["cloud"][None].tobytes() in fed_clouds
    ]
    assert len(matched) >= len(fed_clouds) >= 5
    by_cloud = {seen.values["cloud"].tobytes(): seen for seen in matched}
    for tensors in policy.fed:
        seen = by_cloud[tensors["cloud"][0].tobytes()]
        for name in ("scene_rgb", "wrist_rgb", "wrench", "touch_left", "touch_right", "joints"):
            np.testing.assert_array_equal(tensors[name][0], seen.values[name], err_msg=name)


def test_training_rows_hold_the_bytes_that_the_policy_was_fed(tmp_path: Path) -> None:
    policy = WanderingPolicy()
    record(tmp_path, policy)
    data = load(tmp_path, "all", 0.0)
    rows = data.batch(np.arange(len(data)))
    index = {cloud.tobytes(): i for i, cloud in enumerate(rows["cloud"])}
    for tensors in policy.fed:
        i = index[tensors["cloud"][0].tobytes()]
        for name in ("scene_rgb", "wrist_rgb", "wrench", "touch_left", "joints", "valid"):
            np.testing.assert_array_equal(tensors[name][0], rows[name][i], err_msg=name)
        np.testing.assert_allclose(tensors["reference"][0], rows["tool"][i], atol=1e-6)
