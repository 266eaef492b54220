"""What the gate keeps an eye on: each trouble, its reason, what the arm does, what clears it."""

import numpy as np
import pytest
from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import GateState, Reason

from .conftest import MS, Rig

RATES = {"joints": 100.0, "wrench": 100.0}
WATCHFUL = GateConfig(required_senses={"wrench": 0.1}, sense_rates_hz=RATES)
PATIENT = GateConfig(command_timeout_s=0.0)


class Silence:
    """An encoder at rest has no noise."""

    def normal(self, _mean: float, _deviation: float, size: int) -> np.ndarray:
        """Nothing."""
        return np.zeros(size)


class Watched(Rig):
    """A rig with two clocks, whose senses come every 10 ms unless a test says otherwise."""

    steady_ns = 5_000 * MS

    def step(self, joints: bool = True, wrench: object = "noise", clock_ms: float = 10) -> None:
        """One tick of 10 ms on the monotonic clock and `clock_ms` on the other."""
        self.now_ns += round(clock_ms * MS)
        self.steady_ns += 10 * MS
        if joints:
            self.report_joints()
        if wrench is not None:
            force = self.noise.normal(0, 0.1, 6) if isinstance(wrench, str) else wrench
            self.gate.observe_wrench(self.now_ns, force, self.now_ns)
        self.gate.tick(self.now_ns, self.steady_ns)

    def steps(self, seconds: float, **how: object) -> None:
        """Many of them."""
        for _ in range(round(seconds * 100)):
            self.step(**how)

    def moving(self) -> "Watched":
        """Armed, and on a motion of 0.8 s."""
        self.steps(0.1)
        assert self.gate.arm(self.now_ns).accepted
        assert self.propose(self.chunk(rad_per_step=0.05)).accepted
        self.steps(0.1)
        return self


def told(rig: Rig) -> tuple[GateState, Reason]:
    return rig.gate.state, rig.gate.cause.reason


def test_ten_seconds_of_uneven_time_trips_nothing():
    rig = Watched(WATCHFUL)
    rig.steps(0.1)
    rig.gate.arm(rig.now_ns)
    rng = np.random.default_rng(1)
    for i in range(1000):
        gap_ms = float(rng.choice([10, 10, 10, 10, 60], p=[0.24, 0.25, 0.25, 0.25, 0.01]))
        rig.steady_ns += round((gap_ms - 10) * MS)
        rig.gate.observe_heartbeat(rig.now_ns)
        rig.step(clock_ms=gap_ms)
        if i % 20 == 0:
            rig.propose(rig.chunk(rad_per_step=0.01 * (-1) ** (i // 20)))
        assert told(rig) == (GateState.ARMED, Reason.OK)


def test_a_frozen_sense_holds_and_resumes_by_itself():
    rig = Watched(WATCHFUL).moving()
    same = np.array([0.1, 0.2, 0.3, 0.0, 0.0, 0.0])
    rig.steps(0.15, wrench=same)
    assert told(rig) == (GateState.HOLDING, Reason.SENSE_FROZEN)
    rig.steps(0.1)
    assert rig.gate.state is GateState.HOLDING
    rig.steps(0.2)
    assert told(rig) == (GateState.ARMED, Reason.OK)


def test_a_frozen_sense_may_be_allowed():
    rig = Watched(GateConfig(required_senses={"wrench": 0.1}, frozen_s=0.0)).moving()
    rig.steps(0.3, wrench=np.zeros(6))
    assert rig.gate.state is GateState.ARMED


@pytest.mark.parametrize("sense", ["joints", "wrench"])
def test_a_sense_at_half_its_rate_holds(sense):
    rig = Watched(WATCHFUL)
    rig.steps(1.5)
    rig.gate.arm(rig.now_ns)
    for i in range(200):
        rig.step(
            **(
                {sense: i % 2 == 0}
                if sense == "joints"
                else {"wrench": "noise" if i % 2 else None}
            )
        )
    assert told(rig) == (GateState.HOLDING, Reason.SENSE_SLOW)
    assert sense in rig.gate.cause.detail
    rig.steps(2.0)
    assert told(rig) == (GateState.ARMED, Reason.OK)


def test_a_pause_is_not_slowness():
    rig = Watched(WATCHFUL)
    rig.steps(1.5)
    rig.gate.arm(rig.now_ns)
    rig.steps(0.19, joints=False)
    rig.steps(2.0)
    assert told(rig) == (GateState.ARMED, Reason.OK)
    rig.steps(0.5, joints=False)
    assert told(rig) == (GateState.STOPPED, Reason.JOINTS_SILENT)


def test_a_saturated_sensor_stops_but_a_click_does_not():
    rig = Watched(GateConfig(wrench_range_n=45.0)).moving()
    full = np.array([0.0, 0.0, 45.0, 0.0, 0.0, 0.0])
    rig.step(wrench=full)
    rig.steps(0.05)
    assert rig.gate.state is GateState.ARMED
    for _ in range(4):
        rig.step(wrench=full)
    assert told(rig) == (GateState.STOPPED, Reason.SENSE_SATURATED)


def test_one_sample_above_the_peak_stops_at_once_and_an_absurd_one_poisons_nothing():
    rig = Watched().moving()
    rig.step(wrench=np.array([1e300, 1e300, 0.0, 0.0, 0.0, 0.0]))
    assert told(rig) == (GateState.STOPPED, Reason.FORCE_SPIKE)
    rig.steps(0.1)
    assert rig.gate.arm(rig.now_ns).accepted
    rig.steps(0.1)
    assert rig.gate.state is GateState.ARMED
    assert rig.gate.status(rig.now_ns).force_n < 1.0


def test_an_arm_that_does_not_follow_stops_where_it_is():
    rig = Watched(PATIENT).moving()
    rig.follows = False
    rig.steps(0.7)
    assert told(rig) == (GateState.STOPPED, Reason.TRACKING_ERROR)
    sent = rig.gate.pop_reaction()
    np.testing.assert_allclose(sent.positions[-1, :6], rig.q[:6])


def test_an_arm_that_lags_is_no_error():
    rig = Watched(PATIENT).moving()
    rig.follows = False
    for _ in range(100):
        rig.q = rig.gate.setpoint(rig.now_ns - 100 * MS)
        rig.step()
    assert rig.gate.state is GateState.ARMED


def test_joints_that_repeat_themselves_stop_a_moving_arm_only():
    rig = Watched(GateConfig(tracking_rad=1.0))
    rig.noise = Silence()
    rig.steps(0.1)
    rig.gate.arm(rig.now_ns)
    rig.steps(0.5)
    assert rig.gate.state is GateState.ARMED
    rig.follows = False
    rig.propose(rig.chunk(rad_per_step=0.05))
    rig.steps(0.4)
    assert told(rig) == (GateState.STOPPED, Reason.JOINTS_FROZEN)


def test_a_second_proposer_holds_until_one_is_left():
    rig = Watched().moving()
    rig.gate.observe_graph(2, 1, 1)
    rig.step()
    assert told(rig) == (GateState.HOLDING, Reason.SECOND_PROPOSER)
    assert rig.propose().reason is Reason.HOLDING
    rig.gate.observe_graph(1, 1, 1)
    rig.steps(0.3)
    assert rig.gate.state is GateState.ARMED


@pytest.mark.parametrize(
    ("graph", "reason"),
    [((1, 2, 1), Reason.SECOND_COMMANDER), ((1, 1, 0), Reason.CONTROLLER_GONE)],
)
def test_another_commander_or_no_controller_stops_and_nobody_can_arm(graph, reason):
    rig = Watched().moving()
    rig.gate.observe_graph(*graph)
    rig.step()
    assert told(rig) == (GateState.STOPPED, reason)
    assert rig.gate.arm(rig.now_ns).reason is reason
    rig.gate.observe_graph(1, 1, 1)
    assert rig.gate.arm(rig.now_ns).accepted


def test_a_proposer_whose_heart_stops_mid_motion_holds_within_60_ms():
    rig = Watched().moving()
    for _ in range(5):
        rig.gate.observe_heartbeat(rig.now_ns)
        rig.step()
    rig.steps(0.06)
    assert told(rig) == (GateState.HOLDING, Reason.PROPOSER_SILENT)
    rig.steps(0.2)
    assert rig.propose(rig.chunk(rad_per_step=0.05)).accepted
    rig.steps(0.3)
    assert rig.gate.state is GateState.ARMED, "one that never beats is not asked to"


def test_a_heart_that_stops_while_the_arm_rests_is_no_trouble():
    rig = Watched()
    rig.steps(0.1)
    rig.gate.arm(rig.now_ns)
    rig.gate.observe_heartbeat(rig.now_ns)
    rig.steps(0.5)
    assert rig.gate.state is GateState.ARMED


def test_a_clock_that_jumps_ahead_stops_with_a_smooth_motion():
    rig = Watched().moving()
    rig.step(clock_ms=5000)
    assert told(rig) == (GateState.STOPPED, Reason.CLOCK_DISAGREES)
    assert rig.gate.pop_reaction().end_ns > rig.now_ns


def test_a_clock_that_goes_back_while_the_gate_slept_stops_it():
    """Found by fuzzing: time still went on between the two ticks, only less of it."""
    rig = Watched().moving()
    rig.now_ns += 70 * MS
    rig.steady_ns += 100 * MS
    rig.gate.tick(rig.now_ns, rig.steady_ns)
    assert told(rig) == (GateState.STOPPED, Reason.CLOCK_DISAGREES)


def test_arming_between_two_ticks_is_no_step_of_the_clock():
    """Found by fuzzing: the motion was moved by the time from the tick to the arming as well."""
    rig = Watched().moving()
    rig.gate.stop(rig.now_ns, Reason.OPERATOR_STOP, "a test")
    assert rig.gate.arm(rig.now_ns + 8 * MS).accepted
    rig.now_ns += 10 * MS
    rig.steady_ns += 10 * MS
    way = [rig.gate.setpoint(rig.now_ns + ahead_ms * MS) for ahead_ms in range(40)]
    rig.gate.tick(rig.now_ns - 5000 * MS, rig.steady_ns)
    assert told(rig) == (GateState.STOPPED, Reason.CLOCK_BACKWARD)
    sent = rig.gate.pop_reaction()
    ahead_ms = (sent.stamp_ns - rig.now_ns + 5000 * MS) // MS
    np.testing.assert_allclose(sent.positions[0], way[ahead_ms], atol=1e-9)


def test_a_clock_that_stands_still_hides_no_silence():
    rig = Watched().moving()
    for _ in range(30):
        rig.step(joints=False, wrench=None, clock_ms=0)
    assert told(rig) == (GateState.STOPPED, Reason.JOINTS_SILENT)


def test_a_gate_that_slept_blames_nobody_for_what_still_waits_to_be_heard():
    rig = Watched(WATCHFUL).moving()
    rig.now_ns += 150 * MS
    rig.steady_ns += 150 * MS
    rig.gate.tick(rig.now_ns, rig.steady_ns)
    assert rig.gate.state is GateState.ARMED
    rig.steps(0.1)
    assert rig.gate.state is GateState.ARMED
    rig.now_ns += 150 * MS
    rig.steady_ns += 150 * MS
    rig.gate.tick(rig.now_ns, rig.steady_ns)
    rig.step(wrench=None)
    assert told(rig) == (GateState.HOLDING, Reason.SENSE_SILENT)


def test_stamps_far_off_are_named_as_such():
    rig = Watched(WATCHFUL).moving()
    for _ in range(20):
        rig.step(wrench=None)
        rig.gate.observe_wrench(rig.now_ns + 5000 * MS, np.zeros(6), rig.now_ns)
    assert rig.gate.cause.reason is Reason.SENSE_SILENT
    assert "5.00 s ahead" in rig.gate.cause.detail


def test_a_trouble_that_comes_during_a_hold_is_waited_for_too():
    rig = Watched(WATCHFUL).moving()
    rig.steps(0.6)
    assert rig.gate.cause.reason is Reason.COMMAND_SILENT
    rig.steps(0.2, wrench=None)
    assert rig.gate.cause.reason is Reason.SENSE_SILENT
    assert rig.propose().reason is Reason.HOLDING
    rig.steps(0.4)
    assert rig.gate.state is GateState.ARMED


def test_pads_are_watched_each_by_itself():
    ages = {"touch_left": 0.1, "touch_right": 0.1}
    rig = Watched(GateConfig(required_senses=ages))
    assert isinstance(rig.gate, Gate)
    for i in range(40):
        for name in ages:
            if name == "touch_left" or i < 20:
                values = rig.noise.normal(0, 0.1, 6).tolist()
                rig.gate.observe_sense(name, rig.now_ns + 10 * MS, rig.now_ns + 10 * MS, values)
        rig.step()
        if i == 10:
            rig.gate.arm(rig.now_ns)
    assert rig.gate.cause.reason is Reason.SENSE_SILENT
    assert "touch_right" in rig.gate.cause.detail
    assert "touch_left" not in rig.gate.cause.detail
