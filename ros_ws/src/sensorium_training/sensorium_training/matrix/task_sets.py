"""What a matrix tries: families, the cell that they need, their scenes, judges and experts.

This is the seam for new tasks: a `TaskSet` in `TASK_SETS` is all that the matrix knows of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import ALL_FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_fusion.fast_half import FastFile
from sensorium_sim.cell import Cell
from sensorium_sim.episode import Episode, goal_text
from sensorium_sim.grammar import phrases
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.tasks import TASKS
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_layout import touch_scene
from sensorium_sim.touch_scene import TouchState
from sensorium_sim.touch_tasks import TIME_LIMITS_S
from sensorium_sim.touch_tasks import judge as judge_touch

from sensorium_training.closed_loop import Judge, Proposer
from sensorium_training.evaluation import verdicts
from sensorium_training.matrix.experts import TabletopExpert, TouchExpertRunner


@dataclass(frozen=True)
class Trial:
    """One episode to run: scene and goal are those that family and seed set."""

    family: str
    seed: int
    text: str
    """What is said; for shuffled language not what is judged."""


@dataclass(frozen=True)
class Staged:
    """A trial ready to run. The judge is good for one episode."""

    scene: Scene
    goal: str
    """What is judged, as text: equal goals have equal texts."""
    judge: Judge
    limit_s: float


class TaskSet(Protocol):
    """Families that share a cell."""

    @property
    def name(self) -> str:
        """What the command line calls it."""

    @property
    def families(self) -> tuple[str, ...]:
        """One column of success each."""

    @property
    def is_variant(self) -> bool:
        """Whether it makes tasks of another set harder: told beside the means, held to no bar."""

    def cell(self, version: int) -> Cell:
        """A new cell for who acts by a contract of this version, as `ClosedLoop` has it.

        It owns a GL context and stays in its process.
        """

    def trials(self, family: str, seeds: range, phrasing: str) -> list[Trial]:
        """One trial a seed, told in a wording of the split `phrasing`."""

    def stage(self, trial: Trial) -> Staged:
        """Scene, judge and time of a trial."""

    @property
    def is_felt(self) -> bool:
        """Whether its expert says what to feel, so that a fast half corrects it."""

    def expert(self, trial: Trial, cell: Cell, fast: FastFile | None) -> tuple[Proposer, Contract]:
        """The scripted expert of a trial's goal, who sees the truth of the cell.

        With it comes the contract that the gate is configured by.
        """


@dataclass(frozen=True)
class Tabletop:
    """Pick, push and press: vision and words decide."""

    name: str = "tabletop"
    families: tuple[str, ...] = tuple(TASKS)
    is_variant: bool = False
    is_felt: bool = False

    def cell(self, version: int) -> Cell:
        """The ordinary cell, or for all that have learnt touch the one that they act in."""
        return Cell() if version == 1 else TouchCell()

    def trials(self, family: str, seeds: range, phrasing: str) -> list[Trial]:
        """The scenes, goals and words of `evaluation.task_cases`."""
        goals = ((seed, TASKS[family].reset(seed)[1]) for seed in seeds)
        return [_told(family, seed, goal, phrasing) for seed, goal in goals]

    def stage(self, trial: Trial) -> Staged:
        """Judged as the simulator node judges."""
        scene, goal = TASKS[trial.family].reset(trial.seed)
        episode = Episode(trial.seed, scene, goal)
        return Staged(scene, goal_text(goal), verdicts(episode), episode.time_limit_s)

    def expert(self, trial: Trial, cell: Cell, fast: FastFile | None) -> tuple[Proposer, Contract]:
        """Its chunks are those that the policy is trained on; it has no use for a fast half."""
        goal, contract = TASKS[trial.family].reset(trial.seed)[1], tabletop()
        return TabletopExpert(goal, cell, contract), contract


@dataclass(frozen=True)
class Touch:
    """The six families where touch decides."""

    name: str = "touch"
    clearance_m: float = 0.001
    """Of the pegs to be inserted."""
    families: tuple[str, ...] = TOUCH_FAMILIES
    is_variant: bool = False
    is_felt: bool = True

    def cell(self, version: int) -> Cell:
        """The cell with fixtures and traits, whoever acts."""
        return TouchCell()

    def trials(self, family: str, seeds: range, phrasing: str) -> list[Trial]:
        """The scenes and goals of `touch_layout`, the words of `evaluation.task_cases`."""
        goals = ((seed, self._scene(family, seed)[1]) for seed in seeds)
        return [_told(family, seed, goal, phrasing) for seed, goal in goals]

    def stage(self, trial: Trial) -> Staged:
        """Judged by `touch_tasks`."""
        scene, goal = self._scene(trial.family, trial.seed)
        limit_s = TIME_LIMITS_S[trial.family]
        return Staged(scene, goal.text, _touch_verdicts(goal, limit_s), limit_s)

    def expert(self, trial: Trial, cell: Cell, fast: FastFile | None) -> tuple[Proposer, Contract]:
        """Slow half and fast half; without the latter `hold` fails."""
        assert isinstance(cell, TouchCell)
        runner = TouchExpertRunner(self._scene(trial.family, trial.seed)[1], cell, fast)
        return runner, runner.contract

    def _scene(self, family: str, seed: int) -> tuple[Scene, Goal]:
        return touch_scene(family, seed, self.clearance_m)


def _told(family: str, seed: int, goal: Goal, phrasing: str) -> Trial:
    """A trial in one of the wordings of a split, always the same one."""
    rng = np.random.default_rng((seed, ALL_FAMILIES.index(family)))
    return Trial(family, seed, phrases(goal, rng, split=phrasing))


def _touch_verdicts(goal: Goal, limit_s: float) -> Judge:
    start: list[TouchState] = []

    def verdict(state: SceneState) -> tuple[bool | None, str]:
        assert isinstance(state, TouchState)
        if not start:
            start.append(state)
        outcome = judge_touch(goal, start[0], state)
        elapsed_s = (state.time_ns - start[0].time_ns) * 1e-9
        if outcome.success is None and elapsed_s >= limit_s:
            return False, f"{outcome.reason} after {elapsed_s:.0f} s"
        return outcome.success, outcome.reason

    return verdict


_MAKERS: dict[str, Callable[[], TaskSet]] = {
    "tabletop": Tabletop,
    "touch": Touch,
    "touch-hard": lambda: Touch("touch-hard", 0.0005, ("insert",), is_variant=True),
}
TASK_SETS = tuple(_MAKERS)


def task_set(name: str) -> TaskSet:
    """A task set by name; raises `UnknownNameError` listing the known ones."""
    if name not in _MAKERS:
        raise UnknownNameError("task set", name, TASK_SETS)
    return _MAKERS[name]()


def shuffled(tasks: TaskSet, trials: list[Trial]) -> list[Trial]:
    """The same trials, each told the words of another one of another goal; of its family if any.

    Raises `UnknownNameError` when all trials have one goal.
    """
    goals = [tasks.stage(trial).goal for trial in trials]
    return [_told_another(trials, goals, i) for i in range(len(trials))]


def _told_another(trials: list[Trial], goals: list[str], i: int) -> Trial:
    mine = trials[i]
    later = [(i + k) % len(trials) for k in range(1, len(trials))]
    others = [j for j in later if goals[j] != goals[i]]
    alike = [j for j in others if trials[j].family == mine.family]
    if not others:
        raise UnknownNameError("trial to take words from", goals[i], ("trials of two goals",))
    return Trial(mine.family, mine.seed, trials[(alike or others)[0]].text)
