"""The policy holds still on what it cannot believe, says so, and goes on by itself."""

import numpy as np
import pytest
from sensorium_core.errors import GateConfigError
from sensorium_fusion.carried import Carried
from sensorium_fusion.config import HonestyConfig
from sensorium_fusion.step import State, Step

MS = 1_000_000
SAY = "pick up the red cube"
BLACK = np.zeros((96, 128, 3), dtype=np.uint8)
FLAT = np.full((96, 128), 760, dtype=np.uint16)


def taken_again(bench, step: Step) -> Step:
    """The step, taken again by another runner from what a bag would tell of it."""
    before = Carried.from_json(step.before.to_json())
    command = bench.language.encode(before.told) if before.told else None
    return bench.new_runner().take_again(
        step.t_ns, before, step.observation.parts, step.commanded, command, bench.camera()
    )


def assert_equal_offline(bench, step: Step) -> None:
    again = taken_again(bench, step)
    assert again.observation.digest() == step.observation.digest()
    assert (again.state, again.reason) == (step.state, step.reason)
    prints = [s.trajectory and s.trajectory.fingerprint() for s in (step, again)]
    assert prints[0] == prints[1]


def moving(bench) -> None:
    bench.runner.instruct(SAY)
    assert bench.turn(100).state is State.ACTING


def test_a_hold_and_its_end_are_equal_offline_bit_for_bit(bench) -> None:
    moving(bench)
    turns = [bench.turn(500, scene_depth=None), bench.turn(600, scene_depth=None)]
    turns += [bench.turn(t_ms) for t_ms in (700, 800, 899, 900, 1000)]
    assert [step.state.value for step in turns] == ["holding"] * 5 + ["acting"] * 2
    assert sum(step.trajectory is not None for step in turns[:5]) == 1
    for step in turns:
        assert_equal_offline(bench, step)


def test_a_sense_that_comes_and_goes_does_not_end_a_hold(bench) -> None:
    moving(bench)
    bench.turn(500, scene_depth=None)
    for t_ms in range(600, 3000, 150):
        lost = (t_ms // 150) % 2 == 0
        faults = {"scene_depth": "cloud is black"} if lost else {}
        assert bench.turn(t_ms, faults).state is State.HOLDING


def test_a_black_picture_of_a_required_sense_holds_and_reaches_the_policy_as_nothing(bench):
    moving(bench)
    held = bench.turn(400, scene_rgb=BLACK)
    assert held.state is State.HOLDING
    assert held.reason == "holding still: scene_rgb (camera/scene/image_raw) is black"
    assert not held.observation.valid["scene_rgb"]
    assert held.observation.parts["scene_rgb"] == ()
    assert held.observation.age_s["scene_rgb"] == 0.0
    assert not held.trajectory.velocities[-1].any()
    assert_equal_offline(bench, held)
    bench.turn(500)
    assert bench.turn(700).state is State.ACTING


def test_a_frozen_camera_holds_although_its_stamps_advance(bench) -> None:
    moving(bench)
    states = [bench.turn(100 + 33 * i, scene_depth=FLAT).state for i in range(1, 5)]
    assert states == [State.ACTING] * 2 + [State.HOLDING] * 2
    assert "repeats one picture" in bench.runner.reason


def test_an_optional_sense_with_a_fault_degrades_the_policy_and_does_not_stop_it(bench) -> None:
    moving(bench)
    step = bench.turn(400, wrist_rgb=BLACK)
    assert step.state is State.ACTING
    assert not step.observation.valid["wrist_rgb"]
    assert_equal_offline(bench, step)


def test_what_the_node_says_of_clocks_is_not_believed_and_remembered(bench) -> None:
    moving(bench)
    words = "joints (joint_states) has stamps 5.0 s ahead of this clock"
    held = bench.turn(400, {"joints": words})
    assert held.reason == f"holding still: {words}"
    assert_equal_offline(bench, held)


def test_a_lost_sense_makes_a_step_due_between_two_plans(bench) -> None:
    moving(bench)
    bench.sense(150 * MS)
    assert not bench.runner.due(150 * MS)
    assert bench.runner.due(150 * MS, {"joints": "joints are bent"})
    assert not bench.runner.due(150 * MS, {"wrench": "optional"})
    assert bench.runner.due(350 * MS)


def test_the_motion_of_a_late_step_is_taken_back_and_the_next_step_stops(bench) -> None:
    moving(bench)
    bench.sense(400 * MS)
    late = bench.runner.step(400 * MS)
    assert late.trajectory is not None
    withheld = bench.runner.withhold(late, "a step took 310 ms")
    assert (withheld.state, withheld.trajectory) == (State.HOLDING, None)
    assert withheld.reason == "holding still: a step took 310 ms"
    assert_equal_offline(bench, withheld)
    stop = bench.turn(710)
    assert not stop.trajectory.velocities[-1].any()
    assert "a step took 310 ms; all is back, waiting 0.2 s" in stop.reason
    assert_equal_offline(bench, stop)
    assert bench.turn(910).state is State.ACTING
    assert bench.turn(1200).reason == "acting"


def test_after_a_jump_of_the_clock_it_goes_on_with_new_data_in_the_old_time(bench) -> None:
    bench.runner.instruct(SAY)
    bench.turn(60_000)
    bench.runner.restart_clock("the clock jumped back by 59.9 s")
    held = bench.turn(100, scene_rgb=None)
    assert held.state is State.HOLDING
    assert "the clock jumped back by 59.9 s; scene_rgb" in held.reason
    assert bench.turn(200).state is State.HOLDING
    on = bench.turn(400)
    assert on.state is State.ACTING
    np.testing.assert_allclose(on.trajectory.positions[0, :6], bench.q, atol=1e-6)
    assert_equal_offline(bench, on)


def test_a_jump_of_the_clock_while_idle_is_no_reason_to_hold(bench) -> None:
    bench.turn(1000)
    bench.runner.restart_clock("the clock jumped back by 0.9 s")
    assert bench.turn(100).state is State.IDLE


def test_a_refusal_stops_the_arm_once_and_a_new_instruction_clears_it(bench) -> None:
    moving(bench)
    bench.runner.refuse("internal error: RuntimeError: boom")
    stop = bench.turn(200)
    assert (stop.state, stop.reason) == (State.REFUSED, "internal error: RuntimeError: boom")
    assert not stop.trajectory.velocities[-1].any()
    assert_equal_offline(bench, stop)
    assert bench.turn(300).trajectory is None
    bench.runner.instruct(SAY)
    assert bench.turn(400).state is State.ACTING


def test_a_stop_waits_for_the_answer_of_the_gate_to_the_motion_before_it(bench) -> None:
    bench.runner.instruct(SAY)
    bench.sense(100 * MS)
    plan = bench.runner.step(100 * MS).trajectory
    bench.runner.refuse("internal error: RuntimeError: boom")
    assert bench.turn(110).trajectory is None
    bench.runner.commanded(plan)
    assert bench.runner.due(120 * MS)
    stop = bench.turn(120)
    assert not stop.trajectory.velocities[-1].any()
    assert_equal_offline(bench, stop)
    assert not bench.runner.due(130 * MS)


def test_a_motion_that_the_gate_never_passed_needs_no_stop(bench) -> None:
    bench.runner.instruct(SAY)
    bench.sense(100 * MS)
    bench.runner.step(100 * MS)
    bench.runner.refuse("internal error: RuntimeError: boom")
    assert bench.turn(1200).trajectory is None
    assert not bench.runner.due(1300 * MS)


@pytest.mark.parametrize("text", ["pick \u202e up", "pick\x1b[2J", "pick " + "x" * 10_000])
def test_a_text_that_nobody_can_have_said_is_refused_before_it_is_understood(bench, text) -> None:
    bench.runner.instruct(text)
    assert bench.runner.state is State.REFUSED
    assert bench.runner.reason.startswith("instruction has")
    assert bench.language.asked == []


def test_what_older_bags_carry_is_read_and_resumes_at_once_as_it_did() -> None:
    old = (
        '{"state":"holding","reason":"x","told":"pick","anchor_m":null,"peak_press_n":0.0,'
        '"presence":[],"done_count":0,"must_stop":false,"camera":null}'
    )
    before = Carried.from_json(old)
    assert (before.resume_s, before.faults, before.withheld) == (0.0, {}, "")


def test_settings_that_make_no_sense_are_refused_by_name() -> None:
    with pytest.raises(GateConfigError, match=r"fusion setting resume_s = -1\.0"):
        HonestyConfig(resume_s=-1.0)
    with pytest.raises(GateConfigError, match="frozen_pictures"):
        HonestyConfig(frozen_pictures=1)
