"""Times at a constant rate: exact, causal, and none across a gap."""

import numpy as np
from sensorium_core.cdr import NS
from sensorium_recording.grid import Grid, nominal_rate


def test_times_do_not_drift_from_multiples_of_the_period():
    grid = Grid(30)
    times = [t for i in range(3000) for t in grid.due(NS + i * NS // 29)]
    wanted = NS + np.round(np.arange(len(times)) * NS / 30).astype(np.int64)
    np.testing.assert_array_equal(times, wanted)


def test_no_time_is_due_before_an_image_as_late_as_itself():
    grid = Grid(10, lag_ns=5)
    assert grid.due(NS) == []
    assert grid.due(NS + 250_000_000) == [NS + 5, NS + 100_000_005, NS + 200_000_005]


def test_nothing_is_due_between_spans():
    grid = Grid(10, spans=[(NS, 2 * NS), (3 * NS, 4 * NS)])
    times = [t for i in range(50) for t in grid.due(i * NS // 10)]
    assert [grid.place(t) for t in times] == [0] * 11 + [1] * 11
    assert not grid.ended


def test_a_grid_ends_at_a_gap_and_when_the_clock_is_set_back():
    for jump in (60 * NS, -2 * NS):
        grid = Grid(10)
        before = [t for i in range(20) for t in grid.due(NS + i * NS // 10)]
        assert before == [NS + i * NS // 10 for i in range(20)]
        assert grid.due(NS + 2 * NS + jump) == []
        assert grid.ended
        assert grid.cuts == 1


def test_the_nominal_rate_is_not_that_of_a_clock_of_whole_milliseconds():
    steps = np.array([32, 34, 34] * 60) * 1_000_000
    stamps = NS + np.cumsum(np.delete(steps, 90))
    assert nominal_rate(stamps.tolist())[0] == 30
    stamps[60:] += 500_000_000
    assert nominal_rate(stamps.tolist())[0] == 30


def test_the_nominal_rate_forgives_jitter():
    rng = np.random.default_rng(1)
    even = NS + np.round(np.arange(200) * NS / 30).astype(np.int64)
    fps, lag_ns = nominal_rate(even.tolist())
    assert fps == 30
    assert lag_ns <= 2
    fps, lag_ns = nominal_rate((even + rng.integers(0, 2_000_000, 200)).tolist())
    assert fps == 30
    assert 0 < lag_ns < 2_100_000
