"""Intervals and tests have the values of their papers, of scipy, and the properties they need."""

import numpy as np
import pytest
from scipy import stats
from sensorium_training.matrix.statistics import (
    fisher_exact,
    mcnemar,
    newcombe,
    paired_interval,
    pearson,
    ranks,
    spearman,
)


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_newcombe_intervals_are_those_of_his_table(a, b, low, high):
    """Table II of Newcombe (1998), method 10."""
    assert newcombe(a, b) == pytest.approx((low, high), abs=1e-4)


def test_newcombe_intervals_turn_around_and_hold_the_difference():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, m = rng.integers(1, 120, 2).tolist()
        a, b = (int(rng.integers(n + 1)), n), (int(rng.integers(m + 1)), m)
        low, high = newcombe(a, b)
        assert -1.0 <= low <= a[0] / n - b[0] / m <= high <= 1.0
        assert newcombe(b, a) == pytest.approx((-high, -low))


def test_fisher_agrees_with_scipy():
    rng = np.random.default_rng(1)
    for _ in range(100):
        n, m = rng.integers(1, 80, 2).tolist()
        k, j = int(rng.integers(n + 1)), int(rng.integers(m + 1))
        theirs = stats.fisher_exact([[k, n - k], [j, m - j]]).pvalue
        assert fisher_exact((k, n), (j, m)) == pytest.approx(theirs, rel=1e-6)


def test_mcnemar_is_the_binomial_test_of_what_differs():
    for won in range(12):
        for lost in range(12):
            n = won + lost
            theirs = stats.binomtest(won, n).pvalue if n else 1.0
            assert mcnemar(won, lost) == pytest.approx(theirs)


def test_paired_interval_is_even_and_shrinks():
    low, high = paired_interval(7, 7, 100)
    assert low == pytest.approx(-high)
    wider = paired_interval(5, 1, 20)
    narrow = paired_interval(50, 10, 200)
    assert wider[1] - wider[0] > narrow[1] - narrow[0]
    assert narrow[0] > 0


def test_correlations_agree_with_scipy_also_with_ties():
    rng = np.random.default_rng(2)
    for _ in range(20):
        x, y = rng.integers(0, 6, 15).astype(float).tolist(), rng.normal(size=15).tolist()
        assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y).statistic)
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
        assert ranks(x) == stats.rankdata(x).tolist()


@pytest.mark.parametrize(("x", "y"), [([1, 2], [3, 4]), ([1, 1, 1], [1, 2, 3]), ([], [])])
def test_what_cannot_correlate_says_so(x, y):
    assert pearson(x, y) is None
    assert spearman(x, y) is None
