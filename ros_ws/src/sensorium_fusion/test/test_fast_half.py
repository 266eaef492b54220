"""Slow and fast half together, as the node drives them: late pictures, every reading, a gate."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_core.errors import ContractError, MessageDecodeError
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES
from sensorium_core.policy import PolicyOutput
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.carried import Carried
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import State, Step

MS = 1_000_000
FILE = Path(__file__).parents[4] / "models" / "fast"
SAY = "pick up the red cube"
Force = Callable[[int], float | None]
"""Newtons against the tool at a time [ms]; None: the wrench is silent."""


class Intending:
    """Stands still, or drifts along x, and wants something to be felt."""

    contract = touch()
    unheard: frozenset[str] = frozenset()
    families = ALL_FAMILIES

    def __init__(self, press_n: float = 8.0, yield_: float = 0.0, drift_m: float = 0.0) -> None:
        self.intent = np.array([press_n, yield_], dtype=np.float32)
        self.done, self.chunk = 0.0, np.zeros((8, 5), dtype=np.float32)
        self.chunk[:, 0] = drift_m * np.arange(1, 9)
        self.chunk[:, 4] = 0.5

    def run(self, tensors: dict[str, np.ndarray]) -> PolicyOutput:
        target = np.array([0.5, 0.1, 0.02], dtype=np.float32)
        weights = np.full(6, 1 / 6)
        return PolicyOutput(self.chunk, target, 0.99, self.done, weights, self.intent)


class Live:
    """The node without ROS. Its gate wants stamps that increase, and answers 4 ms later."""

    def __init__(self, bench, fast: FastPolicy | None, late_ms: int = 30) -> None:
        self.bench, self.late_ms, self.now_ms = bench, late_ms, 0
        self.runner = Runner(bench.policy, bench.language, bench.arm, fast=fast)
        self.runner.set_camera(bench.camera())
        bench.runner, self.rng = self.runner, np.random.default_rng(5)
        self.steps: list[Step] = []
        self.corrections: list[Trajectory] = []
        self.faults: dict[str, str] = {}
        self.passes, self.is_stuck, self._last_ns = True, False, -1
        self._answers: list[tuple[int, Trajectory]] = []
        self._pictures: list[int] = []

    def run(self, until_ms: int, force: Force) -> None:
        while self.now_ms < until_ms:
            self.now_ms += 2
            self._answer()
            self._feel(force(self.now_ms))
            if self.now_ms % 10 == 0:
                self.watch()
            if self.now_ms % 50 == 0:
                self._pictures.append(self.now_ms)
            if self._pictures and self._pictures[0] + self.late_ms <= self.now_ms:
                self._picture(self._pictures.pop(0))

    def press(self) -> None:
        self.run(800, free)
        self.run(1500, light)

    def _feel(self, force_n: float | None) -> None:
        now_ns, push = self.now_ms * MS, self.runner.push
        if self.now_ms % 10 == 0:
            joints = np.zeros(14)
            joints[:6], joints[6] = self.bench.q, 0.02
            push("joints", now_ns, joints)
            for side in ("touch_left", "touch_right"):
                push(side, now_ns, np.zeros(3))
        if force_n is not None:
            noise = 0.05 * self.rng.normal(size=6)
            noise[2] -= force_n
            self.felt = self.felt if self.is_stuck else noise
            push("wrench", now_ns, self.felt)
            self.correct(now_ns)

    def correct(self, t_ns: int) -> None:
        if not self.runner.corrects_at(t_ns):
            return
        proposal = self.runner.correct(t_ns, self.faults, self.now_ms * MS - t_ns)
        if proposal is not None:
            self.corrections.append(proposal)
            self._propose(proposal)

    def watch(self) -> None:
        self.correct((self.now_ms - 40) * MS)

    def _picture(self, t_ms: int) -> None:
        self.bench.sense(t_ms * MS, joints=None)
        if self.runner.due(t_ms * MS, self.faults):
            self.steps.append(self.runner.step(t_ms * MS, self.faults))
            if self.steps[-1].trajectory is not None:
                self._propose(self.steps[-1].trajectory)

    def _propose(self, trajectory: Trajectory) -> None:
        assert trajectory.validate().stamp_ns <= self.now_ms * MS + 1
        assert trajectory.stamp_ns > self._last_ns, "the gate would refuse it"
        if self.passes:
            self._last_ns = trajectory.stamp_ns
            self._answers.append((self.now_ms + 4, self._passed(trajectory)))

    def _passed(self, trajectory: Trajectory) -> Trajectory:
        """From the next knot but 5 ms on along the proposal, a waypoint every 20 ms."""
        first = -((-self.now_ms - 5) // 20) * 20
        last = max(round(trajectory.end_ns / MS), first + 20)
        knots = range(first, last + 20, 20)
        rows = np.array([trajectory.sample(k * MS) for k in knots])
        times = 0.02 * np.arange(len(rows))
        return Trajectory(first * MS, trajectory.joint_names, times, rows)

    def _answer(self) -> None:
        while self._answers and self._answers[0][0] <= self.now_ms:
            self.runner.commanded(self._answers.pop(0)[1])

    def height_m(self, t_ms: int) -> float:
        """Of the commanded tool."""
        setpoint = self.runner._planner.history.sample(t_ms * MS)
        return float(self.bench.arm.tool_pose(setpoint[:6])[2])

    def prints(self) -> list[tuple]:
        """All that a step tells, to the bit."""
        return [
            (s.t_ns, s.state, s.reason, s.before.to_json(), s.observation.digest(),
             s.trajectory and s.trajectory.fingerprint())
            for s in self.steps
        ]  # fmt: skip


@pytest.fixture(scope="module")
def fast() -> FastPolicy:
    return FastPolicy(FILE)


@pytest.fixture
def live(bench, fast) -> Live:
    bench.policy = Intending()
    return told(Live(bench, fast))


def told(live: Live) -> Live:
    """Told what to do after its windows are full."""
    live.run(400, free)
    live.runner.instruct(SAY)
    return live


def free(_: int) -> float:
    return 0.0


def light(_: int) -> float:
    """Less than is wished for: the tool shall go down."""
    return 3.0


def test_without_an_intent_nothing_changes_whatever_file_is_given(bench, fast) -> None:
    seen = []
    for file in (None, fast):
        bench.rng = np.random.default_rng(7)
        live = told(Live(bench, file))
        live.run(1600, light)
        seen.append(live.prints())
        assert live.corrections == []
        assert live.runner.fast.report() is None
    assert seen[0] == seen[1]
    assert sum(bool(print_[-1]) for print_ in seen[0]) >= 4
    assert live.runner.fast.words.startswith("no fast half: the policy does not say what to feel")


def test_without_contact_it_is_exactly_the_slow_plan(bench, fast) -> None:
    seen = []
    for file in (None, fast):
        bench.rng, bench.policy = np.random.default_rng(7), Intending(drift_m=0.004)
        live = told(Live(bench, file))
        live.run(1600, free)
        seen.append(live.prints())
        assert live.corrections == []
    assert seen[0] == seen[1]
    assert sum(step.fast.ticks for step in live.steps) > 80
    assert live.runner.fast.words == f"fast half, sha256 {fast.sha256[:12]}"


@pytest.mark.parametrize("late_ms", [2, 14, 30, 66])
def test_corrections_go_on_across_plans_however_late_the_pictures(bench, fast, late_ms) -> None:
    bench.policy = Intending()
    live = told(Live(bench, fast, late_ms))
    live.run(800, free)
    live.run(2400, light)
    assert len(live.corrections) > 60
    assert sum(step.trajectory is not None for step in live.steps) >= 6
    heights = []
    while live.now_ms < 2600:
        live.run(live.now_ms + 10, light)
        heights.append(live.height_m(live.now_ms))
    assert heights[0] - heights[-1] > 1e-3, "it goes down"
    assert max(np.diff(heights)) < 2e-5, "and at no plan back up"


def test_a_contact_is_answered_by_a_motion_within_40_ms(live) -> None:
    live.run(850, free)
    before = len(live.corrections)
    live.run(890, light)
    assert before == 0
    assert len(live.corrections) >= 1
    assert live.corrections[0].stamp_ns <= 870 * MS


def test_every_step_is_taken_again_from_what_it_carried(live) -> None:
    live.run(800, free)
    live.run(1900, light)
    live.bench.policy.done = 1.0
    live.run(2600, light)
    assert live.runner.state is State.DONE
    again = Runner(live.bench.policy, live.bench.language, live.bench.arm)
    assert sum(step.before.ahead is not None for step in live.steps) >= 4
    for step in live.steps:
        before = Carried.from_json(step.before.to_json())
        assert before == step.before
        live.bench.policy.done = float(step.output.done) if step.output is not None else 0.0
        command = live.bench.language.encode(before.told) if before.told else None
        parts, camera = step.observation.parts, live.bench.camera()
        taken = again.take_again(step.t_ns, before, parts, step.commanded, command, camera)
        prints = [s.trajectory and s.trajectory.fingerprint() for s in (step, taken)]
        assert prints[0] == prints[1]
        assert (taken.state, taken.reason) == (step.state, step.reason)


def test_a_silent_wrench_corrects_nothing_and_the_displaced_plan_goes_on(live, fast) -> None:
    live.press()
    live.late_ms = 10_000  # no new plan meanwhile
    live.run(1580, lambda _: None)
    offset = live.runner.fast.offset_m
    count = len(live.corrections)
    assert abs(offset[2]) > 1e-4
    assert not fast._state.any(), "the memory of the contact is gone"
    live.run(1640, lambda _: None)
    assert len(live.corrections) > count
    np.testing.assert_array_equal(live.runner.fast.offset_m, offset)


@pytest.mark.parametrize("why", ["fault", "late"])
def test_a_wrench_that_is_not_believed_or_old_corrects_nothing(live, fast, why) -> None:
    live.press()
    offset = live.runner.fast.offset_m
    late_ns = 60 * MS if why == "late" else 0
    faults = {"wrench": "wrench is silent by the monotonic clock"} if why == "fault" else {}
    for t_ms in (1510, 1520, 1530):
        live.runner.push("wrench", t_ms * MS, np.array([0.0, 0.0, -3.0, 0.0, 0.0, 0.0]))
        assert live.runner.corrects_at(t_ms * MS)
        live.runner.correct(t_ms * MS, faults, late_ns)
    np.testing.assert_array_equal(live.runner.fast.offset_m, offset)
    assert not fast._state.any()


def test_what_ends_a_plan_ends_its_correction_and_what_was_felt(live, fast) -> None:
    def withhold() -> None:
        live.steps.append(live.runner.withhold(live.steps[-1], "late"))

    causes = (
        lambda: live.runner.instruct("pick another"),
        lambda: live.runner.instruct(""),
        lambda: live.runner.refuse("no"),
        withhold,
        lambda: live.runner.restart_clock("the clock jumped"),
        live.runner.reset,
    )
    live.run(800, free)
    for cause in causes:
        live.run(live.now_ms + 700, light)
        assert live.runner.fast.is_awake
        assert fast._state.any()
        cause()
        assert not fast._state.any()
        assert not live.runner.corrects_at((live.now_ms + 100) * MS)
        assert live.runner.correct((live.now_ms + 100) * MS) is None
        live._pictures.clear()
        live.runner.reset()
        live.run(live.now_ms + 400, free)
        live.runner.instruct(SAY)


def test_a_stop_comes_after_all_that_was_proposed(live) -> None:
    live.press()
    live.bench.policy.done = 1.0
    live.run(2200, light)
    stop = next(step for step in live.steps if step.state is State.DONE)
    assert stop.trajectory is not None
    assert stop.trajectory.stamp_ns > stop.t_ns
    assert not stop.trajectory.velocities[-1].any()


def test_a_wrench_that_is_stuck_in_contact_moves_nothing_after_32_ms(live) -> None:
    """With fresh stamps, and the gate's watch of the force as blind: it finds out after 0.1 s."""
    live.press()
    live.is_stuck = True
    live.run(1690, light)
    assert live.height_m(1500) - live.height_m(1690) < 0.004
    assert live.height_m(1590) == pytest.approx(live.height_m(1690), abs=1e-7)
    live.is_stuck = False
    live.run(1900, light)
    assert live.height_m(1690) - live.height_m(1890) > 0.001, "one that feels again is followed"


def test_what_the_gate_does_not_answer_is_not_insisted_on(live) -> None:
    live.press()
    live.passes, count = False, len(live.corrections)
    live.run(1700, light)
    assert len(live.corrections) - count <= 10
    assert live.runner.due(live.now_ms * MS), "a new plan is wanted at once"
    count, planned = len(live.corrections), len(live.steps)
    live.run(3000, light)
    assert len(live.corrections) == count, "a plan that did not pass is not corrected"
    assert 8 <= len(live.steps) - planned <= 14, "a plan each 0.1 s, as without a fast half"
    live.passes = True
    live.run(3600, light)
    assert len(live.corrections) > count


def test_a_plan_that_is_over_is_not_corrected_any_more(live) -> None:
    live.press()
    live.late_ms = 10_000
    live.run(2600, light)
    assert not live.runner.fast.is_awake
    end_ns = live.steps[-1].trajectory.end_ns
    assert live.corrections[-1].stamp_ns < end_ns


def test_an_intent_that_ends_gives_the_plan_back_to_the_slow_half(live) -> None:
    live.press()
    live.bench.policy.intent = np.array([0.4, 0.2], dtype=np.float32)
    live.run(2000, light)
    assert not live.runner.fast.is_awake
    assert live.runner.state is State.ACTING
    assert live.steps[-1].trajectory.stamp_ns == live.steps[-1].t_ns


def test_each_step_tells_what_the_fast_half_did(live, fast) -> None:
    live.press()
    told = live.steps[-1].fast
    assert told.sha256 == fast.sha256
    assert told.awake
    assert 20 <= told.ticks <= 40
    assert told.corrections > 15
    assert 8 <= told.proposals <= 20
    assert told.rejected == 0
    assert {name.partition("/")[0] for name in told.values()} == {"fast"}
    assert told.values()["fast/awake"] == "true"


def test_a_file_for_something_else_is_refused_and_a_dropped_wrench_turns_it_off(
    bench, fast
) -> None:
    bench.policy = Intending()
    deaf = Intending()
    deaf.unheard = frozenset({"wrench"})
    for policy, drop in ((bench.policy, frozenset({"wrench"})), (deaf, frozenset())):
        off = Runner(policy, bench.language, bench.arm, drop, fast=fast)
        assert off.fast.words.startswith("no fast half: the wrench is dropped, or")
    assert not Runner(bench.policy, bench.language, bench.arm, fast=fast).fast.off
    other = type("Other", (FastPolicy,), {"contract": None})(FILE)
    wrench = fast.contract.sense("wrench")
    for change, words in (
        ({"robot": "other_arm"}, "robot 'other_arm', not 'ur5e_cell'"),
        ({"rate_hz": 200.0}, "rate_hz 200.0, not 100.0"),
        ({"senses": (wrench.model_copy(update={"topic": "ft"}),)}, "topic 'ft'"),
        ({"senses": (wrench.model_copy(update={"window_s": 0.16}),)}, "10000000, not 2000000"),
    ):
        other.contract = fast.contract.model_copy(update=change)
        with pytest.raises(ContractError, match=words):
            Runner(bench.policy, bench.language, bench.arm, fast=other)


def test_what_it_carries_is_checked(live) -> None:
    live.press()
    step = next(s for s in reversed(live.steps) if s.before.ahead is not None)
    data = json.loads(step.before.to_json())
    for ahead in ("x", [1], [1, [0.0, 0.0]], [0.5, [0.0, 0.0, 0.0]], [1, ["a", 0.0, 0.0]]):
        with pytest.raises(MessageDecodeError):
            Carried.from_json(json.dumps({**data, "ahead": ahead}))
    far = replace(step.before, ahead=(step.t_ns + 10**12, (0.0, 0.0, 0.0)))
    command, camera = live.bench.language.encode(far.told), live.bench.camera()
    again = Runner(live.bench.policy, live.bench.language, live.bench.arm)
    parts = step.observation.parts
    taken = again.take_again(step.t_ns, far, parts, step.commanded, command, camera)
    assert "nothing is left of the plan" in taken.reason
