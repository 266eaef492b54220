"""Rollouts go where a policy fails, and every family has its turn."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.memory import TOLD_BY
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_sim.generate import episode_path
from sensorium_sim.scene_json import goal_to_json
from sensorium_training.batches import SENSES
from sensorium_training.dagger import asked_for, failing, is_deaf, rollouts, successes
from sensorium_training.dataset import load

SEEDS = range(500_000, 500_900)
MODELS = Path(__file__).resolve().parents[4] / "models"


def test_the_first_round_asks_for_all_families_alike_by_seed():
    asked = asked_for(SEEDS, ALL_FAMILIES)
    assert list(asked) == list(SEEDS)
    assert set(Counter(asked.values()).values()) == {100}
    assert asked[500_005] == ALL_FAMILIES[500_005 % len(ALL_FAMILIES)]


def test_later_rounds_ask_in_proportion_to_failures_and_take_turns():
    odds = {family: 0.0 for family in ALL_FAMILIES} | {"insert": 0.9, "give": 0.4}
    asked = asked_for(SEEDS, ALL_FAMILIES, odds)
    counts = Counter(asked.values())
    share = 900 / (7 * 0.1 + 1.0 + 0.5)
    for family in ALL_FAMILIES:
        assert counts[family] == pytest.approx(share * (0.1 + odds[family]), abs=1)
    half = Counter(list(asked.values())[:450])
    assert all(abs(2 * half[family] - counts[family]) <= 2 for family in ALL_FAMILIES)
    assert asked_for(SEEDS, ALL_FAMILIES, odds) == asked


def test_a_family_that_was_never_tried_counts_as_failing():
    counts = Counter(asked_for(range(110), ("pick", "insert"), {"pick": 0.0}).values())
    assert counts["insert"] == pytest.approx(11 * counts["pick"], abs=11)


def test_failures_are_read_from_the_bags_that_were_made(tmp_path: Path):
    goals = [Goal("insert", quality="round"), Goal("pick", "red", "cube")]
    for seed, (goal, success) in enumerate(
        [(goals[0], False), (goals[0], False), (goals[0], True), (goals[1], True)]
    ):
        with BagWriter(episode_path(tmp_path, seed), "zstd") as bag:
            bag.write_metadata("episode", {"goal": goal_to_json(goal)})
            bag.write_metadata("result", {"success": str(success), "reason": ""})
    assert failing(tmp_path, range(10)) == {"insert": 3 / 5, "pick": 1 / 3}
    assert successes(tmp_path, range(4)) == 0.5
    assert failing(tmp_path, range(10, 20)) == {}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_as_many_rollouts_are_deaf_as_told_of_families_where_force_does_not_decide(share: float):
    asked = asked_for(SEEDS, ALL_FAMILIES)
    counts = Counter(family for seed, family in asked.items() if is_deaf(seed, share, family))
    for family in ALL_FAMILIES:
        felt = family in ("insert", "hold", "give", "feel")
        assert counts[family] == (0 if felt else 100 * share)


def test_a_deaf_rollout_holds_no_force_in_bag_or_rows_and_counts_for_no_success(tmp_path: Path):
    policy, fast, seed = MODELS / "senses" / "policy.onnx", MODELS / "fast", 519_990
    rollouts(policy, tmp_path / "bags", {seed: "put"}, 1, lambda _: None, fast, deaf=1.0)
    told = BagReader(episode_path(tmp_path / "bags", seed))
    assert {"/wrench", "/touch/left", "/touch/right"}.isdisjoint(told.topics())
    assert {"/joint_states", "/sim/expert"} <= set(told.topics())
    assert told.metadata()["episode"]["dead"] == "wrench,pads"
    rows = load(tmp_path / "bags", "all", 0.05, cache=tmp_path / "rows", contract=touch())
    got = rows.batch(np.arange(len(rows)))
    assert len(rows) > 5
    force = [SENSES.index(sense) for sense in ("wrench", "pads")]
    assert got["valid"][:, force].sum() == 0
    assert got["valid"][:, SENSES.index("joints")].all()
    felt = [*TOLD_BY["wrench"], *TOLD_BY["pads"]]
    assert not got["memory"][:, :, felt].any()
    assert failing(tmp_path / "bags", [seed]) == {}


_DRIVES = """
import sys
from pathlib import Path
from sensorium_training.dagger import rollouts

if __name__ == "__main__":
    bags, policy = map(Path, sys.argv[1:])
    rollouts(policy, bags, {seed: "pick" for seed in range(519_900, 519_990)}, 1, lambda _: None)
"""


def test_who_is_killed_leaves_no_worker_that_goes_on(tmp_path: Path):
    script, bags = tmp_path / "drives.py", tmp_path / "bags"
    script.write_text(_DRIVES)
    words = [sys.executable, str(script), str(bags), str(MODELS / "tabletop" / "policy.onnx")]
    with subprocess.Popen(words, start_new_session=True) as driver:
        assert within(60, lambda: any(bags.glob("*/metadata.yaml")))
        driver.kill()
        driver.wait()
        try:
            assert within(60, lambda: not alive(driver.pid))
        finally:
            if alive(driver.pid):
                os.killpg(driver.pid, signal.SIGKILL)
    assert len(list(bags.iterdir())) < 20


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not (met := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return met


def alive(group: int) -> bool:
    """Whether a process of the group still runs, zombies aside."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[2]) == group and fields[0] != "Z":
                return True
    return False
