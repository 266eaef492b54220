"""Tables of a matrix for people: the same rows on a terminal and in docs/results.md."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sensorium_training.evaluation import wilson
from sensorium_training.matrix.comparing import (
    Correlation,
    Difference,
    correlation,
    differences,
)
from sensorium_training.matrix.footprint import Footprint
from sensorium_training.matrix.measured import Counts, Line, Matrix, labelled
from sensorium_training.matrix.offline import UNITS
from sensorium_training.matrix.rows import CLAIM_SEEDS

_INTERVALS = f"95 % Wilson intervals; fewer than {CLAIM_SEEDS} training seeds are no claim."
STILL_M = 0.01
"""An arm that moved less has not acted."""
_DIMENSIONS = ("dx", "dy", "dz", "dyaw", "finger")


@dataclass(frozen=True)
class Page:
    """One table and the sentence that goes with it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def share(counts: Counts) -> str:
    """`successes/n (low to high)`, the Wilson interval in %."""
    low, high = wilson(*counts)
    return f"{counts[0]}/{counts[1]} ({100 * low:.0f} to {100 * high:.0f})"


def pages(matrix: Matrix) -> list[Page]:
    """All tables that the matrix has figures for."""
    lines = matrix.lines()
    plain = [line for line in lines if line.row.condition.corruption is None]
    made = [_success(plain), _offline(plain), _cost(matrix.footprints())]
    made += [_differences(differences(lines)), _robustness(lines)]
    return [page for page in made if page.rows]


def _success(lines: Sequence[Line]) -> Page:
    columns = tuple(lines[0].results) if lines else ()
    header = ("row", "seeds", *columns, "mean", "by seed [%]", "no motion", "failures end",
              "offline error")  # fmt: skip
    rows = [
        (
            line.row.label,
            _seeds(line),
            *(share(line.counts(column)) for column in columns),
            share(line.counts()),
            " ".join(f"{100 * k / n:.0f}" for k, n in line.by_seed()),
            f"{sum(r.moved_m < STILL_M for r in line.every)}/{len(line.every)}",
            _ends(line),
            "-" if line.error is None else f"{line.error:.3f}",
        )
        for line in lines
    ]
    words = _correlation_words(correlation(lines))
    beside = sorted(set(columns) - set(lines[0].counted)) if lines else []
    if beside:
        words += f" The means are without {', '.join(beside)}: variants that are harder."
    return Page("Success", header, tuple(rows), words)


def _seeds(line: Line) -> str:
    """How many training seeds there are, and whether that is a claim."""
    n = len(line.row.policies)
    return (str(n) if n else "-") if line.row.is_claim else f"{n}, no claim"


def _ends(line: Line) -> str:
    """In which states the failed episodes ended."""
    states = Counter(r.state for r in line.every if not r.success)
    words = [f"{state} {count}" for state, count in states.most_common(3)]
    tripped = sum(bool(r.trips) for r in line.every)
    return ", ".join([*words, *([f"gate held {tripped}"] if tripped else [])]) or "-"


def _correlation_words(found: Correlation) -> str:
    if found.pearson is None or found.spearman is None:
        return f"{_INTERVALS} Offline error and success: {found.n} rows, or all alike."
    return (
        f"{_INTERVALS} Correlation of offline error and mean success over {found.n} rows: "
        f"Spearman {found.spearman:+.2f}, Pearson {found.pearson:+.2f}."
    )


def _offline(lines: Sequence[Line]) -> Page:
    header = ("row", *(f"{d} [{u}]" for d, u in zip(_DIMENSIONS, UNITS, strict=True)), "rows of")
    rows = []
    for line in lines:
        if line.offline:
            apart = np.mean([error.by_dimension for error in line.offline], axis=0)
            figures = (f"{value:.2f}" for value in apart)
            counts = line.offline[0].families
            told = ", ".join(f"{family} {n}" for family, n in counts.items())
            rows.append((line.row.label, *figures, told))
    note = (
        "Mean absolute error of the chunk on held-out demonstrations; above in the loss's units. "
        "Rows of other families are no measure for each other."
    )
    return Page("Offline action error", header, tuple(rows), note)


def _cost(found: dict[str, list[Footprint]]) -> Page:
    header = ("row", "file", "step p50 [ms]", "step p99 [ms]", "load", "parameters", "file [MB]")
    rows = [
        (
            label, str(i), f"{one.p50_ms:.2f}", f"{one.p99_ms:.2f}", f"{one.load:.1f}",
            "-" if one.parameters is None else f"{one.parameters:,}", f"{one.n_bytes / 1e6:.2f}",
        )
        for label, each in found.items()
        for i, one in enumerate(each, 1)
    ]  # fmt: skip
    return Page("Cost", header, tuple(rows), "One thread, every sense there.")


def _differences(found: Sequence[Difference]) -> Page:
    header = ("of", "less that of", "in", "points", "95 % (Newcombe)", "p (Fisher)",
              "p (McNemar)", "all seeds apart")  # fmt: skip
    rows = [
        (
            one.of, one.against, one.column, f"{100 * one.difference:+.1f}",
            f"{100 * one.interval[0]:+.1f} to {100 * one.interval[1]:+.1f}",
            f"{one.fisher_p:.2g}", "-" if one.mcnemar_p is None else f"{one.mcnemar_p:.2g}",
            {None: "-", True: "yes", False: "no"}[one.seeds_apart],
        )
        for one in found
    ]  # fmt: skip
    note = "Intervals and p take episodes for independent; whether training seeds agree is beside."
    return Page("Differences", header, tuple(rows), note)


def _robustness(lines: Sequence[Line]) -> Page:
    """Success by level of each ailment; level 0 is the recipe's own row."""
    known = labelled(lines)
    table: dict[tuple[str, str, str], dict[float, str]] = {}
    for line in lines:
        if line.row.condition.corruption is None:
            continue
        sense, kind, level = line.row.condition.corruption
        recipe = line.row.label.removesuffix(f", {sense} {kind} {level:g}")
        cells = table.setdefault((recipe, sense, kind), {})
        if recipe in known:
            cells[0.0] = share(known[recipe].counts())
        cells[level] = share(line.counts())
    levels = sorted({level for cells in table.values() for level in cells})
    rows = [(*key, *(cells.get(level, "-") for level in levels)) for key, cells in table.items()]
    header = ("row", "sense", "ailment", *(f"level {level:g}" for level in levels))
    note = "The policy's senses are spoilt, the gate's are not. Level 1: the sense is dead."
    return Page("Senses that go wrong", header, tuple(rows), note)


def summary(matrix: Matrix) -> dict[str, Any]:
    """All figures as plain data."""
    lines = matrix.lines()
    return {
        "trials_per_family": matrix.plan.n,
        "skipped_scenes": matrix.plan.skip,
        "phrasing": matrix.plan.phrasing,
        "lines": [_figures(line) for line in lines],
        "correlation": asdict(correlation(lines)),
        "differences": [asdict(one) for one in differences(lines)],
        "cost": {k: [one.as_json() for one in each] for k, each in matrix.footprints().items()},
    }


def _figures(line: Line) -> dict[str, Any]:
    columns = {
        name: {"by_seed": line.by_seed(name), "wilson": wilson(*line.counts(name))}
        for name in line.results
    }
    mean = {"by_seed": line.by_seed(), "wilson": wilson(*line.counts())}
    return {
        "row": line.row.label,
        "claim": line.row.is_claim,
        "policies": [str(path) for path in line.row.policies],
        "condition": asdict(line.row.condition),
        "success": {**columns, "mean": mean},
        "offline": [error.as_json() for error in line.offline],
        "commits": line.commits,
    }
