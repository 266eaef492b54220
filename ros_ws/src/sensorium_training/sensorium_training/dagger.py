"""Episodes that the policy itself drives, to be labelled by the expert (DAgger, Ross et al. 2011).

Bags of these look like demonstrations; labels are computed from the ground truth in them, so that
the policy learns what to do in the states that its own mistakes lead to.
"""

import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import numpy as np
from sensorium_core.codebook import goal_tokens
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import TOUCH_FAMILIES, Goal
from sensorium_core.language import Command
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.generate import episode_path
from sensorium_sim.scene import SceneState
from sensorium_sim.scene_json import goal_from_json, goal_to_json, scene_to_json
from sensorium_sim.shadow import Shadow

from sensorium_training.closed_loop import ClosedLoop

_SIZE = (96, 128)
_LIMIT_S = 8.0
_LEAST_ODDS = 0.1


@dataclass
class Told:
    """Stands in for the language encoder: what is meant is known here."""

    goal: Goal | None = None

    def encode(self, text: str) -> Command:
        """The command that `goal` is, whatever the words."""
        return Command(text, goal_tokens(self.goal), {}, self.goal, True, "ok")


def asked_for(
    seeds: Sequence[int], families: Sequence[str], failing: Mapping[str, float] | None = None
) -> dict[int, str]:
    """The family that a policy is asked for in the scene of each seed.

    All alike by default, else in proportion to the share of each that is `failing`, and of those
    that never fail a tenth as often as of those that always do: what a policy can do already
    teaches it little. Families take turns throughout.
    """
    if failing is None:
        return {seed: families[seed % len(families)] for seed in seeds}
    odds = np.array([_LEAST_ODDS + failing.get(family, 1.0) for family in families])
    counts = np.zeros(len(families))
    asked: dict[int, str] = {}
    for done, seed in enumerate(seeds, 1):
        next_one = int(np.argmax(odds / odds.sum() * done - counts))
        counts[next_one] += 1
        asked[seed] = families[next_one]
    return asked


def rollouts(
    policy: Path,
    directory: Path,
    asked: Mapping[int, str],
    workers: int,
    progress: Callable[[int], None],
    fast: Path | None = None,
) -> int:
    """Let a policy file act in scenes by seed, each for a family; bags that exist are kept.

    `fast` is the file of a fast half, for a policy that says what to feel. Returns how many were
    made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    todo = [
        (seed, family)
        for seed, family in asked.items()
        if not (episode_path(directory, seed) / "metadata.yaml").is_file()
    ]
    progress(len(asked) - len(todo))
    if not todo:
        return 0
    jobs = [(policy, directory, todo[i::workers], fast) for i in range(workers)]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    queue: Queue[int] = context.Manager().Queue()
    with context.Pool(workers) as pool:
        result = pool.starmap_async(_work, [(*job, queue) for job in jobs])
        done = len(asked) - len(todo)
        while not result.ready() or not queue.empty():
            done += _drain(queue)
            progress(done)
            result.wait(1.0)
        result.get()
    return len(todo)


def _drain(queue: Queue[int]) -> int:
    count = 0
    while not queue.empty():
        count += queue.get()
    return count


def _work(
    policy: Path,
    directory: Path,
    asked: list[tuple[int, str]],
    fast: Path | None,
    queue: Queue[int],
) -> None:
    told = Told()
    loop = ClosedLoop(Policy(policy), told, fast=None if fast is None else FastPolicy(fast))
    for seed, family in asked:
        episode(loop, told, directory, seed, family)
        queue.put(1)


def episode(loop: ClosedLoop, told: Told, directory: Path, seed: int, family: str) -> None:
    """The policy's try at the goal of a seed, as a bag; where touch decides, with a shadow."""
    task = ALL_TASKS[family]
    scene, goal = task.reset(seed)
    told.goal = goal
    start: list[SceneState] = []

    def judge(state: SceneState) -> tuple[bool | None, str]:
        start.append(state)
        outcome = task.success(goal, start[0], state)
        ended = outcome.success is not None and len(start) > 3
        return (outcome.success if ended else None), outcome.reason

    with BagWriter(episode_path(directory, seed), "zstd", replace_partial=True) as bag:
        facts = {"seed": str(seed), "goal": goal_to_json(goal), "scene": scene_to_json(scene)}
        bag.write_metadata("episode", facts)
        touches = family in TOUCH_FAMILIES
        limit_s = task.time_limit_s if touches else _LIMIT_S
        run = loop.run(
            scene, "dagger", judge, limit_s, lambda cell: EpisodeLog(bag, cell, _SIZE, 1, False),
            Shadow(goal) if touches else None,
        )  # fmt: skip
        bag.write_metadata("result", {"success": str(run.success), "reason": run.reason})


def successes(directory: Path, seeds: Sequence[int]) -> float:
    """Share of the rollouts in the scenes of `seeds` that succeeded, from the bags."""
    results = [_result(directory, seed)[1] for seed in seeds]
    return float(np.mean(results)) if results else float("nan")


def failing(directory: Path, seeds: Sequence[int]) -> dict[str, float]:
    """Share of the rollouts of each family that failed (Laplace), from the bags that there are."""
    by_family: dict[str, list[bool]] = {}
    made = [s for s in seeds if (episode_path(directory, s) / "metadata.yaml").is_file()]
    for family, success in (_result(directory, seed) for seed in made):
        by_family.setdefault(family, []).append(success)
    return {f: (r.count(False) + 1) / (len(r) + 2) for f, r in by_family.items()}


def _result(directory: Path, seed: int) -> tuple[str, bool]:
    """What was asked for in a rollout, and whether it was done."""
    told = BagReader(episode_path(directory, seed)).metadata()
    family = goal_from_json(told["episode"]["goal"]).family
    return family, told["result"]["success"] == "True"
