"""What a matrix says beyond its lines: differences with their intervals, and correlations."""

from collections.abc import Sequence
from dataclasses import dataclass

from sensorium_training.matrix.measured import Line, labelled
from sensorium_training.matrix.rows import ALL, EXPERT, LIFTED
from sensorium_training.matrix.statistics import (
    fisher_exact,
    mcnemar,
    newcombe,
    pearson,
    spearman,
)

PRETRAINED, UNTAUGHT = "a tenth, pretrained", "a tenth, from scratch"
"""Labels of two recipes on a tenth of the demonstrations, one on pretrained encoders."""


@dataclass(frozen=True)
class Difference:
    """Success of one row less that of another."""

    of: str
    against: str
    column: str
    """A column's heading, or `mean` of those that count."""
    difference: float
    interval: tuple[float, float]
    """95 %, Newcombe: as if all trials were independent."""
    fisher_p: float
    mcnemar_p: float | None
    """On the same scenes, seed by seed; None where the rows have not as many policy files."""
    seeds_apart: bool | None
    """Whether all training seeds of one of the two are above all of the other; None: one each."""


@dataclass(frozen=True)
class Correlation:
    """Of offline error and success over rows; None for fewer than 3 rows or constant ones."""

    n: int
    pearson: float | None
    spearman: float | None


def difference(a: Line, b: Line, column: str | None = None) -> Difference:
    """One row against another, in one column or in all."""
    counts_a, counts_b = a.counts(column), b.counts(column)
    seeds_a, seeds_b = ([k / n for k, n in line.by_seed(column)] for line in (a, b))
    alone = len(seeds_a) == len(seeds_b) == 1
    return Difference(
        a.row.label,
        b.row.label,
        column or "mean",
        counts_a[0] / counts_a[1] - counts_b[0] / counts_b[1],
        newcombe(counts_a, counts_b),
        fisher_exact(counts_a, counts_b),
        _paired_p(a, b, column),
        None if alone else min(seeds_a) > max(seeds_b) or max(seeds_a) < min(seeds_b),
    )


def _paired_p(a: Line, b: Line, column: str | None) -> float | None:
    names = a.counted if column is None else (column,)
    ours, theirs = (
        [[r.success for r in file] for name in names for file in line.results[name]]
        for line in (a, b)
    )
    if [len(file) for file in ours] != [len(file) for file in theirs]:
        return None
    pairs = [p for x, y in zip(ours, theirs, strict=True) for p in zip(x, y, strict=True)]
    return mcnemar(sum(x and not y for x, y in pairs), sum(y and not x for x, y in pairs))


def differences(lines: Sequence[Line]) -> list[Difference]:
    """All senses against the best single sense and every row that is not of a single sense.

    Where senses are left out together, column by column as well. Pretrained encoders are against
    the same recipe from scratch.
    """
    known = labelled(lines)
    both = PRETRAINED in known and UNTAUGHT in known
    taught = [difference(known[PRETRAINED], known[UNTAUGHT])] if both else []
    if ALL not in known:
        return taught
    ours, found = known[ALL], taught
    best = best_single(lines)
    plain = [line for line in lines if _is_opponent(line)]
    for line in ([] if best is None else [best]) + plain:
        found.append(difference(ours, line))
        if len(line.row.condition.drop) > 1 and line is not best:
            found += [difference(ours, line, column) for column in line.results]
    return found


def best_single(lines: Sequence[Line]) -> Line | None:
    """The line of one sense alone that succeeds most: masked, lifted, or trained on it alone.

    One whose senses are spoilt is none.
    """
    alone = [line for line in lines if _is_single(line)]
    return max(alone, key=lambda line: line.share, default=None)


def _is_single(line: Line) -> bool:
    return " alone" in line.row.label and line.row.condition.corruption is None


def _is_opponent(line: Line) -> bool:
    row = line.row
    corrupted = row.condition.corruption is not None
    return row.label != ALL and row.actor != EXPERT and not corrupted and not _is_single(line)


def correlation(lines: Sequence[Line]) -> Correlation:
    """Over rows that have both, measured on the same demonstrations as the first of them.

    Of a pair with and without `required`, the one that acts counts.
    """
    labels = labelled(lines)
    rows = [
        line
        for line in lines
        if line.error is not None and f"{line.row.label}, {LIFTED}" not in labels
    ]
    rows = [line for line in rows if line.offline[0].families == rows[0].offline[0].families]
    errors = [line.error or 0.0 for line in rows]
    shares = [line.share for line in rows]
    return Correlation(len(rows), pearson(errors, shares), spearman(errors, shares))
