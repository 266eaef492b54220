"""The aligner's building block: causal, sized in time, honest about clocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.stream import Push, Stream

MS = 1_000_000


def filled(stamps_ms: list[int]) -> Stream:
    stream = Stream(horizon_s=10.0)
    for stamp in stamps_ms:
        stream.push(stamp * MS, np.array([float(stamp)]))
    return stream


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60, unique=True), st.integers(0, 6000))
def test_sample_is_the_latest_not_later(stamps: list[int], t: int) -> None:
    stamps = sorted(stamps)
    known = [s for s in stamps if s <= t]
    sample = filled(stamps).sample(t * MS)
    assert (sample is None) == (not known)
    if sample is not None:
        assert sample.stamp_ns == known[-1] * MS
        assert sample.value[0] == known[-1]


@given(st.lists(st.integers(1, 900), min_size=1, max_size=60, unique=True), st.integers(1, 1000))
def test_what_comes_later_changes_nothing_that_was_known(stamps: list[int], t: int) -> None:
    stamps = sorted(stamps)
    before = filled([s for s in stamps if s <= t]).window(t * MS, 8, 0.01)
    after = filled(stamps).window(t * MS, 8, 0.01)
    assert (before is None) == (after is None)
    if before is not None and after is not None:
        np.testing.assert_array_equal(before.value, after.value)


def test_a_window_of_a_slower_grid_equals_that_of_the_native_rate() -> None:
    native, slow = filled(list(range(0, 1000, 2))), filled(list(range(0, 1000, 10)))
    for t in (400, 700, 990):
        a, b = native.window(t * MS, 32, 0.01), slow.window(t * MS, 32, 0.01)
        assert a is not None
        assert b is not None
        np.testing.assert_array_equal(a.value, b.value)


def test_interpolation_is_linear_between_and_holds_after() -> None:
    stream = filled([100, 200])
    assert stream.interpolate(50 * MS) is None
    between, after = stream.interpolate(150 * MS), stream.interpolate(900 * MS)
    assert between is not None
    assert between.value[0] == pytest.approx(150)
    assert after is not None
    assert after.value[0] == 200
    assert after.stamp_ns == 200 * MS


def test_late_and_duplicate_messages_are_counted_and_change_nothing() -> None:
    stream = filled([100, 200])
    assert stream.push(150 * MS, np.array([9.0])) is Push.LATE
    assert stream.push(200 * MS, np.array([9.0])) is Push.DUPLICATE
    assert stream.counts[Push.LATE] == stream.counts[Push.DUPLICATE] == 1
    sample = stream.sample(300 * MS)
    assert sample is not None
    assert sample.value[0] == 200


def test_a_clock_that_jumps_back_starts_anew_instead_of_going_silent() -> None:
    stream = filled([50_000, 50_100])
    assert stream.push(1 * MS, np.array([7.0])) is Push.CLOCK_RESET
    assert stream.push(2 * MS, np.array([8.0])) is Push.ACCEPTED
    sample = stream.sample(2 * MS)
    assert sample is not None
    assert sample.value[0] == 8.0


def test_memory_is_bounded_by_time() -> None:
    stream = Stream(horizon_s=0.5)
    for i in range(20_000):
        stream.push(i * 2 * MS, np.array([float(i)]))
    assert len(stream._stamps) < 1000
    assert stream.sample((20_000 * 2 - 500) * MS) is not None
