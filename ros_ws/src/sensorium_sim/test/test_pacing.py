"""The simulation keeps to the wall clock, and its stamps increase whatever happens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_sim.pacing import Pacer

MS = 1_000_000
STEP = 2 * MS


class Clock:
    def __init__(self):
        self.ns = 10**12

    def __call__(self):
        return self.ns


@pytest.fixture
def clock():
    return Clock()


def pacer_of(clock):
    return Pacer(STEP, clock, lambda: clock.ns + 10**18, max_lag_s=0.1)


def test_steps_are_due_as_time_passes(clock):
    pacer = pacer_of(clock)
    assert pacer.due(100) == 0
    clock.ns += 7 * MS
    assert pacer.due(100) == 3
    pacer.take(3)
    assert pacer.due(100) == 0


def test_a_step_bears_the_wall_time_at_which_it_is_due(clock):
    pacer = pacer_of(clock)
    clock.ns += 10 * MS
    pacer.take(5)
    assert pacer.stamp_ns() == clock.ns + 10**18


def test_a_long_lag_is_given_up_and_told(clock):
    pacer = pacer_of(clock)
    clock.ns += 500 * MS
    assert pacer.due(100) == 0
    assert pacer.lost_ns == 500 * MS
    assert pacer.stamp_ns() == clock.ns + 10**18


def test_the_real_time_factor_tells_of_lost_time(clock):
    pacer = pacer_of(clock)
    clock.ns += 100 * MS
    pacer.take(25)
    assert pacer.real_time_factor() == pytest.approx(0.5)
    clock.ns += 50 * MS
    pacer.take(25)
    assert pacer.real_time_factor() == pytest.approx(1.0)


@given(st.lists(st.integers(0, 300), max_size=60))
def test_stamps_never_go_back(naps_ms):
    clock = Clock()
    pacer = pacer_of(clock)
    last = pacer.stamp_ns()
    for nap in naps_ms:
        clock.ns += nap * MS
        for _ in range(pacer.due(25)):
            pacer.take(1)
            assert pacer.stamp_ns() > last
            last = pacer.stamp_ns()
        assert pacer.stamp_ns() <= clock.ns + 10**18
