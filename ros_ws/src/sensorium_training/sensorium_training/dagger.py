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
from sensorium_core.goal import FAMILIES, Goal
from sensorium_core.language import Command
from sensorium_core.policy import Policy
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_sim.cell import Cell
from sensorium_sim.episode_log import EpisodeLog
from sensorium_sim.generate import episode_path
from sensorium_sim.scene import SceneState
from sensorium_sim.scene_json import goal_to_json, scene_to_json
from sensorium_sim.tasks import TASKS

from sensorium_training.closed_loop import ClosedLoop

_SIZE = (96, 128)
_LIMIT_S = 8.0


@dataclass
class _Told:
    """Stands in for the language encoder: what is meant is known here."""

    goal: Goal | None = None

    def encode(self, text: str) -> Command:
        """The command that `goal` is, whatever the words."""
        return Command(text, goal_tokens(self.goal), {}, self.goal, True, "ok")


def rollouts(
    policy: Path, directory: Path, seeds: range, workers: int, progress: Callable[[int], None]
) -> int:
    """Let a policy file act in the scenes of `seeds`; bags that exist are kept.

    Returns how many were made.
    """
    directory.mkdir(parents=True, exist_ok=True)
    todo = [s for s in seeds if not (episode_path(directory, s) / "metadata.yaml").is_file()]
    progress(len(seeds) - len(todo))
    if not todo:
        return 0
    jobs = [(policy, directory, todo[i::workers]) for i in range(workers)]
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


def _work(policy: Path, directory: Path, seeds: list[int], queue: Queue[int]) -> None:
    told = _Told()
    loop = ClosedLoop(Policy(policy), told, frozenset(), Cell())
    for seed in seeds:
        _episode(loop, told, directory, seed)
        queue.put(1)


def _episode(loop: ClosedLoop, told: _Told, directory: Path, seed: int) -> None:
    task = TASKS[FAMILIES[seed % len(FAMILIES)]]
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
        run = loop.run(
            scene, "dagger", judge, _LIMIT_S, lambda cell: EpisodeLog(bag, cell, _SIZE, 1, False)
        )
        bag.write_metadata("result", {"success": str(run.success), "reason": run.reason})


def successes(directory: Path) -> float:
    """Share of rollouts that succeeded, from the bags."""
    results = [
        BagReader(path.parent).metadata()["result"]["success"] == "True"
        for path in sorted(directory.glob("*/metadata.yaml"))
    ]
    return float(np.mean(results)) if results else float("nan")
