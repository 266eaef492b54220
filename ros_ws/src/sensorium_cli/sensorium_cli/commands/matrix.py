"""`sensorium evaluate --matrix`: a policy beside every baseline, on the same held-out scenes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from sensorium_training.matrix.measured import Matrix, Plan
    from sensorium_training.matrix.report import Page
    from sensorium_training.matrix.rows import Row

Command = TypeVar("Command", bound=Callable[..., Any])
_ALONE = ("split", "phrases_file", "family", "drop", "over_ros")
"""Options of `evaluate` that a matrix decides by itself."""
_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option(
        "--matrix", is_flag=True,
        help="Every sense alone and left out, baselines, other policies: see docs/evaluation.md.",
    ),
    click.option(
        "--also", multiple=True, type=click.Path(path_type=Path),
        help="Matrix: another training seed of MODEL; repeatable.",
    ),
    click.option(
        "--policy", "policies", multiple=True, metavar="LABEL=PATH",
        help="Matrix: a row of another recipe; the same label again is another seed of it.",
    ),
    click.option(
        "--tasks", multiple=True, default=("tabletop",), show_default=True,
        help="Matrix: tabletop, touch or touch-hard; repeatable.",
    ),
    click.option(
        "--row", "only", multiple=True,
        help="Matrix: the row of this label, or rows with this in theirs; repeatable.",
    ),
    click.option(
        "--bags", type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Matrix: held-out demonstrations, for the offline action error.",
    ),
    click.option(
        "--corrupt", multiple=True, metavar="SENSE:KIND",
        help="Matrix: a sense that goes wrong, at each --level; repeatable.",
    ),
    click.option(
        "--level", "levels", multiple=True, type=click.FloatRange(0, 1), default=(0.4, 1.0),
        show_default=True, help="Matrix: how badly, from healthy (0) to dead (1); repeatable.",
    ),
    click.option(
        "--skip", default=0, show_default=True, type=click.IntRange(0),
        help="Matrix: pass over so many scenes, by whose trials something was chosen.",
    ),
    click.option(
        "--trained-on", multiple=True, type=click.Path(path_type=Path, exists=True),
        help="Matrix: bags of the training; refuses to judge by a scene that they show.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Wishes:
    """The options of a matrix, named as on the command line."""

    also: tuple[Path, ...] = ()
    policies: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ("tabletop",)
    only: tuple[str, ...] = ()
    bags: Path | None = None
    corrupt: tuple[str, ...] = ()
    levels: tuple[float, ...] = (0.4, 1.0)
    skip: int = 0
    trained_on: tuple[Path, ...] = ()


def matrix_options(command: Command) -> Command:
    """Give a command the options of a matrix; it gets them as keywords."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def matrix_wishes(given: dict[str, Any]) -> Wishes | None:
    """What was asked of a matrix; None: it was not asked for. Options of the other are refused."""
    asked = given.pop("matrix")
    context = click.get_current_context()
    wrong = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in (_ALONE if asked else given)
        and context.get_parameter_source(parameter.name or "") is ParameterSource.COMMANDLINE
    ]
    if wrong:
        words = "does not go with --matrix" if asked else "needs --matrix"
        raise click.UsageError(f"{', '.join(wrong)} {words}")
    return Wishes(**given) if asked else None


def run_matrix(
    model: Path,
    wishes: Wishes,
    episodes: int,
    phrasing: str,
    language: Path,
    workers: int,
    kept: Path | None,
    fast: Path | None = None,
) -> Matrix:
    """Measure what is not in the file `kept` yet, print the tables and keep all of it there.

    Raises `LanguageFileError` or `PolicyFileError` for files that are none, before any trial.
    """
    from sensorium_core.fast_policy import FastPolicy
    from sensorium_core.language import LanguageEncoder
    from sensorium_training.matrix.measured import Matrix, Plan
    from sensorium_training.matrix.report import pages, summary
    from sensorium_training.matrix.store import MatrixStore
    from sensorium_training.provenance import git_commit

    plan = Plan(
        tuple(_rows(model, wishes)), wishes.tasks, episodes, language, phrasing, fast, wishes.skip
    )
    if wishes.trained_on:
        _require_unseen(plan, wishes.trained_on)
    LanguageEncoder(language)
    if fast is not None:
        FastPolicy(fast)
    warn_of_half_a_policy([f for row in plan.rows for f in row.policies], wishes.tasks, fast)
    matrix = Matrix(plan, MatrixStore(kept), git_commit())
    if wishes.bags is not None:
        matrix.prepare_offline(wishes.bags, workers)
    with _bar() as bar:
        matrix.run(workers, _shown(bar, "episodes"))
        if wishes.bags is not None:
            matrix.measure_offline(_shown(bar, "offline"))
    for page in pages(matrix):
        show(page)
    matrix.store.put_summary(summary(matrix))
    matrix.store.save()
    return matrix


def _require_unseen(plan: Plan, trained_on: Sequence[Path]) -> None:
    from sensorium_training.scene_seeds import require_unseen

    seeds = {trial.seed for trials in plan.trials.values() for trial in trials}
    shown = require_unseen(seeds, trained_on)
    click.echo(f"none of {len(seeds)} scenes is among the {shown} of the training", err=True)


def warn_of_half_a_policy(
    policies: Iterable[Path], tasks: Sequence[str], fast: Path | None
) -> None:
    """Say so where a policy that says what to feel is judged without its fast half."""
    from sensorium_core.policy import Policy
    from sensorium_training.matrix.task_sets import task_set

    if fast is None and any(task_set(name).is_felt for name in tasks):
        for file in dict.fromkeys(policies):
            policy = Policy(file)
            if policy.contract.version > 1 and "wrench" not in policy.unheard:
                click.echo(
                    f"{file} is judged without a fast half: where touch decides one corrects its "
                    "motion; --fast-policy models/fast gives it one",
                    err=True,
                )


def _rows(model: Path, wishes: Wishes) -> list[Row]:
    from sensorium_core.policy import Policy
    from sensorium_training.matrix.rows import ALL, chosen, corrupted_rows, standard_rows

    ours, others = (model, *wishes.also), _labelled(wishes.policies)
    for file in (*ours, *(file for files in others.values() for file in files)):
        Policy(file)
    contract = Policy(model).contract
    rows = chosen(standard_rows(ours, others, contract), wishes.only)
    ailments = _ailments(wishes.corrupt, Policy(model).contract.senses)
    return rows + corrupted_rows({ALL: ours, **others}, ailments, wishes.levels)


def _labelled(policies: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for text in policies:
        label, equals, path = text.partition("=")
        if not (label and equals and path):
            raise click.BadParameter(f"expected LABEL=PATH, got {text!r}", param_hint="--policy")
        found[label] = (*found.get(label, ()), Path(path))
    return found


def _ailments(texts: tuple[str, ...], senses: tuple[str, ...]) -> list[tuple[str, str]]:
    if not texts:
        return []
    from sensorium_training.corruption.amounts import KINDS

    found = []
    for text in texts:
        sense, _, kind = text.partition(":")
        if sense not in senses or kind not in KINDS:
            allowed = f"a sense of {', '.join(senses)}, a colon, one of {', '.join(KINDS)}"
            raise click.BadParameter(f"expected {allowed}; got {text!r}", param_hint="--corrupt")
        found.append((sense, kind))
    return found


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def _shown(bar: Progress, what: str) -> Callable[[int, int], None]:
    task = bar.add_task(what, total=None)

    def show_progress(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    return show_progress


def show(page: Page) -> None:
    """Print one table of a matrix."""
    table = Table(*page.header, title=page.title, caption=page.note)
    for row in page.rows:
        table.add_row(*map(Text, row))
    Console().print(table)
