"""Between two plans: the rest of the plan moves as the fast half says, or is left as it is."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.contract import tabletop
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory, finite_difference_velocities
from sensorium_description import load_constants
from sensorium_fusion.corrected_plan import AHEAD, MOST_M, CorrectedPlan
from sensorium_fusion.fast_loop import READINGS, TICK_NS, FastLoop

MS = 1_000_000
ACTION = tabletop().action
START_NS = 5_000 * MS


@dataclass(frozen=True)
class Wish:
    press_n: float = 8.0
    yield_: float = 0.0


class Pusher:
    """Lifts by 0.1 mm where the newest force is above 1 N; notes what it was given."""

    def __init__(self) -> None:
        self.given: list[np.ndarray] = []
        self.resets = 0

    def reset(self) -> None:
        self.resets += 1

    def __call__(self, given) -> np.ndarray:
        self.given.append(given.wrench)
        felt = float(np.abs(given.wrench[-1, 2])) > 1.0
        return np.array([0.0, 0.0, 1e-4 * felt])


def plan_of(arm: Kinematics, yaw: float = 0.3, travel_m: float = 0.04) -> Trajectory:
    """0.8 s along x, 5 cm above the table."""
    q, rows = np.array(load_constants().home_seed_q), []
    for k in range(9):
        q = arm.ik(q, np.array([0.45 + travel_m * k / 8, 0.05, 0.1, yaw]))
        rows.append(np.append(q, 0.02))
    times, positions = 0.1 * np.arange(9.0), np.array(rows)
    rates = finite_difference_velocities(times, positions)
    return Trajectory(START_NS, ACTION.joints, times, positions, rates)


def tools(arm: Kinematics, trajectory: Trajectory) -> np.ndarray:
    return np.array([arm.tool_pose(row[:6]) for row in trajectory.positions])


@given(st.tuples(*[st.floats(-0.03, 0.03)] * 3), st.floats(-3, 3), st.integers(0, 700))
@settings(max_examples=20)
def test_what_is_left_of_a_plan_is_moved_as_a_whole(arm, step, yaw, after_ms):
    plan, now = plan_of(arm), START_NS + after_ms * MS
    corrected = CorrectedPlan(ACTION, arm)
    assert corrected.proposal(now) is None
    corrected.begin(plan)
    whole = corrected.proposal(now)
    corrected.displace(np.array(step), yaw)
    moved = corrected.proposal(now)
    assert moved.stamp_ns == now
    assert moved.validate().positions.shape == (AHEAD, 7)
    np.testing.assert_allclose(moved.positions[:, 6], whole.positions[:, 6])
    assert (moved.velocities[-1] == 0.0).all()
    c, s = np.cos(yaw), np.sin(yaw)
    turned = [c * step[0] - s * step[1], s * step[0] + c * step[1], step[2]]
    expected = tools(arm, whole)
    expected[:, :3] += np.clip(turned, -MOST_M, MOST_M)
    np.testing.assert_allclose(tools(arm, moved), expected, atol=2e-5)
    for k in range(AHEAD):
        np.testing.assert_allclose(
            whole.positions[k, :6], plan.sample(now + 20 * MS * (k + 1))[:6], atol=1e-4
        )


def test_a_displaced_plan_stays_in_the_workspace(arm):
    corrected = CorrectedPlan(ACTION, arm)
    corrected.begin(plan_of(arm))
    for _ in range(100):
        corrected.displace(np.array([0.0, 0.0, -0.002]), 0.0)
    assert corrected.offset_m[2] == -MOST_M
    low = np.array(ACTION.workspace_min_m) - 1e-4
    assert (tools(arm, corrected.proposal(START_NS))[:, :3] >= low).all()


class Bench:
    """A loop that is ticked every 10 ms with five readings in each tick.

    As of a real sensor, no two are the same to the bit.
    """

    def __init__(self, arm: Kinematics) -> None:
        self.pusher = Pusher()
        self.rng = np.random.default_rng(0)
        self.loop, self.now = FastLoop(self.pusher, ACTION, arm), START_NS

    def tick(self, force_n: float | None) -> Trajectory | None:
        for _ in range(5):
            self.now += 2 * MS
            if force_n is not None:
                reading = np.array([0.0, 0.0, -force_n, 0.0, 0.0, 0.0])
                self.loop.push(self.now, reading + self.rng.normal(0.0, 1e-6, 6))
        return self.loop.tick(self.now)


def test_a_tick_sees_every_reading_up_to_itself(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    for i in range(8):
        bench.tick(0.1 * i)
    window = bench.pusher.given[-1]
    assert window.shape == (READINGS, 6)
    expected = [0.1 * i for i in range(1, 8) for _ in range(5)][-READINGS:]
    np.testing.assert_allclose(-window[:, 2], expected, atol=1e-5)


def test_contact_is_answered_within_a_tick_and_proposed_at_the_next_knot(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    assert [bench.tick(0.1) for _ in range(6)] == [None] * 6
    proposals = [bench.tick(5.0)]
    assert bench.loop.offset_m[2] == pytest.approx(1e-4)
    proposals += [bench.tick(5.0) for _ in range(5)]
    stamps = [p.stamp_ns for p in proposals if p is not None]
    assert len(stamps) == 3
    assert all(stamp // TICK_NS % 2 == 1 for stamp in stamps)
    assert bench.loop.offset_m[2] == pytest.approx(6e-4)


def test_without_contact_the_plan_under_way_is_left_alone(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    rng = np.random.default_rng(0)
    assert all(bench.tick(0.3 * rng.random()) is None for _ in range(60))
    assert (bench.loop.offset_m == 0.0).all()


def test_without_an_intent_it_sleeps_and_forgets(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    bench.tick(5.0)
    bench.loop.planned(plan_of(arm), None)
    assert [bench.tick(9.0) for _ in range(4)] == [None] * 4
    assert len(bench.pusher.given) == 1
    assert bench.pusher.resets == 1


def test_a_silent_wrench_adds_nothing_and_the_displaced_plan_goes_on(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    for _ in range(4):
        bench.tick(5.0)
    before = bench.loop.offset_m
    proposals = [bench.tick(None) for _ in range(10)]
    assert bench.pusher.resets >= 7
    assert bench.loop.offset_m[2] <= before[2] + 2.1e-4
    assert sum(p is not None for p in proposals) == 5


def test_a_new_plan_begins_where_the_arm_was_told(arm):
    bench = Bench(arm)
    bench.loop.planned(plan_of(arm), Wish())
    bench.tick(5.0)
    bench.loop.planned(plan_of(arm), Wish())
    assert (bench.loop.offset_m == 0.0).all()
    bench.loop.reset()
    assert bench.tick(None) is None
