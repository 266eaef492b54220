"""Every promise about a single trajectory: what is refused, with which reason, and what is not."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sensorium_control import motion
from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import Reason
from sensorium_core.contract import tabletop
from sensorium_core.errors import ContractError, GateConfigError
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory, finite_difference_velocities
from sensorium_description import load_urdf

from .conftest import MS, Rig

RIG = Rig().armed()
KINEMATICS = Kinematics(load_urdf())
ARM = np.arange(7) < 6


def refused(rig: Rig, reason: Reason, **changes: object) -> None:
    decision = rig.propose(rig.chunk(**changes))
    assert (decision.accepted, decision.reason) == (False, reason), decision.detail
    assert decision.trajectory is None
    assert decision.detail


def test_a_harmless_chunk_passes(rig):
    decision = rig.propose()
    assert decision.accepted, decision.detail
    assert decision.reason is Reason.OK


def test_a_chunk_with_velocities_is_followed_to_its_end(rig):
    chunk = rig.chunk()
    velocities = finite_difference_velocities(chunk.times_s, chunk.positions)
    decision = rig.propose(replace(chunk, velocities=velocities))
    assert decision.accepted, decision.detail
    sent = decision.trajectory
    for t_ns in range(rig.now_ns + 200 * MS, chunk.end_ns, 10 * MS):
        np.testing.assert_allclose(sent.sample(t_ns), chunk.sample(t_ns), atol=4e-3)
    np.testing.assert_allclose(sent.positions[-1], chunk.positions[-1])
    np.testing.assert_array_equal(sent.velocities[-1], np.zeros(7))


@given(
    st.sampled_from(["times_s", "positions", "velocities"]),
    st.sampled_from([np.nan, np.inf, -np.inf]),
    st.data(),
)
def test_nan_and_infinity_never_pass_wherever_they_stand(field, poison, data):
    chunk = RIG.chunk()
    chunk = replace(chunk, velocities=np.zeros_like(chunk.positions))
    array = getattr(chunk, field).copy()
    array.flat[data.draw(st.integers(0, array.size - 1))] = poison
    decision = RIG.propose(replace(chunk, **{field: array}))
    assert not decision.accepted
    assert decision.reason is Reason.NOT_FINITE


@given(st.permutations(range(7)))
def test_joints_in_any_order_give_the_same_command(order):
    rig = Rig().armed()
    chunk = rig.chunk(joint=3)
    names = tuple(JOINTS[i] for i in order)
    shuffled = replace(chunk, joint_names=names, positions=chunk.positions[:, order])
    decision = rig.propose(shuffled)
    assert decision.trajectory.joint_names == JOINTS
    straight = Rig().armed().propose(chunk).trajectory
    np.testing.assert_array_equal(decision.trajectory.positions, straight.positions)


@given(
    arrays(np.float64, (6, 7), elements=st.floats(-8, 8)),
    arrays(np.float64, 6, elements=st.floats(-0.2, 1.5)),
    st.booleans(),
)
@settings(max_examples=150)
def test_whatever_is_thrown_at_it_what_passes_obeys_every_limit(noise, times, with_velocities):
    rig = Rig().armed()
    calm = 10.0 ** -np.abs(noise[:, :1] / 2)
    chunk = rig.chunk(times_s=np.sort(times), positions=rig.q + noise * calm)
    if with_velocities and (np.diff(chunk.times_s) > 1e-6).all():
        slopes = finite_difference_velocities(chunk.times_s, chunk.positions)
        chunk = replace(chunk, velocities=slopes)
    decision = rig.propose(chunk)
    if decision.accepted:
        assert_obeys(decision.trajectory, rig.gate.config)


@given(st.integers(0, 6), st.floats(-0.4, 0.4), st.booleans())
def test_a_passing_sweep_obeys_every_limit_and_slow_ones_pass(joint, rad_per_step, curved):
    rig = Rig().armed()
    chunk = rig.chunk(joint=joint, rad_per_step=rad_per_step * (0.01 if joint == 6 else 1.0))
    if curved:
        slopes = finite_difference_velocities(chunk.times_s, chunk.positions)
        chunk = replace(chunk, velocities=slopes)
    decision = rig.propose(chunk)
    if decision.accepted:
        assert_obeys(decision.trajectory, rig.gate.config)
    elif joint < 6 and abs(rad_per_step) < 0.01:
        pytest.fail(decision.detail)


def assert_obeys(trajectory: Trajectory, config: GateConfig) -> None:
    """Sample densely and compare with the URDF by finite differences, not by the gate's code."""
    step_s = 1e-3
    end_s = float(trajectory.times_s[-1])
    times = np.arange(float(trajectory.times_s[0]), end_s, step_s)
    q = np.array([trajectory.sample(trajectory.stamp_ns + round(t * 1e9)) for t in times])
    limits = KINEMATICS.position_limits
    assert (q[:, :6] >= limits[:, 0] - 1e-6).all()
    assert (q[:, :6] <= limits[:, 1] + 1e-6).all()
    assert (q[:, 6] >= -1e-6).all()
    assert (q[:, 6] <= 0.0425 + 1e-6).all()
    if len(q) > 1:
        speed = np.abs(np.diff(q[:, :6], axis=0)).max(axis=0) / step_s
        assert (speed <= KINEMATICS.velocity_limits * 1.001 + 1e-3).all()
    tools = np.array([KINEMATICS.fk(row[:6])[:3, 3] for row in q])
    slack_m = 2e-3
    assert (tools >= np.array(config.workspace_min_m) - slack_m).all()
    assert (tools <= np.array(config.workspace_max_m) + slack_m).all()


def test_missing_unknown_and_repeated_joints_are_named(rig):
    refused(rig, Reason.WRONG_JOINTS, joint_names=JOINTS[:6])
    refused(rig, Reason.WRONG_JOINTS, joint_names=(*JOINTS[:6], "tail_joint"))
    refused(rig, Reason.WRONG_JOINTS, joint_names=(*JOINTS[:6], JOINTS[0]))
    assert "gripper_joint" in rig.gate.status(rig.now_ns).last_refusal.detail


def test_empty_ragged_and_overlong_trajectories_are_refused(rig):
    refused(rig, Reason.EMPTY, times_s=np.zeros(0), positions=np.zeros((0, 7)))
    refused(rig, Reason.MALFORMED, positions=np.zeros((8, 7)))
    refused(rig, Reason.MALFORMED, positions=np.zeros(7))
    refused(rig, Reason.MALFORMED, velocities=np.zeros((2, 7)))
    refused(rig, Reason.MALFORMED, times_s=np.zeros((9, 1)))
    refused(rig, Reason.TOO_LONG, times_s=np.arange(65.0), positions=np.zeros((65, 7)))
    refused(rig, Reason.TOO_LONG, times_s=np.linspace(0, 5.1, 9))


def test_times_that_repeat_run_back_or_begin_before_the_stamp_are_refused(rig):
    for times in ([0, 0.1, 0.1], [0, 0.2, 0.1], [-0.1, 0.1, 0.2], [0, 1e-9, 0.1]):
        refused(
            rig,
            Reason.TIMES_NOT_INCREASING,
            times_s=np.array(times),
            positions=np.repeat(rig.q[None], 3, axis=0),
        )


@given(st.integers(301, 10**9))
def test_an_old_stamp_is_refused(age_ms):
    refused(RIG, Reason.STAMP_OLD, stamp_ns=RIG.now_ns - age_ms * MS)


@given(st.integers(21, 10**9))
def test_a_stamp_in_the_future_is_refused(ahead_ms):
    refused(RIG, Reason.STAMP_FUTURE, stamp_ns=RIG.now_ns + ahead_ms * MS)


def test_a_zero_stamp_is_old_and_a_finished_motion_too(rig):
    refused(rig, Reason.STAMP_OLD, stamp_ns=0)
    refused(
        rig,
        Reason.STAMP_OLD,
        stamp_ns=rig.now_ns - 200 * MS,
        times_s=np.array([0.1]),
        positions=rig.q[None],
    )


def test_stamps_must_advance_from_one_accepted_trajectory_to_the_next(rig):
    assert rig.propose().accepted
    refused(rig, Reason.STAMP_NOT_MONOTONIC)
    refused(rig, Reason.STAMP_NOT_MONOTONIC, stamp_ns=rig.now_ns - 10 * MS)


def test_position_speed_and_acceleration_beyond_the_urdf_are_refused(rig):
    high = np.repeat(rig.q[None], 2, axis=0)
    high[1, 6] = 0.06
    refused(rig, Reason.POSITION_LIMIT, times_s=np.array([0, 1.0]), positions=high)
    refused(rig, Reason.SPEED_LIMIT, rad_per_step=0.33)
    jerky = rig.chunk().positions
    jerky[4:, 1] += 0.31
    jerky[5:, 1] -= 0.31
    refused(rig, Reason.ACCELERATION_LIMIT, positions=jerky)
    refused(rig, Reason.SPEED_LIMIT, velocities=np.full((9, 7), 3.5) * ARM)


def test_a_curve_that_overshoots_its_waypoints_is_judged_by_the_curve(rig):
    still = np.repeat(rig.q[None], 2, axis=0)
    still[:, 6] = 0.042
    swing = np.zeros((2, 7))
    swing[0, 6] = 0.1
    refused(
        rig,
        Reason.POSITION_LIMIT,
        times_s=np.array([0.0, 0.5]),
        positions=still,
        velocities=swing,
    )


def test_the_speed_factor_scales_what_is_allowed():
    quick = 0.12
    assert Rig().armed().propose(Rig().chunk(rad_per_step=quick)).accepted
    refused(Rig(GateConfig(scale=0.3)).armed(), Reason.SPEED_LIMIT, rad_per_step=quick)


def test_a_jump_from_where_the_arm_is_measured_is_refused(rig):
    refused(rig, Reason.NOT_CONTINUOUS, positions=rig.chunk().positions + 0.26 * ARM)


def test_a_jump_from_the_motion_under_way_is_refused(rig):
    assert rig.propose().accepted
    rig.wait(0.1)
    shifted = rig.chunk().positions
    shifted[:, 2] += 0.15
    refused(rig, Reason.NOT_CONTINUOUS, positions=shifted)


def test_a_grasp_may_close_on_an_object_that_keeps_the_fingers_open(rig):
    squeeze = rig.chunk().positions
    squeeze[:, 6] = 0.0
    assert rig.propose(rig.chunk(positions=squeeze)).accepted


def test_the_tool_may_not_leave_its_box_nor_the_fingers_touch_the_table(rig):
    lower = approach(rig, [0.48, 0.0, 0.02, 0.0])
    assert rig.propose(lower).accepted
    for target in ([0.48, 0.0, 0.005, 0.0], [0.48, 0.0, -0.05, 0.0], [0.78, 0.0, 0.3, 0.0]):
        fresh = Rig(GateConfig(workspace_max_m=(0.75, 0.45, 0.7))).armed()
        decision = fresh.propose(approach(fresh, target))
        assert decision.reason is Reason.OUTSIDE_WORKSPACE, decision


def test_a_path_that_dips_below_the_table_between_good_waypoints_is_refused(rig):
    q = np.array([rig.q, rig.q])
    q[1, 0] += np.pi
    far = GateConfig(max_duration_s=20.0, workspace_min_m=(-0.9, -0.42, 0.0))
    rig = Rig(far).armed()
    decision = rig.propose(rig.chunk(times_s=np.array([0.0, 10.0]), positions=q))
    assert decision.reason is Reason.OUTSIDE_WORKSPACE


@given(
    arrays(np.float64, (4, 7), elements=st.floats(-2, 2)),
    arrays(np.float64, (4, 7), elements=st.floats(-3, 3)),
)
@settings(max_examples=25)
def test_peak_speed_and_acceleration_agree_with_finite_differences(positions, velocities):
    times = np.array([0.0, 0.5, 1.25, 2.0])
    curve = Trajectory(0, JOINTS, times, positions, velocities)
    t_ns = np.arange(0, 2_000_000_000, 1_000_000)
    q = np.array([curve.sample(int(t)) for t in t_ns])
    speed = np.diff(q, axis=0) / 1e-3
    np.testing.assert_allclose(motion.peak_speeds(curve), np.abs(speed).max(0), atol=0.1)
    assert (motion.peak_speeds(curve) >= np.abs(speed).max(0) - 1e-6).all()
    low, high = motion.position_range(curve)
    assert (low <= q.min(0) + 1e-9).all()
    assert (high >= q.max(0) - 1e-9).all()
    inside = np.isin(t_ns[1:-1], (times * 1e9).astype(int), invert=True)
    acceleration = np.abs(np.diff(speed, axis=0) / 1e-3)[inside].max(0)
    np.testing.assert_allclose(motion.peak_accelerations(curve), acceleration, rtol=0.05, atol=0.1)


def test_a_first_waypoint_too_near_in_time_is_refused(rig):
    assert rig.propose().accepted
    rig.wait(0.1)
    late = rig.chunk(stamp_ns=rig.now_ns - 78 * MS)
    late.positions[:2, 2] += 0.11
    late.positions[2:, 2] += 0.11
    decision = rig.propose(late)
    assert decision.reason is Reason.SPEED_LIMIT, decision


def test_a_tool_that_is_already_outside_may_come_back_but_not_go_further():
    inside = GateConfig(workspace_min_m=(0.20, -0.45, 0.32))
    rig = Rig(inside).armed()
    assert rig.propose(approach(rig, [0.48, 0.0, 0.34, 0.0])).accepted
    rig = Rig(inside).armed()
    down = rig.propose(approach(rig, [0.48, 0.0, 0.25, 0.0]))
    assert down.reason is Reason.OUTSIDE_WORKSPACE


def approach(rig: Rig, pose: list[float], duration_s: float = 3.0) -> Trajectory:
    """A straight joint motion from the measured joints to a tool pose."""
    goal = np.append(KINEMATICS.ik(rig.q[:6], np.array(pose)), rig.q[6])
    u = np.linspace(0, 1, 9)[:, None]
    return rig.chunk(times_s=u[:, 0] * duration_s, positions=(1 - u) * rig.q + u * goal)


def test_a_refusal_leaves_the_last_good_trajectory_in_force(rig):
    rig.propose()
    rig.wait(0.1)
    before = [rig.gate.setpoint(rig.now_ns + i * 10 * MS) for i in range(50)]
    refused(rig, Reason.STAMP_OLD, stamp_ns=1)
    refused(rig, Reason.NOT_FINITE, positions=np.full((9, 7), np.nan))
    after = [rig.gate.setpoint(rig.now_ns + i * 10 * MS) for i in range(50)]
    np.testing.assert_array_equal(after, before)
    assert rig.gate.pop_reaction() is None


def test_settings_out_of_range_name_the_field():
    with pytest.raises(GateConfigError, match="scale"):
        GateConfig(scale=0.0)
    with pytest.raises(GateConfigError, match="force_limit_n"):
        GateConfig(force_limit_n=float("nan"))
    with pytest.raises(GateConfigError, match="force_filter_s"):
        GateConfig(force_filter_s=-1.0)
    with pytest.raises(GateConfigError, match="workspace_min_m"):
        GateConfig(workspace_min_m=(1.0, 0.0, 0.0))


def test_the_contract_gives_workspace_and_sense_ages():
    config = GateConfig.from_contract(tabletop(), required=("wrench", "pads"), scale=0.5)
    assert config.scale == 0.5
    ages = {"wrench": 0.1, "touch_left": 0.1, "touch_right": 0.1}
    assert config.required_senses == ages
    assert config.sense_rates_hz == {
        "wrench": 500.0, "touch_left": 100.0, "touch_right": 100.0, "joints": 500.0,
    }  # fmt: skip
    assert config.workspace_max_m[0] == tabletop().action.workspace_max_m[0] + 0.005
    with pytest.raises(ContractError, match="smell"):
        GateConfig.from_contract(tabletop(), required=("smell",))
    with pytest.raises(ContractError, match="cloud"):
        GateConfig.from_contract(tabletop(), required=("cloud",))


def test_a_gate_can_be_built_from_the_contract():
    assert Gate(GateConfig.from_contract(tabletop()), load_urdf()).setpoint(0) is None
