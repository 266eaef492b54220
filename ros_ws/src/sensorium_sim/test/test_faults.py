"""What each fault makes of readings, and which faults are refused."""

import numpy as np
import pytest
from sensorium_core.errors import FaultError
from sensorium_sim.fault_injector import FaultInjector
from sensorium_sim.faults import KINDS, SENSORS, Fault, Reading

MS = 1_000_000


def wrench(stamp_ns=0, fill=1.0):
    return Reading("wrench", stamp_ns, np.full(6, fill))


def only(readings):
    (reading,) = readings
    return reading


def values(faults, count, period_ns=MS):
    """First force of what is published of `count` healthy readings that say 1."""
    passed = [r for i in range(count) for r in faults.apply(wrench(i * period_ns))]
    return [float(r.value[0]) for r in passed]


def stamps(faults, count):
    return [r.stamp_ns for i in range(count) for r in faults.apply(wrench(i))]


def injector(sensor, text):
    faults = FaultInjector()
    faults.set(sensor, Fault.parse(sensor, text))
    return faults


@pytest.mark.parametrize("sensor", SENSORS)
def test_a_healthy_sensor_passes_its_very_reading(sensor):
    reading = Reading(sensor, 5, np.zeros(3))
    (passed,) = FaultInjector().apply(reading)
    assert passed is reading


def test_a_silent_sensor_publishes_nothing():
    faults = injector("wrench", "silence")
    assert faults.apply(wrench()) == ()
    assert faults.silent("wrench")
    assert not faults.silent("touch_left")


def test_a_frozen_sensor_repeats_its_first_value_with_fresh_stamps():
    faults = injector("wrench", "freeze")
    faults.apply(wrench(1, 1.0))
    (second,) = faults.apply(wrench(2, 9.0))
    assert second.stamp_ns == 2
    np.testing.assert_array_equal(second.value, np.ones(6))


def test_a_frozen_value_is_not_the_sensor_s_own_buffer():
    faults = injector("wrench", "freeze")
    buffer = np.ones(6)
    faults.apply(Reading("wrench", 1, buffer))
    buffer[:] = 7.0
    np.testing.assert_array_equal(only(faults.apply(wrench(2))).value, np.ones(6))


def test_a_delayed_reading_comes_late_with_the_stamp_of_its_capture():
    faults = injector("wrench", "delay:0.2")
    assert faults.apply(wrench(100 * MS)) == ()
    assert faults.pop_late(299 * MS) == []
    late = faults.pop_late(300 * MS)
    assert [r.stamp_ns for r in late] == [100 * MS]
    assert faults.pop_late(400 * MS) == []


def test_what_was_late_still_arrives_after_healing_but_not_after_a_reset():
    faults = injector("wrench", "delay:0.2")
    faults.apply(wrench(0))
    faults.set("wrench", Fault())
    assert len(faults.pop_late(200 * MS)) == 1
    faults.set("wrench", Fault.parse("wrench", "delay:0.2"))
    faults.apply(wrench(0))
    faults.forget()
    assert faults.pop_late(200 * MS) == []


def test_bias_reaches_force_and_leaves_torque():
    value = only(injector("wrench", "bias:5").apply(wrench())).value
    np.testing.assert_array_equal(value, [6, 6, 6, 1, 1, 1])


def test_bias_of_joints_spares_gripper_and_velocities():
    reading = Reading("joint_states", 0, np.zeros(14))
    value = only(injector("joint_states", "bias:-0.01").apply(reading)).value
    np.testing.assert_array_equal(value, [-0.01] * 6 + [0.0] * 8)


def test_bias_of_a_picture_saturates():
    reading = Reading("scene_rgb", 0, np.array([[[0, 200, 255]]], dtype=np.uint8))
    value = only(injector("scene_rgb", "bias:100").apply(reading)).value
    assert value.dtype == np.uint8
    np.testing.assert_array_equal(value, [[[100, 255, 255]]])


def test_a_blacked_out_depth_camera_has_no_readings():
    reading = Reading("scene_depth", 0, np.full((2, 2), 900, dtype=np.uint16))
    value = only(injector("scene_depth", "blackout").apply(reading)).value
    assert value.dtype == np.uint16
    assert not value.any()


def test_noise_has_the_deviation_that_was_asked_for():
    reading = Reading("touch_left", 0, np.zeros(3))
    faults = injector("touch_left", "noise:2.0")
    values = np.array([only(faults.apply(reading)).value for _ in range(2000)])
    assert values.std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(("share", "kept"), [("0.5", 50), ("0.2", 20), ("1", 100), ("0", 0)])
def test_a_slow_sensor_publishes_its_share_evenly(share, kept):
    passed = stamps(injector("wrench", f"rate:{share}"), 100)
    assert len(passed) == kept
    assert len(set(np.diff(passed))) <= 1


def test_a_lossy_sensor_loses_its_share_at_random():
    passed = stamps(injector("wrench", "loss:0.3"), 2000)
    assert len(passed) == pytest.approx(1400, rel=0.05)
    assert len(set(np.diff(passed))) > 2


def test_reordering_swaps_neighbours_and_loses_none():
    assert stamps(injector("wrench", "reorder"), 6) == [1, 0, 3, 2, 5, 4]


def test_duplicates_are_equal_to_their_originals():
    assert stamps(injector("wrench", "duplicate"), 3) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(("text", "stamp_ns"), [("stamp:5", 5000 * MS), ("stamp:-5", -5000 * MS)])
def test_a_wrong_clock_shifts_stamps_and_leaves_values(text, stamp_ns):
    reading = only(injector("wrench", text).apply(wrench(0, 3.0)))
    assert reading.stamp_ns == stamp_ns
    np.testing.assert_array_equal(reading.value, np.full(6, 3.0))


def test_a_spike_is_one_reading_and_comes_again_when_set_again():
    faults = injector("wrench", "spike:200")
    assert values(faults, 4) == [201.0, 1.0, 1.0, 1.0]
    faults.set("wrench", Fault.parse("wrench", "spike:200"))
    assert values(faults, 2) == [201.0, 1.0]


def test_a_ramp_grows_with_the_stamps_from_where_it_begins():
    assert values(injector("wrench", "ramp:10"), 3, 100 * MS) == pytest.approx([1.0, 2.0, 3.0])


def test_a_saturated_sensor_sits_at_the_end_of_its_range():
    value = only(injector("wrench", "saturate:150").apply(wrench())).value
    np.testing.assert_array_equal(value, [150, 150, 150, 1, 1, 1])


def test_a_new_episode_lets_a_ramp_begin_anew():
    faults = injector("wrench", "ramp:10")
    values(faults, 3, 100 * MS)
    faults.forget()
    assert faults.active == {"wrench": "ramp:10"}
    assert values(faults, 1) == [1.0]


@pytest.mark.parametrize(
    "text",
    ["none", "silence", "freeze", "delay:0.2", "bias:-3", "blackout", "rate:0.2", "loss:0.3",
     "reorder", "duplicate", "stamp:-5", "spike:200", "ramp:20", "saturate:150", "noise:2"],
)  # fmt: skip
def test_faults_are_written_as_they_are_read(text):
    assert str(Fault.parse("wrench", text)) == text


@pytest.mark.parametrize(
    "text",
    ["broken", "", "silence:1", "delay", "delay:", "delay:-1", "delay:99", "delay:nan",
     "noise:-1", "bias:inf", "bias:five", "rate:1.1", "loss:-0.1", "stamp:1e9", "spike",
     "reorder:1", "ramp:nan"],
)  # fmt: skip
def test_a_bad_fault_is_refused_by_name(text):
    with pytest.raises(FaultError, match=r"fault\.wrench"):
        Fault.parse("wrench", text)


def test_an_unknown_sensor_is_refused_with_the_known_ones():
    with pytest.raises(FaultError, match="touch_left"):
        FaultInjector().set("nose", Fault())


def test_every_kind_is_documented():
    assert all(KINDS.values())
