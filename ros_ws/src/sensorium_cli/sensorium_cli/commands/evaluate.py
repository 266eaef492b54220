"""`sensorium evaluate`: does the arm do what it is told, over many trials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sensorium_core.errors import UnknownNameError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES, FAMILIES, TOUCH_FAMILIES
from sensorium_core.phrases_file import read_phrases
from sensorium_core.policy import Policy

from sensorium_cli.commands.matrix import (
    matrix_options,
    matrix_wishes,
    run_matrix,
    warn_of_half_a_policy,
)
from sensorium_cli.playable import cell_of, require_playable

if TYPE_CHECKING:
    from sensorium_training.evaluation import Case, Outcome

_SETS = {"all": FAMILIES, "touch": TOUCH_FAMILIES}
_CHOICES = [*ALL_FAMILIES, "none", "wrong", *_SETS]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--episodes", default=50, show_default=True, type=click.IntRange(1), help="For each family."
)
@click.option(
    "--split", default="heldout", show_default=True, type=click.Choice(["train", "heldout"]),
    help="Scenes: heldout ones were never used in training.",
)  # fmt: skip
@click.option(
    "--phrasing", default="heldout", show_default=True,
    type=click.Choice(["train", "heldout", "unseen"]),
    help="Wordings; heldout ones are a tenth of the grammar that no training saw.",
)  # fmt: skip
@click.option(
    "--phrases", "phrases_file", type=click.Path(path_type=Path),
    help="Lines of family<TAB>target<TAB>text: your own wordings instead of the grammar's.",
)  # fmt: skip
@click.option(
    "--family", default="all", show_default=True, type=click.Choice(_CHOICES),
    help="none: words on which to hold still; wrong: told one thing, judged by another; "
    "all: the three of the tabletop; touch: the six others.",
)  # fmt: skip
@click.option("--drop", multiple=True, help="A sense that is dead from the start; repeatable.")
@click.option("--over-ros", is_flag=True, help="Through the real nodes and DDS, in real time.")
@click.option(
    "--language", default="models/language/encoder.onnx", show_default=True,
    type=click.Path(path_type=Path),
)  # fmt: skip
@click.option(
    "--fast-policy", type=click.Path(path_type=Path),
    help="A fast half, such as models/fast, for a policy that says what to feel.",
)  # fmt: skip
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1))
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path),
    help="Write every outcome; a matrix keeps and takes up what is there.",
)  # fmt: skip
@matrix_options
def evaluate(
    model: Path,
    episodes: int,
    split: str,
    phrasing: str,
    phrases_file: Path | None,
    family: str,
    drop: tuple[str, ...],
    over_ros: bool,
    language: Path,
    fast_policy: Path | None,
    workers: int,
    json_file: Path | None,
    **matrix: Any,
) -> None:
    """Run MODEL in closed loop and count successes, with 95 % Wilson intervals.

    \b
    Examples:
        sensorium evaluate models/tabletop --episodes 200
        sensorium evaluate models/tabletop --drop wrist_rgb --family pick
        sensorium evaluate models/tabletop --phrases mine.tsv --json outcomes.json
        sensorium evaluate models/tabletop --matrix --episodes 20 --json out/matrix.json
    """
    wishes = matrix_wishes(matrix)
    fast = None if fast_policy is None else FastPolicy(fast_policy)
    if wishes is not None:
        run_matrix(model, wishes, episodes, phrasing, language, workers, json_file, fast_policy)
        return
    from sensorium_training.evaluation import phrase_cases  # The simulator is heavy: load it late.

    senses = Policy(model).contract.senses
    for name in drop:
        if name not in senses:
            raise UnknownNameError("sense to drop", name, senses)
    if phrases_file is not None:
        cases = phrase_cases(read_phrases(phrases_file), split)
    else:
        cases = cases_of(family, episodes, split, phrasing)
    asked = (cases, model, language, frozenset(drop), over_ros, workers)
    outcomes = evaluate_cases(*asked, fast=fast_policy)
    _show(outcomes)
    if json_file is not None:
        facts = {"model": str(model), "sha256": Policy(model).sha256, "split": split,
                 "phrasing": phrasing, "drop": list(drop), "over_ros": over_ros}  # fmt: skip
        facts |= {} if fast is None else {"fast_sha256": fast.sha256}
        report = {**facts, "outcomes": [o.as_json() for o in outcomes]}
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=1))


def cases_of(family: str, n: int, split: str, phrasing: str) -> list[Case]:
    """The cases of one choice of `--family`."""
    from sensorium_training.evaluation import refusal_cases, task_cases, wrong_cases

    if family == "wrong":
        return wrong_cases(n, split)
    if family == "none":
        return refusal_cases(n, split)
    families = _SETS.get(family, (family,))
    return [case for name in families for case in task_cases(name, n, split, phrasing)]


def evaluate_cases(
    cases: list[Case],
    model: Path,
    language: Path,
    drop: frozenset[str],
    over_ros: bool,
    workers: int,
    gate: bool = True,
    fast: Path | None = None,
) -> list[Outcome]:
    """Run cases headless or over real nodes, behind a progress bar; only headless without gate.

    Raises `EpisodeError` for a family that the policy cannot do.
    """
    from sensorium_training.evaluation import run_cases

    require_playable(Policy(model), {case.goal.family for case in cases if case.goal is not None})
    if any(case.family in TOUCH_FAMILIES for case in cases):
        warn_of_half_a_policy([model], ["touch"], fast)
    columns = (TextColumn("episodes"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=len(cases))

        def show(done: int) -> None:
            bar.update(task, completed=done)

        if over_ros:
            return _run_over_ros(cases, model, language, drop, fast, show)
        return run_cases(cases, model, language, drop, workers, show, gate, fast)


def _run_over_ros(
    cases: list[Case],
    model: Path,
    language: Path,
    drop: frozenset[str],
    fast: Path | None,
    show: Callable[[int], None],
) -> list[Outcome]:
    """The same cases through one launched graph of real nodes, one reset an episode."""
    from sensorium_training.evaluation import Outcome

    from sensorium_cli import over_ros as ros

    arguments = {
        "policy": str(model.resolve()),
        "cell": cell_of(Policy(model)),
        "language": str(language.resolve()),
        "drop": ",".join(sorted(drop)),
        "fast_policy": "" if fast is None else str(fast.resolve()),
    }
    told = [ros.Case(case.seed, case.goal, case.text) for case in cases]
    outcomes = []
    for case, ran in zip(cases, ros.run_over_ros(told, arguments), strict=True):
        outcomes.append(
            Outcome(case, ran.success, ran.reason, ran.state, ran.seconds, ran.moved_m)
        )
        show(len(outcomes))
    return outcomes


def _show(outcomes: list[Outcome]) -> None:
    from sensorium_training.evaluation import by_family, wilson

    table = Table("family", "success", "n", "rate", "95 % interval", "median s", "peak N")
    for family, successes, n in by_family(outcomes):
        low, high = wilson(successes, n)
        mine = [o for o in outcomes if family in ("all", o.case.family)]
        times = sorted(o.seconds for o in mine)
        forces = [o.peak_force_n for o in mine if o.peak_force_n is not None]
        peak = f"{max(forces):.0f}" if forces else "-"
        table.add_row(
            family, str(successes), str(n), f"{100 * successes / n:.1f} %",
            f"{100 * low:.1f} - {100 * high:.1f} %", f"{times[n // 2]:.1f}", peak,
        )  # fmt: skip
    Console().print(table)
    for outcome in [o for o in outcomes if not o.success][:20]:
        click.echo(f'  failed: "{outcome.case.text}" (seed {outcome.case.seed}): {outcome.reason}')
