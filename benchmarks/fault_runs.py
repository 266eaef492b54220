"""Runs the cases of a class, many times where timing matters, and keeps the numbers in JSON."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fault_case import Case, Outcome
from fault_classes import FaultClass, Group
from fault_observer import going_first
from fault_world import NotReadyError, World
from results_page import commit


@dataclass
class Tally:
    """All trials of one case."""

    case: str
    bar_ms: float | None
    expected: list[str]
    outcomes: list[Outcome] = field(default_factory=list)

    def to_json(self) -> dict[str, object]:
        """Plain data, problems in words."""
        timed = [o for o in self.outcomes if not o.problem and o.detection_ms is not None]
        reactions = Counter(o.reaction for o in self.outcomes)
        return {
            "case": self.case,
            "bar_ms": self.bar_ms,
            "expected": self.expected,
            "trials": len(self.outcomes),
            "detection_ms": [o.detection_ms for o in timed],
            "recovery_s": [o.recovery_s for o in self.outcomes if o.recovery_s is not None],
            "reactions": dict(reactions.most_common()),
            "cleared_by": dict(Counter(o.cleared_by for o in self.outcomes if o.cleared_by)),
            "as_expected": sum(not o.problem for o in self.outcomes),
            "problems": dict(Counter(o.problem for o in self.outcomes if o.problem)),
            "said": next((o.said for o in self.outcomes if o.said), ""),
        }


@dataclass(frozen=True)
class Plan:
    """How much is run, and where what is kept."""

    folder: Path
    trials: int = 200
    """Of a case where timing matters."""
    repeats: int = 5
    """Of any other."""
    loaded: bool = False
    """Whether every core is kept busy meanwhile; then only cases where timing matters run."""


def run_class(fault: FaultClass, plan: Plan) -> dict[str, object]:
    """Try every case of a class."""
    begun_s = time.monotonic()
    tallies: list[Tally] = []
    trips: list[str] = []
    for number, group in enumerate(fault.groups):
        cases = [c for c in group.cases() if c.timed or not plan.loaded]
        if cases:
            log = plan.folder / "log" / f"{fault.key}-{number}"
            tallies += _run_group(group, cases, plan, log, trips)
    return {
        "key": fault.key, "number": fault.number, "title": fault.title,
        "loaded": plan.loaded, "commit": commit(), "cores": os.cpu_count(),
        "seconds": time.monotonic() - begun_s,
        "trips": trips, "cases": [tally.to_json() for tally in tallies],
    }  # fmt: skip


def _run_group(
    group: Group, cases: list[Case], plan: Plan, log: Path, trips: list[str]
) -> list[Tally]:
    left = {c.name: _trials(c, plan) for c in cases}
    tallies = {c.name: Tally(c.name, c.bar_ms, list(c.expected)) for c in cases}
    while any(left.values()):
        with World(group.setup(log), log, propose=group.propose) as world, going_first():
            if plan.loaded:
                world.stack.load()
            _run_cases(world, cases, left, tallies)
            trips += world.trips
    return list(tallies.values())


def _trials(case: Case, plan: Plan) -> int:
    """How often a case is tried."""
    if not case.timed:
        return min(plan.repeats, plan.trials)
    return max(round(case.share * plan.trials), 1)


def _run_cases(
    world: World, cases: list[Case], left: dict[str, int], tallies: dict[str, Tally]
) -> None:
    """Until all are done, or the stack has to be started anew."""
    for case in cases:
        while left[case.name]:
            left[case.name] -= 1
            try:
                outcome = world.trial(case)
            except NotReadyError as error:
                outcome = Outcome("-", problem=f"the arm did not move before it: {error}")
            tallies[case.name].outcomes.append(outcome)
            if outcome.problem:
                print(f"    {case.name}: {outcome.problem}", flush=True)
            if outcome.problem.startswith(("does not recover", "cannot", "the arm did not")):
                return


def keep(result: dict[str, object], plan: Plan) -> Path:
    """Write the numbers of a class."""
    path = kept(str(result["key"]), plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return path


def kept(key: str, plan: Plan) -> Path:
    """Where the numbers of a class are."""
    return plan.folder / f"{key}-{'loaded' if plan.loaded else 'idle'}.json"
