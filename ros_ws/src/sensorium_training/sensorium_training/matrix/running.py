"""Runs the trials that a matrix lacks: every row through the same streams and gate.

Expert and hold still have no contract: they do pick, push and press in the cell of version 1.
"""

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import UnknownNameError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.hashes import file_sha256
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy
from sensorium_fusion.runner import Runner
from sensorium_sim.cell import Cell

from sensorium_training.abandoned import leave_if_abandoned
from sensorium_training.closed_loop import ClosedLoop, Proposer
from sensorium_training.evaluation import GRACE_S
from sensorium_training.matrix.baselines import HoldStill, Persistence
from sensorium_training.matrix.rows import (
    EXPERT,
    HOLD_STILL,
    PERSISTENCE,
    POLICY,
    Condition,
    Row,
    described,
)
from sensorium_training.matrix.store import MatrixStore, Result
from sensorium_training.matrix.task_sets import Trial, shuffled, task_set

Progress = Callable[[int, int], None]
"""Called with how many trials are done, of how many."""
_SAVE_S = 5.0


@dataclass(frozen=True)
class Unit:
    """One policy file (none for baselines without) under one condition, on one task set."""

    actor: str
    policy: Path | None
    condition: Condition
    tasks: str
    language: Path
    fast: Path | None = None
    """The fast half, of a policy or an expert that says what to feel."""

    @property
    def settings(self) -> dict[str, object]:
        """All that decides an outcome besides the trial, as plain data."""
        listens = self.policy is not None
        fast = {} if self.fast is None else {"fast": _sha256(self.fast, "correction.onnx")}
        elsewhere = self.version > 1 and not task_set(self.tasks).is_felt
        return {
            "actor": self.actor,
            "policy": self.policy_sha256,
            "language": _sha256(self.language) if listens else None,
            "condition": described(self.condition),
            "tasks": self.tasks,
            **fast,
            **({"cell": "touch"} if elsewhere else {}),
        }

    @property
    def version(self) -> int:
        """Of the contract that decides which cell it acts in; without a policy the first."""
        return 1 if self.policy is None else _version(self.policy)

    @property
    def policy_sha256(self) -> str | None:
        """Of the policy file."""
        return None if self.policy is None else _sha256(self.policy)

    def trials(self, trials: Sequence[Trial]) -> list[Trial]:
        """The trials with the words that this unit is told."""
        if not self.condition.shuffled:
            return list(trials)
        return shuffled(task_set(self.tasks), list(trials))


@lru_cache(maxsize=64)
def _sha256(path: Path, name: str = "policy.onnx") -> str:
    return file_sha256(path / name if path.is_dir() else path)


@lru_cache(maxsize=64)
def _version(policy: Path) -> int:
    return Policy(policy).contract.version


def units_of(row: Row, tasks: str, language: Path, fast: Path | None = None) -> list[Unit]:
    """One unit for each policy file of a row, or one for a baseline without any.

    The fast half is for those who say what to feel, policies and experts; others run as without.
    """
    files: tuple[Path | None, ...] = row.policies or (None,)
    return [
        Unit(
            row.actor, file, row.condition, tasks, language,
            fast if _says_what_to_feel(row.actor, file, tasks) else None,
        )
        for file in files
    ]  # fmt: skip


def _says_what_to_feel(actor: str, policy: Path | None, tasks: str) -> bool:
    if actor == EXPERT:
        return task_set(tasks).is_felt
    return actor == POLICY and policy is not None and _version(policy) > 1


def run_units(
    units: Sequence[tuple[Unit, Sequence[Trial]]],
    store: MatrixStore,
    commit: str,
    workers: int,
    progress: Progress,
) -> None:
    """Run the trials that the store lacks, unit by unit; what is done is kept when interrupted."""
    wanted = [(unit, trial) for unit, trials in units for trial in unit.trials(trials)]
    jobs = list(dict.fromkeys(job for job in wanted if store.get(job[0].settings, job[1]) is None))
    progress(0, len(jobs))
    saved = time.monotonic()
    try:
        with _mapped(jobs, workers) as results:
            for done, ((unit, trial), result) in enumerate(zip(jobs, results, strict=True), 1):
                store.put(unit.settings, trial, result, commit)
                progress(done, len(jobs))
                if time.monotonic() - saved > _SAVE_S:
                    store.save()
                    saved = time.monotonic()
    finally:
        store.save()


@contextmanager
def _mapped(jobs: list[tuple[Unit, Trial]], workers: int) -> Iterator[Iterator[Result]]:
    """Results in the order of the jobs, from this process alone where one worker is enough."""
    if workers == 1 or len(jobs) < 2:
        yield map(_run, jobs)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield pool.imap(_run, jobs)


def _run(job: tuple[Unit, Trial]) -> Result:
    leave_if_abandoned()
    return run_trial(*job)


def run_trial(unit: Unit, trial: Trial) -> Result:
    """One trial, headless."""
    staged, cell = task_set(unit.tasks).stage(trial), _cell(unit.tasks, unit.version)
    proposer, contract = _proposer(unit, trial, cell)
    loop = ClosedLoop.of(proposer, contract, cell)
    run = loop.run(staged.scene, trial.text, staged.judge, staged.limit_s + GRACE_S)
    return Result(
        run.success, run.reason, run.state, run.seconds, run.moved_m, run.peak_force_n,
        len(run.refusals), run.trips,
    )  # fmt: skip


@lru_cache(maxsize=1)
def _cell(tasks: str, version: int) -> Cell:
    return task_set(tasks).cell(version)


@lru_cache(maxsize=2)
def _policy(path: Path, lifted: bool) -> Policy:
    policy = Policy(path)
    if lifted:
        policy.contract = policy.contract.model_copy(update={"required": ()})
    return policy


@lru_cache(maxsize=1)
def _language(path: Path) -> LanguageEncoder:
    return LanguageEncoder(path)


@lru_cache(maxsize=1)
def _fast(path: Path) -> FastPolicy:
    return FastPolicy(path)


def _proposer(unit: Unit, trial: Trial, cell: Cell) -> tuple[Proposer, Contract]:
    """Who acts in a trial, and the contract that the gate is configured by."""
    if unit.actor == HOLD_STILL:
        return HoldStill(), tabletop()
    fast = None if unit.fast is None else _fast(unit.fast)
    if unit.actor == EXPERT:
        return task_set(unit.tasks).expert(trial, cell, fast)
    if unit.actor not in (POLICY, PERSISTENCE) or unit.policy is None:
        raise UnknownNameError("actor", unit.actor, (POLICY, PERSISTENCE, HOLD_STILL, EXPERT))
    policy = _policy(unit.policy, unit.condition.lifted)
    runner = _runner(unit, trial, policy, cell, fast)
    if unit.actor == PERSISTENCE:
        return Persistence(runner, cell.kinematics), policy.contract
    return runner, policy.contract


def _runner(
    unit: Unit, trial: Trial, policy: Policy, cell: Cell, fast: FastPolicy | None
) -> Runner:
    language, drop = _language(unit.language), frozenset(unit.condition.drop)
    if unit.condition.corruption is None:
        return Runner(policy, language, cell.kinematics, drop, fast=fast)
    from sensorium_training.corruption.readings import Corruption
    from sensorium_training.corruption.runner import CorruptedRunner

    ailment = Corruption(*unit.condition.corruption)
    runner = CorruptedRunner(policy, language, cell.kinematics, ailment, drop, fast)
    runner.seed = trial.seed
    return runner
