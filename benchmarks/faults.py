"""Every fault that the gate must survive, injected into the running stack over real ROS 2.

    .venv/bin/python benchmarks/faults.py --list
    .venv/bin/python benchmarks/faults.py --only force silent --trials 20
    .venv/bin/python benchmarks/faults.py --resume --write         # all sixteen, idle and loaded
    .venv/bin/python benchmarks/faults.py --minutes 30 --write     # normal running: false trips

Exits with 1 when a bar is missed or a reaction is not the one that docs/gate.md promises. Needs
root for the small disk of class 14 and to let the observer run before others.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from fault_classes import FaultClass, classes
from fault_cycles import cycles
from fault_normal import normal
from fault_page import collected, failures, page
from fault_runs import Plan, keep, kept, run_class
from results_page import ROOT, write_section

_FOLDER = ROOT / "out" / "faults"
_LOADS = {"idle": (False,), "loaded": (True,), "both": (False, True)}


def _list(every: list[FaultClass]) -> None:
    for fault in every:
        print(f"{fault.number:>3}  {fault.key:<12} {fault.title}")


def _run(fault: FaultClass, plan: Plan, n_cycles: int) -> dict[str, object] | None:
    """The numbers of one class; None when it has nothing to do with loaded cores."""
    if fault.key == "cycles":
        return None if plan.loaded else cycles(fault, n_cycles)
    result = run_class(fault, plan)
    return result if result["cases"] else None


@click.command()
@click.option("--list", "listed", is_flag=True, help="Name the classes and end.")
@click.option("--only", help="Classes to run, with commas; all when left out.")
@click.option(
    "--trials",
    default=200,
    show_default=True,
    type=click.IntRange(1),
    help="Of each fault where timing matters.",
)
@click.option(
    "--repeats", default=5, show_default=True, type=click.IntRange(1), help="Of each other fault."
)
@click.option(
    "--load",
    default="both",
    show_default=True,
    type=click.Choice(list(_LOADS)),
    help="Whether both cores are kept busy meanwhile.",
)
@click.option("--cycles", "n_cycles", default=1000, show_default=True, help="Of class 15.")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1),
    help="Run normally for so long instead, and count false trips.",
)
@click.option("--small", is_flag=True, help="Small pictures, for a computer that is busy.")
@click.option("--resume", is_flag=True, help="Keep what an earlier run has finished.")
@click.option(
    "--folder",
    default=_FOLDER,
    type=click.Path(path_type=Path),
    show_default=True,
    help="Takes the numbers of each class as JSON, and logs.",
)
@click.option("--write", is_flag=True, help="Write the section of docs/results.md.")
def main(
    listed: bool,
    only: str | None,
    trials: int,
    repeats: int,
    load: str,
    n_cycles: int,
    minutes: float | None,
    small: bool,
    resume: bool,
    folder: Path,
    write: bool,
) -> None:
    """Inject faults, tell what becomes of them."""
    every = classes(small)
    if listed:
        _list(every)
        return
    wanted = [name for name in (only or "").split(",") if name]
    unknown = sorted(set(wanted) - {fault.key for fault in every})
    if unknown:
        raise click.UsageError(f"no classes {unknown}; --list names them")
    ran: set[str] = set()

    def do(plan: Plan, key: str, measure: Callable[[], dict[str, object] | None]) -> None:
        path = kept(key, plan)
        ran.add(path.name)
        if resume and path.exists():
            return
        print(f"{key}, {'loaded' if plan.loaded else 'idle'}", flush=True)
        result = measure()
        if result is not None:
            keep(result, plan)

    for loaded in _LOADS[load] if minutes is None else (False,):
        plan = Plan(folder, trials, repeats, loaded)
        if minutes is not None:
            do(plan, "normal", lambda: normal(minutes))
            continue
        for fault in every:
            if not wanted or fault.key in wanted:
                do(plan, fault.key, lambda fault=fault, plan=plan: _run(fault, plan, n_cycles))  # type: ignore[misc]
    results = collected(folder)
    commits = ", ".join(sorted({str(r["commit"]) for r in results}))
    head = (
        f"## Faults\n\n`benchmarks/faults.py --trials {trials}` and `--minutes 30`, commit "
        f"{commits}, {os.cpu_count()} cores. Each fault is injected into the running stack."
    )
    timed = [fault.key for fault in every if fault.is_timed]
    text = f"{head}\n\n{page(results, [fault.key for fault in every], timed)}"
    print(text)
    if write:
        write_section("faults", text)
    sys.exit(bool(failures([r for r in collected(folder) if _name(r) in ran])))


def _name(result: dict[str, object]) -> str:
    return f"{result['key']}-{'loaded' if result.get('loaded') else 'idle'}.json"


if __name__ == "__main__":
    main()
