"""Episodes that the policy itself drives, to be labelled by the expert (DAgger, Ross et al. 2011).

Bags of these look like demonstrations; labels are computed from the ground truth in them, so that
the policy learns what to do in the states that its own mistakes lead to.
"""

import multiprocessing
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import numpy as np
from sensorium_core.codebook import goal_tokens
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_core.language import Command
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.generate import episode_path
from sensorium_sim.scene import SceneState
from sensorium_sim.scene_json import goal_to_json, scene_to_json
from sensorium_sim.shadow import Shadow

from sensorium_training.closed_loop import ClosedLoop

_SIZE = (96, 128)
_LIMIT_S = 8.0


@dataclass
class Told:
    """Stands in for the language encoder: what is meant is known here."""

    goal: Goal | None = None

    def encode(self, text: str) -> Command:
        """The command that `goal` is, whatever the words."""
        return Command(text, goal_tokens(self.goal), {}, self.goal, True, "ok")


def rollouts(
    policy: Path,
    directory: Path,
    seeds: range,
    workers: int,
    progress: Callable[[int], None],
    fast: Path | None = None,
) -> int:
    """Let a policy file act in the scenes of `seeds`; bags that exist are kept.

    `fast` is the file of a fast half, for a policy that says what to feel. Returns how many were
    made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    todo = [s for s in seeds if not (episode_path(directory, s) / "metadata.yaml").is_file()]
    progress(len(seeds) - len(todo))
    if not todo:
        return 0
    jobs = [(policy, directory, todo[i::workers], fast) for i in range(workers)]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    queue: Queue[int] = context.Manager().Queue()
    with context.Pool(workers) as pool:
        result = pool.starmap_async(_work, [(*job, queue) for job in jobs])
        done = len(seeds) - len(todo)
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
    policy: Path, directory: Path, seeds: list[int], fast: Path | None, queue: Queue[int]
) -> None:
    told = Told()
    actor = Policy(policy)
    loop = ClosedLoop(actor, told, fast=None if fast is None else FastPolicy(fast))
    families = FAMILIES if actor.contract.version == 1 else ALL_FAMILIES
    for seed in seeds:
        episode(loop, told, directory, seed, families[seed % len(families)])
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


def successes(directory: Path, seeds: range) -> float:
    """Share of the rollouts in the scenes of `seeds` that succeeded, from the bags."""
    results = [
        BagReader(episode_path(directory, seed)).metadata()["result"]["success"] == "True"
        for seed in seeds
    ]
    return float(np.mean(results)) if results else float("nan")
