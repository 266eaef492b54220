"""One matrix: its rows and columns, what is still to be run, and the figures of each line."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from sensorium_core.contract import Contract, tabletop
from sensorium_core.errors import LoaderError
from sensorium_core.hashes import file_sha256, text_sha256
from sensorium_core.language import LanguageEncoder
from sensorium_core.policy import Policy

from sensorium_training.matrix.footprint import Footprint, footprint
from sensorium_training.matrix.offline import HeldOut, OfflineError, rows_contract
from sensorium_training.matrix.rows import HOLD_STILL, PERSISTENCE, POLICY, Row, described
from sensorium_training.matrix.running import Progress, Unit, run_units, units_of
from sensorium_training.matrix.store import MatrixStore, Result
from sensorium_training.matrix.task_sets import Trial, task_set
from sensorium_training.scene_seeds import TRIALS

Counts = tuple[int, int]
"""Successes and trials."""


@dataclass(frozen=True)
class Plan:
    """What a matrix consists of."""

    rows: tuple[Row, ...]
    tasks: tuple[str, ...]
    """Names of task sets."""
    n: int
    """Trials of each family, on the same scenes for each row."""
    language: Path
    phrasing: str = "heldout"
    fast: Path | None = None
    """The fast half of the policies that say what to feel."""
    skip: int = 0
    """Of the scenes of trials, so many are passed over: earlier trials may have guided choices."""

    @cached_property
    def trials(self) -> dict[str, list[Trial]]:
        """By task set, the trials of all of its families."""
        if not (self.n > 0 and 0 <= self.skip <= len(TRIALS) - self.n):
            got = f"{self.n} trials a family" + (f", {self.skip} skipped" if self.skip else "")
            raise LoaderError(got, f"1 to {len(TRIALS)}, skipped ones included")
        seeds = TRIALS[self.skip : self.skip + self.n]
        sets = [task_set(name) for name in dict.fromkeys(self.tasks)]
        return {
            one.name: [t for f in one.families for t in one.trials(f, seeds, self.phrasing)]
            for one in sets
        }

    @cached_property
    def columns(self) -> dict[str, tuple[str, str]]:
        """By heading, task set and family of each column of success."""
        both = [(name, f) for name in self.trials for f in task_set(name).families]
        families = [family for _, family in both]
        return {
            family if families.count(family) == 1 else f"{family} ({name})": (name, family)
            for name, family in both
        }

    @property
    def beside(self) -> frozenset[str]:
        """Headings of harder variants, which no mean counts."""
        return frozenset(h for h, (name, _) in self.columns.items() if task_set(name).is_variant)


@dataclass(frozen=True)
class Line:
    """The figures of one row."""

    row: Row
    results: dict[str, tuple[tuple[Result, ...], ...]]
    """By column, for each policy file, the outcomes in the order of the scenes."""
    offline: tuple[OfflineError, ...]
    """Of each policy file; none where it was not measured."""
    commits: tuple[str, ...]
    beside: frozenset[str] = frozenset()
    """Columns that no mean counts, where there are others: harder variants."""

    @property
    def counted(self) -> tuple[str, ...]:
        """Columns that the means are of."""
        return tuple(c for c in self.results if c not in self.beside) or tuple(self.results)

    def by_seed(self, column: str | None = None) -> list[Counts]:
        """Successes of each policy file in one column, or in all that count."""
        names = self.counted if column is None else (column,)
        files = zip(*(self.results[name] for name in names), strict=True)
        return [
            (sum(r.success for part in file for r in part), sum(map(len, file))) for file in files
        ]

    def counts(self, column: str | None = None) -> Counts:
        """Successes of all policy files in one column, or in all that count."""
        each = self.by_seed(column)
        return sum(k for k, _ in each), sum(n for _, n in each)

    @property
    def share(self) -> float:
        """Mean success over columns that count, which have as many trials each."""
        successes, n = self.counts()
        return successes / n

    @property
    def every(self) -> list[Result]:
        """All outcomes, in the same order for rows of as many policy files."""
        return [r for column in self.results.values() for file in column for r in file]

    @property
    def error(self) -> float | None:
        """Offline error in units of the loss, mean over policy files."""
        return float(np.mean([e.scaled for e in self.offline])) if self.offline else None


class Matrix:
    """Runs a plan and reads its figures out of a store. `commit` names the present code."""

    def __init__(self, plan: Plan, store: MatrixStore, commit: str) -> None:
        """Raises `LoaderError` when two files of a row are of one training."""
        for row in plan.rows:
            _require_seeds(row)
        self.plan, self.store, self._commit = plan, store, commit
        self._held_out: dict[str, HeldOut] = {}
        """By the contract whose rows they are."""

    def run(self, workers: int, progress: Progress) -> None:
        """Run the trials that the store lacks."""
        pairs = [
            (unit, trials)
            for name, trials in self.plan.trials.items()
            for row in self.plan.rows
            for unit in units_of(row, name, self.plan.language, self.plan.fast)
        ]
        run_units(pairs, self.store, self._commit, workers, progress)

    def prepare_offline(self, directory: Path, workers: int) -> None:
        """Load the held-out demonstrations, those of each contract that a row has.

        Before the trials, since it may fail.

        Raises:
            LoaderError: bags that are of no use to a policy of a row.
            PolicyFileError: a policy that does not take its rows.
        """
        language = LanguageEncoder(self.plan.language)
        for unit in self._measured_units():
            key = _key(self._contract(unit))
            if key not in self._held_out:
                contract = self._contract(unit)
                self._held_out[key] = HeldOut(directory, language, contract, workers)
            if unit.actor == POLICY and unit.policy is not None:
                self._held_out[key].try_out(Policy(unit.policy))

    def measure_offline(self, progress: Progress) -> None:
        """Offline errors that the store lacks, on what `prepare_offline` loaded."""
        units = self._measured_units()
        for done, unit in enumerate(units, 1):
            settings = self._offline_settings(unit)
            if self.store.fact(settings) is None:
                held_out = self._held_out[_key(self._contract(unit))]
                self.store.put_fact(settings, _offline_error(held_out, unit).as_json())
                self.store.save()
            progress(done, len(units))

    def _measured_units(self) -> list[Unit]:
        return [unit for row in self.plan.rows for unit in self._offline_units(row)]

    def _contract(self, unit: Unit) -> Contract:
        """Whose rows a unit is measured on; without a policy, those of the first that is there."""
        files = [file for row in self.plan.rows for file in row.policies]
        file = unit.policy or next(iter(files), None)
        return tabletop() if file is None else _contract_of(file)

    def _offline_units(self, row: Row) -> list[Unit]:
        """None for corrupted senses, whose messages are not replayed, and for the expert."""
        measured = row.actor in (POLICY, PERSISTENCE, HOLD_STILL)
        if not measured or row.condition.corruption is not None:
            return []
        units = units_of(row, "", self.plan.language)
        return units if row.actor == POLICY else units[:1]

    def _offline_settings(self, unit: Unit) -> dict[str, object]:
        key = _key(self._contract(unit))
        held_out = self._held_out[key]
        data: dict[str, object] = {
            "data": held_out.data_hash,
            "rows": len(held_out),
            "language": file_sha256(self.plan.language),
            "contract": key,
        }
        known: dict[str, object] = {"offline": data, "actor": unit.actor}
        if unit.actor != POLICY:
            return known
        condition = {**described(unit.condition), "lifted": False}
        return {**known, "policy": unit.policy_sha256, "condition": condition}

    def footprints(self) -> dict[str, list[Footprint]]:
        """By label, of the policy files of each recipe; measured where the store lacks it."""
        found = {}
        for row in self.plan.rows:
            plain = described(row.condition) == described(Row("", POLICY).condition)
            if row.actor == POLICY and plain:
                found[row.label] = [self._footprint(file) for file in row.policies]
        self.store.save()
        return found

    def _footprint(self, file: Path) -> Footprint:
        whole = file / "policy.onnx" if file.is_dir() else file
        settings: dict[str, object] = {"footprint": file_sha256(whole)}
        known = self.store.fact(settings)
        if known is None:
            known = footprint(file).as_json()
            self.store.put_fact(settings, known)
        return Footprint(**known)

    def lines(self) -> list[Line]:
        """Figures of every row; all must have been run."""
        return [self._line(row) for row in self.plan.rows]

    def _line(self, row: Row) -> Line:
        results: dict[str, tuple[tuple[Result, ...], ...]] = {}
        commits: list[str] = []
        for heading, (name, family) in self.plan.columns.items():
            files = []
            for unit in units_of(row, name, self.plan.language, self.plan.fast):
                trials = unit.trials(self.plan.trials[name])
                mine = [t for t in trials if t.family == family]
                found = [self.store.get(unit.settings, trial) for trial in mine]
                files.append(tuple(r for r in found if r is not None))
                commits += self.store.commits(unit.settings)
            results[heading] = tuple(files)
        told = tuple(dict.fromkeys(commits))
        return Line(row, results, self._offline(row), told, self.plan.beside)

    def _offline(self, row: Row) -> tuple[OfflineError, ...]:
        if not self._held_out:
            return ()
        settings = [self._offline_settings(unit) for unit in self._offline_units(row)]
        found = [self.store.fact(one) for one in settings]
        return tuple(OfflineError.of(data) for data in found if data is not None)


def _require_seeds(row: Row) -> None:
    """Raise `LoaderError` when files that count as training seeds of a row are not."""
    policies = [Policy(file) for file in row.policies]
    told = [policy.contract.provenance.get("seed") for policy in policies]
    for names in ([p.sha256 for p in policies], [seed for seed in told if seed is not None]):
        if len(set(names)) < len(names):
            raise LoaderError(
                f"row {row.label!r} with two files of training seed {told[0]}"
                f" ({', '.join(map(str, row.policies))})",
                "one file of each seed: copies of one training are no evidence",
            )


@lru_cache(maxsize=64)
def _contract_of(file: Path) -> Contract:
    return Policy(file).contract


def _key(contract: Contract) -> str:
    return text_sha256(rows_contract(contract).to_json())[:16]


def _offline_error(held_out: HeldOut, unit: Unit) -> OfflineError:
    if unit.actor == PERSISTENCE:
        return held_out.persistence()
    if unit.actor == HOLD_STILL:
        return held_out.hold_still()
    assert unit.policy is not None
    return held_out.policy(Policy(unit.policy), unit.condition)


def labelled(lines: Sequence[Line]) -> dict[str, Line]:
    """Lines by the label of their row."""
    return {line.row.label: line for line in lines}
