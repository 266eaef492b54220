"""Stamps that disagree with this host's clock are not believed; a clock that jumps is noticed."""

import math

import pytest
from sensorium_core.contract import tabletop
from sensorium_fusion.clock_watch import ClockWatch
from sensorium_fusion.config import HonestyConfig

S = 1_000_000_000
MS = 1_000_000
NOW = 1_700_000_000 * S


def watch(simulated: bool = False) -> ClockWatch:
    return ClockWatch(tabletop(), HonestyConfig(), simulated)


@pytest.mark.parametrize(
    ("apart_ms", "words"),
    [(5000, "5.0 s ahead of this clock"), (-5000, "5.0 s behind this clock"), (-300, "0.3 s")],
)
def test_stamps_apart_from_the_clock_are_thrown_away_and_three_in_a_row_are_a_fault(
    apart_ms, words
):
    clock = watch()
    for i in range(3):
        assert clock.faults(NOW, 10.0) == {}
        assert not clock.accept("scene_rgb", NOW + apart_ms * MS + i, NOW, 10.0)
    assert words in clock.faults(NOW, 10.0)["scene_rgb"]
    assert clock.refused == 3
    assert clock.accept("scene_rgb", NOW - 20 * MS, NOW, 10.1)
    assert clock.faults(NOW, 10.1) == {}


def test_one_odd_stamp_among_good_ones_is_only_a_lost_message():
    clock = watch()
    for i in range(10):
        assert clock.accept("joints", NOW + i, NOW, 10.0)
        assert not clock.accept("joints", NOW + 5 * S, NOW, 10.0)
        assert clock.faults(NOW, 10.0) == {}


def test_stamps_slightly_ahead_and_late_messages_within_the_bound_are_believed():
    clock = watch()
    for late_ms in (-19, 0, 100, 199):
        assert clock.accept("joints", NOW - late_ms * MS, NOW, 10.0)
    assert clock.received_age_s("joints", 10.5) == pytest.approx(0.5)
    assert clock.received_age_s("wrench", 10.5) == math.inf


def test_silence_by_the_monotonic_clock_is_a_fault_where_stamps_look_young():
    clock = watch()
    clock.accept("joints", NOW, NOW, 10.0)
    assert clock.faults(NOW, 10.09) == {}
    assert "monotonic clock" in clock.faults(NOW, 10.2)["joints"]
    assert clock.faults(NOW + 200 * MS, 10.2) == {}


def test_a_paused_simulation_is_told_after_a_second():
    clock = watch(simulated=True)
    clock.accept("joints", NOW, NOW, 10.0)
    assert clock.faults(NOW, 10.9) == {}
    assert "joints" in clock.faults(NOW, 11.1)


@pytest.mark.parametrize("moved_s", [-5.0, -0.2, 0.2, 5.0])
def test_a_clock_that_jumps_is_noticed_with_its_sign(moved_s):
    clock = watch()
    assert clock.jump_s(NOW, 10.0) == 0.0
    jump_s = clock.jump_s(NOW + round((moved_s + 0.01) * S), 10.01)
    assert jump_s == pytest.approx(moved_s)
    assert clock.jump_s(NOW + round((moved_s + 0.02) * S), 10.02) == 0.0


def test_a_slow_callback_is_no_jump_and_neither_is_a_clock_that_is_slewed():
    clock = watch()
    clock.jump_s(NOW, 10.0)
    assert clock.jump_s(NOW + 3 * S, 13.0) == 0.0
    assert all(clock.jump_s(NOW + 3 * S + i * 10_005_000, 13.0 + i * 0.01) == 0 for i in range(99))


@pytest.mark.parametrize(("pace", "jumps"), [(0.0, 0), (0.1, 0), (1.0, 0), (10.0, 0)])
def test_simulated_time_may_run_at_any_pace(pace, jumps):
    clock = watch(simulated=True)
    found = [clock.jump_s(NOW + round(i * 0.01 * pace * S), i * 0.01) for i in range(300)]
    assert sum(map(bool, found)) == jumps


def test_a_bag_that_begins_again_is_a_jump_back_and_the_start_of_time_is_none():
    clock = watch(simulated=True)
    assert clock.jump_s(0, 9.0) == 0.0
    assert clock.jump_s(NOW, 9.1) == 0.0
    assert clock.jump_s(NOW + 4 * S // 5, 9.9) == 0.0
    assert clock.jump_s(NOW, 10.0) == pytest.approx(-0.8)
    assert clock.jump_s(NOW + 60 * S, 10.1) > 50


def test_before_the_simulated_clock_runs_every_message_is_too_early():
    clock = watch(simulated=True)
    for _ in range(3):
        assert not clock.accept("joints", NOW, 0, 10.0)
    assert "comes before /clock" in clock.faults(0, 10.0)["joints"]
