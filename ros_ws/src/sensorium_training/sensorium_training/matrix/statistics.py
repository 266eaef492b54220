"""Intervals, tests and correlations of the matrix. Pure functions of counts and numbers.

Sources: Wilson (1927) by `evaluation.wilson`; Newcombe (1998), Statistics in Medicine 17, 873-890,
method 10; Fisher (1922), exact; McNemar (1947), exact; Agresti and Min (2005).
"""

import math
from collections.abc import Sequence

import numpy as np

from sensorium_training.evaluation import wilson

Numbers = Sequence[float]


def newcombe(a: tuple[int, int], b: tuple[int, int]) -> tuple[float, float]:
    """95 % interval of the difference of two independent shares `(successes, n)`, a minus b."""
    (low_a, high_a), (low_b, high_b) = wilson(*a), wilson(*b)
    p_a, p_b = _share(a), _share(b)
    difference = p_a - p_b
    below = math.hypot(p_a - low_a, high_b - p_b)
    above = math.hypot(high_a - p_a, p_b - low_b)
    return max(-1.0, difference - below), min(1.0, difference + above)


def _share(counts: tuple[int, int]) -> float:
    successes, n = counts
    return successes / n if n else 0.5


def fisher_exact(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Two-sided p that two shares `(successes, n)` are of one coin: tables as likely or less."""
    (k_a, n_a), (k_b, n_b) = a, b
    total = k_a + k_b
    ways = [
        math.comb(n_a, k) * math.comb(n_b, total - k)
        for k in range(max(0, total - n_b), min(n_a, total) + 1)
    ]
    seen = math.comb(n_a, k_a) * math.comb(n_b, k_b)
    return min(1.0, sum(w for w in ways if w <= seen) / math.comb(n_a + n_b, total))


def mcnemar(won: int, lost: int) -> float:
    """Exact two-sided p that pairs which differ do so either way alike."""
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)


def paired_interval(won: int, lost: int, n: int) -> tuple[float, float]:
    """95 % interval of the difference of two paired shares, Agresti and Min."""
    more, fewer, total = won + 0.5, lost + 0.5, n + 2
    centre = (more - fewer) / total
    half = 1.96 * math.sqrt(more + fewer - (more - fewer) ** 2 / total) / total
    return centre - half, centre + half


def pearson(x: Numbers, y: Numbers) -> float | None:
    """Linear correlation; None for fewer than 3 points, or where one of them never changes."""
    if len(x) < 3 or len(set(x)) < 2 or len(set(y)) < 2:
        return None
    return float(np.corrcoef(np.asarray(x, dtype=float), np.asarray(y, dtype=float))[0, 1])


def spearman(x: Numbers, y: Numbers) -> float | None:
    """Correlation of ranks, equal values sharing theirs; None as for `pearson`."""
    return pearson(ranks(x), ranks(y))


def ranks(values: Numbers) -> list[float]:
    """Ranks from 1; equal values get their mean rank."""
    below = [sum(other < value for other in values) for value in values]
    equal = [sum(other == value for other in values) for value in values]
    return [b + (e + 1) / 2 for b, e in zip(below, equal, strict=True)]
