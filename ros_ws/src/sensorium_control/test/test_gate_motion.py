"""What is sent to the arm: within the limit of jerk, on the path, no jump, always to rest."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_control.collisions import Collisions
from sensorium_control.commanded import LEAD_NS, CommandedMotion
from sensorium_control.follower import monotone_rates
from sensorium_control.limits import GateConfig, load_joint_limits
from sensorium_control.profile import STEP_NS, STEP_S, Profile
from sensorium_control.reactions import Reactions
from sensorium_control.reasons import GateState, Reason
from sensorium_core.errors import KinematicsError
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_urdf
from sensorium_sim.controller import TrajectoryController

from .conftest import MS, START_NS, Rig, home_joints

KINEMATICS = Kinematics(load_urdf())
ARM = slice(0, 6)


class Told:
    """The setpoint of an arm that does what it is sent, knot by knot."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.rows, self.knots = rig, [], []

    def run(self, seconds: float) -> None:
        """Let time pass; note the commanded setpoint at every knot."""
        for _ in range(round(seconds / STEP_S)):
            self.rig.now_ns += STEP_NS
            self.rig.report()
            self.rig.gate.tick(self.rig.now_ns)
            self.rows.append(self.rig.gate.setpoint(self.rig.now_ns))

    def jerks(self) -> np.ndarray:
        """Third differences of the arm's setpoint `(n, 6)` [rad/s³]."""
        return np.diff(np.array(self.rows)[:, ARM], n=3, axis=0) / STEP_S**3


def swing(rig: Rig, rng: np.random.Generator, size: float = 0.03) -> Trajectory:
    """A wandering chunk from where the arm is."""
    steps = np.cumsum(rng.normal(0.0, size / 3, (9, 7)), axis=0)
    steps[0] = 0.0
    positions = rig.q + np.cumsum(steps, axis=0)
    positions[:, 6] = rng.uniform(0.0, 0.0425)
    return rig.chunk(positions=positions)


@given(st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_the_jerk_limit_holds_whatever_follows_whatever(seed):
    rng = np.random.default_rng(seed)
    rig = Rig(GateConfig(required_senses={"wrench": 0.1})).armed()
    told = Told(rig)
    told.run(0.2)
    for _ in range(12):
        event = rng.integers(0, 6)
        if event <= 3:
            rig.propose(swing(rig, rng))
        elif event == 4:
            rig.gate.disarm(rig.now_ns)
            told.run(0.4)
            rig.gate.arm(rig.now_ns)
        else:
            rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
            told.run(0.4)
            rig.gate.arm(rig.now_ns)
        told.run(float(rng.uniform(0.05, 0.5)))
    told.run(1.0)
    assert np.abs(told.jerks()).max() <= rig.config.jerk_rad_s3 * 1.001
    np.testing.assert_array_equal(told.rows[-1], told.rows[-2])


def test_a_hold_slows_down_on_the_path_and_forgets_nothing_of_the_grip(rig):
    squeeze = rig.chunk(rad_per_step=0.05).positions
    squeeze[:, 6] = 0.01
    sent = rig.propose(rig.chunk(positions=squeeze)).trajectory
    rig.wait(0.3)
    rig.gate.disarm(rig.now_ns)
    hold = rig.gate.pop_reaction()
    span = (sent.positions[:, 0].min(), sent.positions[:, 0].max())
    assert ((span[0] <= hold.positions[:, 0]) & (hold.positions[:, 0] <= span[1])).all()
    assert (np.diff(hold.positions[:, 0]) >= -1e-9).all()
    assert 0.04 < hold.times_s[-2] < 0.3
    np.testing.assert_allclose(hold.positions[:, 6], 0.01)
    np.testing.assert_array_equal(hold.velocities[-1], np.zeros(7))


def test_a_force_stop_may_retract_along_the_path_just_travelled():
    rig = Rig(GateConfig(retract_s=0.2)).armed()
    rig.propose(rig.chunk(rad_per_step=0.05))
    rig.wait(0.5)
    there, before = rig.q.copy(), rig.gate.setpoint(rig.now_ns - 200 * MS)
    rig.gate.observe_wrench(rig.now_ns, np.array([0, 0, -180.0, 0, 0, 0]))
    back = rig.gate.pop_reaction()
    assert rig.gate.cause.reason is Reason.FORCE_SPIKE
    np.testing.assert_allclose(back.positions[0], there, atol=1e-9)
    np.testing.assert_allclose(back.positions[-1, ARM], before[ARM], atol=0.02)
    assert back.times_s[-2] == pytest.approx(0.4, abs=0.15)


def test_without_retraction_a_force_stop_rests_where_the_arm_is():
    rig = Rig().armed()
    rig.propose(rig.chunk(rad_per_step=0.05))
    rig.wait(0.5)
    rig.gate.observe_wrench(rig.now_ns, np.array([0, 0, -180.0, 0, 0, 0]))
    np.testing.assert_allclose(rig.gate.pop_reaction().positions[-1, ARM], rig.q[ARM])


def test_an_operators_stop_does_not_retract_and_is_smooth():
    rig = Rig(GateConfig(retract_s=0.2)).armed()
    told = Told(rig)
    rig.propose(rig.chunk(rad_per_step=0.05))
    told.run(0.5)
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "asked to")
    told.run(0.5)
    assert np.abs(told.jerks()).max() <= rig.config.jerk_rad_s3 * 1.001
    assert told.rows[-1][0] > told.rows[0][0]


def test_a_stop_at_once_never_exceeds_the_speed_limit_even_from_afar(rig):
    rig.propose(rig.chunk(rad_per_step=0.02))
    rig.wait(0.3)
    setpoint, rig.follows, rig.q = rig.gate.setpoint(rig.now_ns), False, rig.q + 0.09
    rig.wait(0.01)
    rig.gate.observe_wrench(rig.now_ns, np.array([0, 0, -180.0, 0, 0, 0]))
    sent = rig.gate.pop_reaction()
    first_s = (sent.stamp_ns - rig.now_ns) * 1e-9
    assert np.abs(sent.positions[0] - setpoint)[ARM].max() <= np.pi * (first_s + 0.01) + 1e-6
    assert np.abs(np.diff(sent.positions, axis=0))[:, ARM].max() <= np.pi * STEP_S + 1e-6
    np.testing.assert_allclose(sent.positions[-1, ARM], rig.q[ARM])


def test_where_the_arm_was_long_ago_is_no_place_to_stop(rig):
    rig.propose(rig.chunk(rad_per_step=0.05))
    rig.wait(0.3)
    old = rig.q.copy()
    rig.wait(0.15, report=False)
    rig.gate.observe_wrench(rig.now_ns, np.array([0, 0, -180.0, 0, 0, 0]))
    assert rig.gate.cause.reason is Reason.FORCE_SPIKE
    assert rig.gate.pop_reaction().positions[-1, 0] > old[0] + 0.05


def test_what_is_sent_reaches_beyond_the_time_that_a_message_may_take(rig):
    near = rig.chunk(times_s=np.array([0.03]), positions=rig.q[None])
    sent = rig.propose(near).trajectory
    assert sent.end_ns >= rig.now_ns + 200 * MS
    rig.gate.stop(rig.now_ns, Reason.FORCE_LIMIT, "a blow")
    assert rig.gate.pop_reaction().end_ns >= rig.now_ns + 200 * MS


def test_a_motion_that_cannot_be_followed_within_the_jerk_limit_is_refused():
    rig = Rig(GateConfig(jerk_rad_s3=30.0)).armed()
    zigzag = rig.chunk().positions
    zigzag[1::2, 0] += 0.1
    decision = rig.propose(rig.chunk(positions=zigzag))
    assert decision.reason is Reason.JERK_LIMIT
    assert "stray" in decision.detail


def test_arming_begins_where_the_arm_is_and_a_second_time_where_it_rests():
    rig = Rig()
    rig.report()
    rig.gate.arm(rig.now_ns)
    np.testing.assert_allclose(rig.gate.pop_reaction().positions[0], rig.q)
    rig.propose()
    rig.wait(0.2)
    rig.gate.disarm(rig.now_ns)
    rig.wait(0.5)
    rig.gate.pop_reaction()
    rig.gate.arm(rig.now_ns)
    assert rig.gate.pop_reaction() is None
    rig.gate.disarm(rig.now_ns)
    rig.follows, rig.q = False, rig.q + 0.3
    rig.wait(0.05)
    rig.gate.arm(rig.now_ns)
    np.testing.assert_allclose(rig.gate.pop_reaction().positions[-1, ARM], rig.q[ARM])
    assert rig.gate.state is GateState.ARMED


def dive(rig: Rig, seconds: float) -> Trajectory:
    """Straight down to 3 mm above the table."""
    high = np.array([0.48, 0.0, 0.12, 0.0])
    heights = np.linspace(0.12, 0.0155, 12)
    rig.q = np.append(KINEMATICS.ik(rig.q[:6], high), rig.q[6])
    rows = [rig.q]
    for z in heights[1:]:
        rows.append(np.append(KINEMATICS.ik(rows[-1][:6], [0.48, 0.0, z, 0.0]), rig.q[6]))
    return rig.chunk(times_s=np.linspace(0, seconds, 12), positions=np.array(rows))


def test_fingertips_come_down_on_the_table_slowly_or_not_at_all():
    for seconds, reason in ((0.5, Reason.APPROACH_SPEED), (1.6, Reason.OK)):
        rig = Rig()
        chunk = dive(rig, seconds)
        rig.armed()
        assert rig.propose(chunk).reason is reason
    rig = Rig(GateConfig(approach_m_s2=0.0))
    chunk = dive(rig, 0.5)
    assert rig.armed().propose(chunk).accepted


def test_links_that_would_touch_are_refused_by_name():
    rig = Rig(GateConfig(max_duration_s=30.0, workspace_min_m=(-2, -2, 0.0))).armed()
    fold = rig.q.copy()
    fold[2] = 3.0
    u = np.linspace(0.0, 1.0, 9)[:, None]
    decision = rig.propose(rig.chunk(times_s=8 * u[:, 0], positions=(1 - u) * rig.q + u * fold))
    assert decision.reason is Reason.SELF_COLLISION, decision.detail
    assert " and " in decision.detail


def test_no_pose_of_the_work_area_touches_and_a_negative_margin_turns_it_off():
    checker = Collisions(load_urdf(), 0.0)
    seed = Rig().q[:6]
    for x in (0.3, 0.5, 0.7):
        for y in (-0.35, 0.0, 0.35):
            for z in (0.014, 0.2):
                assert not checker.touching(KINEMATICS.ik(seed, np.array([x, y, z, 0.5])))
    folded = np.array([0.0, -1.5, 3.0, 0.0, 0.0, 0.0])
    assert checker.touching(folded)
    assert Collisions(load_urdf(), -1.0).n_pairs == 0


def test_shapes_that_cannot_be_read_are_an_error_that_says_so():
    shape = re.compile(r"(<collision><origin[^>]*/><geometry>)<cylinder[^>]*/>")
    mesh = shape.sub(r'\1<mesh filename="package://gone/x.stl"/>', load_urdf(), count=1)
    assert mesh != load_urdf()
    with pytest.raises(KinematicsError, match="collision shapes"):
        Collisions(mesh, 0.0)


@given(st.lists(st.floats(0.0, 0.0425), min_size=3, max_size=20))
def test_the_grippers_curve_stays_between_its_knots(values):
    knots = np.array(values)
    rates = monotone_rates(knots)
    times = np.arange(len(knots)) * STEP_S
    curve = Trajectory(0, ("g",), times, knots[:, None], rates[:, None])
    for i in range(len(knots) - 1):
        inner = [curve.sample(i * STEP_NS + k * STEP_NS // 8)[0] for k in range(9)]
        low, high = sorted(knots[i : i + 2])
        assert low - 1e-12 <= min(inner)
        assert max(inner) <= high + 1e-12


@pytest.mark.parametrize("step_ms", [0, 307, -5003])
def test_fingers_that_are_stopped_while_they_close_stay_within_their_range(step_ms):
    """Found by fuzzing: a controller's cubic to the first waypoint of a stop swung past zero.

    The arm stands still; the fingers are stopped at every moment of their way, by hand or at a
    step of the clock.
    """
    limits = load_joint_limits(load_urdf(), KINEMATICS, GateConfig())
    rows = np.repeat(home_joints()[None], 12, axis=0)
    rows[:, 6] = np.linspace(0.03, -0.006, 12).clip(0.0)
    rates = np.zeros_like(rows)
    rates[:, 6] = monotone_rates(rows[:, 6])
    closing = Profile(START_NS // STEP_NS, rows, rates, np.zeros_like(rows))
    lowest = []
    for after_ms in range(2, 230, 2):
        commanded, arm = CommandedMotion(limits), TrajectoryController(JOINTS, 2 * MS, np.zeros(7))
        commanded.take(closing)
        arm.reset(rows[0])
        now_ns, controls = START_NS + after_ms * MS, rows[0].copy()
        arm.command(closing.trajectory(), START_NS)
        lowest += [advanced(arm, controls) for _ in range(after_ms // 2)]
        arm.command(stopped(commanded, now_ns, step_ms), now_ns)
        lowest += [advanced(arm, controls) for _ in range(100)]
    assert min(lowest) >= 0.0


def advanced(arm: TrajectoryController, controls: np.ndarray, joint: int = 6) -> float:
    """What a joint is told a step later [rad; the fingers: m]."""
    arm.advance(controls)
    return arm.position[joint]


def stopped(commanded: CommandedMotion, now_ns: int, step_ms: int) -> Trajectory:
    """What is sent at a stop, in the time from before the clock stepped."""
    step_ns = step_ms * MS
    slowing = commanded.braking(now_ns + step_ns, step_ns)
    if step_ns == 0:
        commanded.take(slowing)
        return commanded.sent(now_ns)
    sent = commanded.renewed(slowing, now_ns + step_ns, step_ns)
    return replace(sent, stamp_ns=sent.stamp_ns - step_ns)


@pytest.mark.parametrize("step_ms", [-30, -7, 3, 10, 300, 5000])
def test_a_clock_that_steps_on_the_way_to_a_joints_stop_sends_no_joint_past_it(step_ms):
    """Found by fuzzing: from between two knots of the path a cubic swung 19 microradians past."""
    limits = load_joint_limits(load_urdf(), KINEMATICS, GateConfig())
    begin, end = home_joints(), home_joints()
    begin[5], end[5] = limits.upper[5] - 0.3, limits.upper[5]
    first, furthest = START_NS // STEP_NS, []
    for after_ms in range(2, 800, 2):
        commanded, arm = CommandedMotion(limits), TrajectoryController(JOINTS, 2 * MS, np.zeros(7))
        commanded.take(Profile.at_rest(first - 1, begin))
        going = commanded.going_to(START_NS - 20 * MS, end)
        going.positions[:, 6] = np.linspace(0.04, 0.01, len(going.positions))
        going.velocities[:, 6] = monotone_rates(going.positions[:, 6])
        commanded.take(going)
        arm.reset(going.positions[0])
        arm.command(going.trajectory(), START_NS)
        now_ns = START_NS + after_ms * MS
        reached = [advanced(arm, begin.copy(), 5) for _ in range(after_ms // 2)]
        arm.command(stopped(commanded, now_ns, step_ms), now_ns)
        grips = [arm.position[6]]
        for _ in range(100):
            reached.append(advanced(arm, begin.copy(), 5))
            grips.append(arm.position[6])
        rest = commanded.setpoint(now_ns + step_ms * MS + 10**9)[5]
        assert rest == pytest.approx(reached[-1], abs=1e-9)
        assert grips[0] - 0.0046 < grips[-1] < min(grips) + 2e-4
        furthest.append(max(reached))
    assert furthest[0] < end[5] - 0.2
    assert max(furthest) <= end[5] + 1e-6


@pytest.mark.parametrize("late_ms", [0, 2, 4])
@pytest.mark.parametrize("speed", [-0.95, 0.0, 0.95])
def test_a_stop_at_once_keeps_the_limit_of_speed_however_late_the_arm_hears_of_it(late_ms, speed):
    """Found by fuzzing: the first waypoint was so near that the arm had to turn round in 1 ms."""
    limits = load_joint_limits(load_urdf(), KINEMATICS, GateConfig())
    home, rates = home_joints(), np.zeros((60, 7))
    rates[:, 5] = speed * limits.speed[5]
    rows = home + (np.arange(60)[:, None] - 30) * STEP_S * rates
    moving = Profile(START_NS // STEP_NS - 30, rows, rates, np.zeros_like(rows))
    fastest = []
    for after_ms in range(0, 20, 2):
        for away_rad in np.linspace(-0.1, 0.1, 21):
            commanded, arm = CommandedMotion(limits), steady_arm(moving)
            commanded.take(moving)
            now_ns = START_NS + after_ms * MS
            measured = commanded.setpoint(now_ns) + away_rad * (np.arange(7) == 5)
            reactions = Reactions(GateConfig(), limits, commanded)
            commanded.take(reactions.stopping(now_ns, measured, Reason.FORCE_SPIKE, 0.0))
            wrist = [advanced(arm, home.copy(), 5) for _ in range((after_ms + late_ms) // 2)]
            arm.command(commanded.sent(now_ns), now_ns + late_ms * MS)
            wrist += [advanced(arm, home.copy(), 5) for _ in range(60)]
            fastest.append(np.abs(np.diff(wrist)).max() / 0.002)
    assert max(fastest) <= 1.01 * limits.speed[5]


def steady_arm(profile: Profile) -> TrajectoryController:
    """An arm's controller that follows a profile which began long ago."""
    arm = TrajectoryController(JOINTS, 2 * MS, np.zeros(7))
    arm.reset(profile.positions[0])
    arm.command(profile.trajectory(), profile.start_ns)
    for _ in range((START_NS - profile.start_ns) // (2 * MS)):
        arm.advance(profile.positions[0].copy())
    return arm


def test_a_path_of_one_step_that_has_not_begun_is_left_to_begin_with_its_first_row():
    limits = load_joint_limits(load_urdf(), KINEMATICS, GateConfig())
    rows, rates = np.repeat(home_joints()[None], 2, axis=0), np.zeros((2, 7))
    rates[:, 5] = 2.0
    rows[1, 5] += 2.0 * STEP_S
    commanded, first = CommandedMotion(limits), START_NS // STEP_NS
    commanded.take(Profile(first, rows, rates, np.zeros_like(rows)))
    left = commanded.braking(START_NS - STEP_NS - LEAD_NS)
    np.testing.assert_array_equal(left.positions, rows)
