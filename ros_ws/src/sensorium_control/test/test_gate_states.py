"""The state machine: who may move the arm when, what holds or stops it, and what clears that."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import GateState, Reason

from .conftest import MS, Rig

WRENCH_REQUIRED = GateConfig(required_senses={"wrench": 0.1})


def cause(rig: Rig) -> Reason:
    return rig.gate.status(rig.now_ns).reason


def test_nothing_passes_before_arming():
    rig = Rig()
    rig.report()
    assert rig.gate.state is GateState.DISARMED
    assert rig.propose().reason is Reason.NOT_ARMED


def test_arming_needs_a_fresh_joint_state():
    rig = Rig()
    assert rig.gate.arm(rig.now_ns).reason is Reason.JOINTS_SILENT
    rig.report()
    rig.now_ns += 300 * MS
    assert not rig.gate.arm(rig.now_ns).accepted
    rig.report()
    assert rig.gate.arm(rig.now_ns).accepted


def test_arming_needs_every_required_sense():
    rig = Rig(WRENCH_REQUIRED)
    rig.report_joints()
    refused = rig.gate.arm(rig.now_ns)
    assert refused.reason is Reason.SENSE_SILENT
    assert "wrench (never received" in refused.detail
    rig.report()
    assert rig.gate.arm(rig.now_ns).accepted


def test_silent_joints_stop_the_arm_and_the_stop_latches(rig):
    rig.propose()
    rig.wait(0.25, report=False)
    assert rig.gate.state is GateState.STOPPED
    assert cause(rig) is Reason.JOINTS_SILENT
    rig.wait(1.0)
    assert rig.gate.state is GateState.STOPPED
    assert rig.propose().reason is Reason.STOPPED
    assert rig.gate.arm(rig.now_ns).accepted
    assert rig.propose().accepted


@given(st.integers(0, 5), st.floats(200.0, 1e6), st.booleans())
def test_too_large_a_wrench_stops_within_8_ms_and_rests_where_the_arm_is(axis, size, negative):
    rig = Rig().armed()
    rig.propose()
    rig.wait(0.1)
    rig.follows = False
    rig.q = rig.q + 0.01
    rig.wait(0.01)
    wrench = np.zeros(6)
    wrench[axis] = -size if negative else size
    began_ns = rig.now_ns
    while rig.gate.state is GateState.ARMED:
        rig.now_ns += 2 * MS
        rig.gate.observe_wrench(rig.now_ns, wrench)
        assert rig.now_ns - began_ns <= 8 * MS
    assert cause(rig) is (Reason.FORCE_SPIKE if axis < 3 else Reason.TORQUE_LIMIT)
    hold = rig.gate.pop_reaction()
    np.testing.assert_allclose(hold.positions[0, :6], rig.q[:6])
    assert rig.gate.pop_reaction() is None


def test_without_a_filter_one_sample_over_the_limit_stops():
    rig = Rig(GateConfig(force_filter_s=0.0)).armed()
    rig.gate.observe_wrench(rig.now_ns + MS, np.array([0, 0, 50.1, 0, 0, 0]))
    assert cause(rig) is Reason.FORCE_LIMIT


def test_the_click_of_a_grasp_does_not_stop_the_arm_and_a_frozen_stamp_hides_nothing(rig):
    for newtons in (110.0, 50.0, 80.0, 0.0, 60.0, 0.0):
        rig.now_ns += 2 * MS
        rig.gate.observe_wrench(rig.now_ns, np.array([newtons, 0, 0, 0, 0, 0]))
    assert rig.gate.state is GateState.ARMED
    for _ in range(30):
        rig.gate.observe_wrench(rig.now_ns, np.array([100.0, 0, 0, 0, 0, 0]))
    assert cause(rig) is Reason.FORCE_LIMIT


def test_a_stop_keeps_the_grip_on_what_is_held(rig):
    squeeze = rig.chunk().positions
    squeeze[:, 6] = 0.0
    rig.propose(rig.chunk(positions=squeeze))
    rig.wait(0.05)
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    assert rig.gate.pop_reaction().positions[0, 6] == 0.0
    rig.gate.arm(rig.now_ns)
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    assert rig.gate.pop_reaction().positions[0, 6] == 0.0


def test_the_first_reason_of_a_stop_stays(rig):
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "first")
    rig.gate.stop(rig.now_ns, Reason.INTERNAL_ERROR, "second")
    rig.wait(0.5, report=False)
    assert cause(rig) is Reason.OPERATOR_STOP


def test_a_required_sense_going_silent_holds_along_the_command_and_clears_by_itself():
    rig = Rig(WRENCH_REQUIRED).armed()
    rig.propose()
    rig.wait(0.05)
    for _ in range(12):
        rig.now_ns += 10 * MS
        rig.report_joints()
        setpoint = rig.gate.setpoint(rig.now_ns)
        if rig.gate.tick(rig.now_ns) is GateState.HOLDING:
            break
    assert cause(rig) is Reason.SENSE_SILENT
    hold = rig.gate.pop_reaction()
    np.testing.assert_allclose(hold.positions[0], setpoint, atol=1e-2)
    assert rig.propose().reason is Reason.HOLDING
    rig.wait(0.15)
    assert rig.gate.state is GateState.HOLDING
    rig.wait(0.15)
    assert rig.gate.state is GateState.ARMED
    assert rig.propose().accepted


def test_a_sense_that_stutters_does_not_end_the_hold():
    rig = Rig(WRENCH_REQUIRED).armed()
    for _ in range(10):
        rig.wait(0.1)
        for _ in range(15):
            rig.now_ns += 10 * MS
            rig.report_joints()
            rig.gate.tick(rig.now_ns)
        assert rig.gate.state is GateState.HOLDING


def test_a_sense_with_stamps_from_the_future_counts_as_silent():
    rig = Rig(WRENCH_REQUIRED).armed()
    for _ in range(20):
        rig.now_ns += 10 * MS
        rig.report_joints()
        rig.gate.observe_wrench(rig.now_ns + 5_000 * MS, np.zeros(6), rig.now_ns)
        rig.gate.tick(rig.now_ns)
    assert cause(rig) is Reason.SENSE_SILENT


def test_a_proposer_that_dies_mid_motion_holds_the_arm_and_the_next_command_resumes(rig):
    rig.propose()
    rig.wait(0.55)
    assert cause(rig) is Reason.COMMAND_SILENT
    assert rig.gate.pop_reaction() is not None
    rig.wait(0.1)
    assert rig.propose().accepted
    assert rig.gate.state is GateState.ARMED


def test_a_motion_that_ran_out_is_no_fault(rig):
    rig.propose(rig.chunk(times_s=np.linspace(0, 0.4, 9)))
    rig.wait(2.0)
    assert rig.gate.state is GateState.ARMED


def test_measurements_that_are_not_finite_are_dropped_until_silence_stops_the_arm(rig):
    for _ in range(30):
        rig.now_ns += 10 * MS
        rig.gate.observe_joints(rig.now_ns, np.full(7, np.nan), np.zeros(7))
        rig.gate.observe_wrench(rig.now_ns, np.full(6, np.nan))
        rig.gate.tick(rig.now_ns)
    assert cause(rig) is Reason.JOINTS_SILENT
    assert rig.gate.status(rig.now_ns).dropped >= 30
    assert np.isfinite(rig.gate.pop_reaction().positions).all()


def test_joint_states_that_repeat_their_stamp_count_as_silent(rig):
    stuck_ns = rig.now_ns
    for _ in range(30):
        rig.now_ns += 10 * MS
        rig.gate.observe_joints(stuck_ns, rig.q, np.zeros(7), rig.now_ns)
        rig.gate.tick(rig.now_ns)
    assert cause(rig) is Reason.JOINTS_SILENT


def test_a_clock_that_jumps_back_stops_the_arm_and_arming_works_in_the_new_time(rig):
    rig.propose()
    rig.now_ns -= 5_000 * MS
    rig.gate.tick(rig.now_ns)
    assert cause(rig) is Reason.CLOCK_BACKWARD
    rig.wait(0.05)
    assert rig.gate.arm(rig.now_ns).accepted
    assert rig.propose().accepted


def test_disarming_holds_and_refuses(rig):
    rig.propose()
    rig.wait(0.1)
    rig.gate.disarm(rig.now_ns)
    assert rig.gate.pop_reaction() is not None
    assert rig.propose().reason is Reason.NOT_ARMED


def test_an_arm_that_was_moved_while_it_came_to_rest_begins_where_it_is_once_it_rests(rig):
    rig.propose()
    rig.wait(0.2)
    rig.gate.disarm(rig.now_ns)
    rig.follows = False
    rig.q = rig.q + np.array([0.3, 0.2, 0.3, 0.0, 0.3, 0.0, 0.0])
    rig.wait(0.05)
    early = rig.gate.arm(rig.now_ns)
    assert early.reason is Reason.TRACKING_ERROR
    assert "try again" in early.detail
    rig.wait(0.5)
    assert rig.gate.arm(rig.now_ns).accepted
    assert np.abs(rig.gate.setpoint(rig.now_ns + 100 * MS) - rig.q)[:6].max() < 1e-6
    rig.wait(0.5)
    assert rig.gate.state is GateState.ARMED


@pytest.mark.parametrize("moved_rad", [0.011, 0.05, 0.11])
def test_an_arm_that_was_moved_a_little_begins_where_it_is(rig, moved_rad):
    """What goes on from the old command would jump there within one knot."""
    rig.gate.disarm(rig.now_ns)
    rig.wait(0.5)
    rig.follows = False
    rig.q = rig.q + moved_rad * np.eye(7)[0]
    rig.wait(0.05)
    assert rig.gate.arm(rig.now_ns).accepted
    assert np.abs(rig.gate.setpoint(rig.now_ns + 100 * MS) - rig.q)[:6].max() < 1e-6


def test_disarming_does_not_clear_a_stop(rig):
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    rig.gate.disarm(rig.now_ns)
    assert rig.gate.state is GateState.STOPPED


def test_a_stop_before_anything_was_measured_is_safe():
    rig = Rig()
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    assert rig.gate.pop_reaction() is None
    assert rig.gate.state is GateState.STOPPED


@given(
    st.lists(
        st.sampled_from(["propose", "report", "silent", "wrench", "stop", "tick"]), max_size=30
    )
)
def test_a_latched_stop_only_ends_by_arming(actions):
    rig = Rig(WRENCH_REQUIRED).armed()
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    for action in actions:
        if action == "propose":
            assert not rig.propose().accepted
        elif action == "wrench":
            rig.gate.observe_wrench(rig.now_ns, np.full(6, 100.0))
        elif action == "stop":
            rig.gate.stop(rig.now_ns, Reason.FORCE_LIMIT, "again")
        else:
            rig.wait(0.05, report=action == "report")
        assert rig.gate.state is GateState.STOPPED


@pytest.mark.parametrize("ticks", [1000])
def test_ten_seconds_of_normal_running_never_trip(ticks):
    rig = Rig(WRENCH_REQUIRED).armed()
    for i in range(ticks):
        rig.wait(0.01)
        if i % 30 == 0:
            assert rig.propose(rig.chunk(rad_per_step=0.0)).accepted
    assert rig.gate.state is GateState.ARMED
