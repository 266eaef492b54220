"""Closed-loop evaluation: cases, workers that run them, and intervals. Needs no torch.

A case is a scene, words, and what the judge looks for; that is usually what the words say, but for
the wrong-instruction test it is what they do not say.
"""

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_core.language import LanguageEncoder
from sensorium_core.phrases_file import Phrase
from sensorium_core.policy import Policy
from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.episode import Episode, Judge, find_episode, goal_text
from sensorium_sim.grammar import phrases
from sensorium_sim.layout import (
    HELDOUT_SEEDS,
    TRAIN_SEEDS,
    absent_goals,
    feasible_goals,
    sample_scene,
)
from sensorium_sim.refusals import RefusalGrammar
from sensorium_sim.scene import Scene, SceneState

from sensorium_training.abandoned import leave_if_abandoned
from sensorium_training.closed_loop import ClosedLoop
from sensorium_training.closed_loop import Judge as LoopJudge

_EVALUATION_OFFSET = 200_000
"""Scenes that evaluation begins with; of the training split these were used in no training."""
GRACE_S = 1.0
"""What the judge has beyond an episode's time limit to say that it is over."""
_Z = 1.959963984540054


@dataclass(frozen=True)
class Case:
    """One episode to run. `goal` is what is judged; None: to hold still is success."""

    seed: int
    family: str
    goal: Goal | None
    text: str


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    case: Case
    success: bool
    reason: str
    state: str
    seconds: float
    moved_m: float
    peak_force_n: float | None = None
    """Largest force on the tool [N]; None where it was not measured (over ROS)."""
    refusals: tuple[str, ...] = ()
    """Why the gate refused proposals."""
    trips: tuple[str, ...] = ()
    """Why the gate held or stopped the arm."""

    def as_json(self) -> dict[str, object]:
        """Plain data for a report."""
        data = asdict(self)
        case = data.pop("case")
        target = "-" if self.case.goal is None else goal_text(self.case.goal)
        return {**case, "goal": target, **data}


def first_seed(split: str) -> int:
    """The first scene seed of a split's evaluation range."""
    seeds = {"train": TRAIN_SEEDS, "heldout": HELDOUT_SEEDS}[split]
    return seeds.start + _EVALUATION_OFFSET


def task_cases(family: str, n: int, split: str, phrasing: str) -> list[Case]:
    """`n` scenes of a family, each with a goal and a wording of it."""
    cases = []
    for seed in range(first_seed(split), first_seed(split) + n):
        _, goal = ALL_TASKS[family].reset(seed)
        rng = np.random.default_rng((seed, ALL_FAMILIES.index(family)))
        cases.append(Case(seed, family, goal, phrases(goal, rng, split=phrasing)))
    return cases


def wrong_cases(n: int, split: str) -> list[Case]:
    """Told one thing, judged by another that the same scene allows: success is a fault."""
    cases = []
    for i in range(n):
        family, seed = FAMILIES[i % len(FAMILIES)], first_seed(split) + i
        scene, goal = ALL_TASKS[family].reset(seed)
        rng = np.random.default_rng((seed, 77))
        others = [g for g in feasible_goals(scene, family) if not _same_thing(g, goal)]
        if others:
            told = others[int(rng.integers(len(others)))]
            cases.append(Case(seed, family, goal, phrases(told, rng)))
    return cases


def _same_thing(a: Goal, b: Goal) -> bool:
    return (a.colour, a.shape) == (b.colour, b.shape)


def refusal_cases(n: int, split: str) -> list[Case]:
    """Words that are out of scope; a fifth name things that are not in the scene."""
    grammar = RefusalGrammar(split=split)
    cases = []
    for i in range(n):
        seed = first_seed(split) + i
        rng = np.random.default_rng((seed, 78))
        text = _absent_text(seed, rng) if i % 5 == 0 else grammar.draw(rng).plain
        cases.append(Case(seed, "none", None, text))
    return cases


def _absent_text(seed: int, rng: np.random.Generator) -> str:
    goals = absent_goals(sample_scene(seed))
    return phrases(goals[int(rng.integers(len(goals)))], rng)


def phrase_cases(lines: tuple[Phrase, ...], split: str) -> list[Case]:
    """A scene that fits for each line of a phrases file."""
    cases = []
    for i, line in enumerate(lines):
        text = "none" if line.goal is None else goal_text(line.goal)
        episode = find_episode(first_seed(split) + 20 * i, text)
        family = "none" if line.goal is None else line.goal.family
        cases.append(Case(episode.seed, family, episode.goal, line.text))
    return cases


def run_cases(
    cases: list[Case],
    policy: Path,
    language: Path,
    drop: frozenset[str],
    workers: int,
    progress: Callable[[int], None],
    gate: bool = True,
    fast: Path | None = None,
) -> list[Outcome]:
    """Run every case headless, through the gate or not; outcomes in the order of the cases.

    `fast` is the file of a fast half, for a policy that says what to feel.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    context = multiprocessing.get_context("spawn")
    jobs = [(case, policy, language, drop, gate, fast) for case in cases]
    outcomes = []
    with context.Pool(workers) as pool:
        for outcome in pool.imap(_run_case, jobs):
            outcomes.append(outcome)
            progress(len(outcomes))
    return outcomes


def _run_case(job: tuple[Case, Path, Path, frozenset[str], bool, Path | None]) -> Outcome:
    leave_if_abandoned()
    case, *made_of = job
    return run_case(_loop(*made_of), case)


@lru_cache(maxsize=2)
def _loop(
    policy: Path, language: Path, drop: frozenset[str], gate: bool, fast: Path | None
) -> ClosedLoop:
    half = None if fast is None else FastPolicy(fast)
    return ClosedLoop(Policy(policy), LanguageEncoder(language), drop, gate=gate, fast=half)


def run_case(loop: ClosedLoop, case: Case) -> Outcome:
    """One case, judged as the simulator node judges."""
    scene = _scene(case)
    episode = Episode(case.seed, scene, case.goal)
    run = loop.run(scene, case.text, verdicts(episode), episode.time_limit_s + GRACE_S)
    success = run.success or (case.goal is None and run.state == "refused" and run.moved_m < 0.01)
    return Outcome(
        case,
        success,
        run.reason,
        run.state,
        run.seconds,
        run.moved_m,
        run.peak_force_n,
        run.refusals,
        run.trips,
    )


def verdicts(episode: Episode) -> LoopJudge:
    """The judge of the simulator node as the closed loop asks it; the first state is the start."""
    judge = Judge(episode)
    told = False

    def verdict(state: SceneState) -> tuple[bool | None, str]:
        nonlocal told
        if not told:
            judge.told(state)
            told = True
        now = judge.update(state)
        decided = now.status in ("success", "failure")
        return (now.status == "success" if decided else None), now.reason

    return verdict


def _scene(case: Case) -> Scene:
    if case.goal is None or case.family == "none":
        return find_episode(case.seed, "none").scene
    scene, _ = ALL_TASKS[case.goal.family].reset(case.seed)
    if case.family not in TOUCH_FAMILIES and scene.index_of(case.goal) is None:
        return find_episode(case.seed, goal_text(case.goal)).scene
    return scene


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    p, z2 = successes / n, _Z * _Z
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def by_family(outcomes: list[Outcome]) -> Iterator[tuple[str, int, int]]:
    """Family, successes and number of cases, and `all` last."""
    for family in (*ALL_FAMILIES, "none"):
        mine = [o for o in outcomes if o.case.family == family]
        if mine:
            yield family, sum(o.success for o in mine), len(mine)
    yield "all", sum(o.success for o in outcomes), len(outcomes)
