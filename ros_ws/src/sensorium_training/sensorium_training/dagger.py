"""Episodes that the policy itself drives, to be labelled by the expert (DAgger, Ross et al. 2011).

Bags of these look like demonstrations; labels are computed from the ground truth in them and,
where touch decides, from what the expert beside the policy noted (`/sim/expert`), so that the
policy learns what to do in the states that its own mistakes lead to.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

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

from sensorium_training.abandoned import leave_if_abandoned
from sensorium_training.closed_loop import ClosedLoop

_SIZE = (96, 128)
_LIMIT_S = 8.0
_LEAST_ODDS = 0.1
FORCE = ("wrench", "pads")
"""The senses that are dead in deaf rollouts..."""
_FORCE_TOPICS = frozenset({"/wrench", "/touch/left", "/touch/right"})
"""...and what publishes nothing then."""
_FELT = ("insert", "hold", "give", "feel")
"""Never deaf: their expert goes by what it feels, which no deaf row would tell."""
_DEAF_OF = 20
"""Deaf are so many in this many consecutive seeds, spread over them."""


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

    All alike by default, else in proportion to 0.1 and the share of each that is `failing` (1 for
    one that is not named), so that what never fails is asked an eleventh as often as what always
    does: what a policy can do already teaches it little. Families take turns throughout.
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


def is_deaf(seed: int, share: float, family: str) -> bool:
    """Whether force is dead in the rollout of a seed, of which a `share` 0..1 is to be so.

    Steps of 7 in 20 meet all families alike that take turns by seed, as in a first round; in later
    ones about so. None where force decides.
    """
    return family not in _FELT and (7 * seed) % _DEAF_OF < round(share * _DEAF_OF)


def rollouts(
    policy: Path,
    directory: Path,
    asked: Mapping[int, str],
    workers: int,
    progress: Callable[[int], None],
    fast: Path | None = None,
    deaf: float = 0.0,
) -> int:
    """Let a policy file act in scenes by seed, each for a family; bags that exist are kept.

    `fast` is the file of a fast half, for a policy that says what to feel. In a share `deaf` of
    the scenes wrench and pads are dead from the start, but where force decides: the bag has
    neither. Returns how many were made.
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
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    jobs = [Rollout(policy, fast, directory, deaf, seed, family) for seed, family in todo]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        made = pool.imap_unordered(_work, jobs)
        for done, _ in enumerate(made, 1 + len(asked) - len(todo)):
            progress(done)
    return len(todo)


@dataclass(frozen=True)
class Rollout:
    """One episode to be driven."""

    policy: Path
    fast: Path | None
    directory: Path
    deaf: float
    seed: int
    family: str


def _work(job: Rollout) -> None:
    leave_if_abandoned()
    hearing, dull, told = _loops(job.policy, job.fast)
    dead = FORCE if is_deaf(job.seed, job.deaf, job.family) else ()
    episode(dull if dead else hearing, told, job.directory, job.seed, job.family, dead)


@lru_cache(maxsize=1)
def _loops(policy: Path, fast: Path | None) -> tuple[ClosedLoop, ClosedLoop, Told]:
    """The policy with every sense, the same without force, and who tells both what is meant."""
    told, slow, half = Told(), Policy(policy), None if fast is None else FastPolicy(fast)
    hearing = ClosedLoop(slow, told, fast=half)
    return hearing, ClosedLoop(slow, told, frozenset(FORCE), hearing.cell, fast=half), told


def episode(
    loop: ClosedLoop,
    told: Told,
    directory: Path,
    seed: int,
    family: str,
    dead: tuple[str, ...] = (),
) -> None:
    """The policy's try at the goal of a seed, as a bag; where touch decides, with a shadow.

    `dead` are no senses or `FORCE`: those that the loop drops, which are not recorded either.
    """
    silent = _FORCE_TOPICS if dead else frozenset()
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
        facts |= {"dead": ",".join(dead)} if dead else {}
        bag.write_metadata("episode", facts)
        touches = family in TOUCH_FAMILIES
        limit_s = task.time_limit_s if touches else _LIMIT_S
        run = loop.run(
            scene, "dagger", judge, limit_s,
            lambda cell: EpisodeLog(bag, cell, _SIZE, 1, False, silent),
            Shadow(goal) if touches else None,
        )  # fmt: skip
        bag.write_metadata("result", {"success": str(run.success), "reason": run.reason})


def successes(directory: Path, seeds: Sequence[int]) -> float:
    """Share of the rollouts in the scenes of `seeds` that succeeded, but deaf ones."""
    results = [r.success for r in _results(directory, seeds) if not r.dead]
    return float(np.mean(results)) if results else float("nan")


def failing(directory: Path, seeds: Sequence[int]) -> dict[str, float]:
    """Share of the rollouts of each family that failed (Laplace), but deaf ones: of those there
    are as many in every round, and some cannot succeed.
    """
    by_family: dict[str, list[bool]] = {}
    for result in (r for r in _results(directory, seeds) if not r.dead):
        by_family.setdefault(result.family, []).append(result.success)
    return {f: (r.count(False) + 1) / (len(r) + 2) for f, r in by_family.items()}


@dataclass(frozen=True)
class _Result:
    """What was asked for in a rollout, whether it was done, and with which senses dead."""

    family: str
    success: bool
    dead: str


def _results(directory: Path, seeds: Sequence[int]) -> Iterator[_Result]:
    """Of the bags that there are."""
    for seed in seeds:
        path = episode_path(directory, seed)
        if (path / "metadata.yaml").is_file():
            told = BagReader(path).metadata()
            family = goal_from_json(told["episode"]["goal"]).family
            success = told["result"]["success"] == "True"
            yield _Result(family, success, told["episode"].get("dead", ""))
