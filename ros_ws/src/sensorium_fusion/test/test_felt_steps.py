"""A policy of contract version 2 in the loop: fed its memory, its steps can be taken again."""

import json

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_core.errors import MessageDecodeError
from sensorium_core.goal import ALL_FAMILIES
from sensorium_core.memory import WIDTH, FeltMemory
from sensorium_core.policy import PolicyOutput
from sensorium_fusion.carried import Carried
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import Step

MS = 1_000_000
SAY = "pick up the red cube"


class FeelingPolicy:
    """Goes where all that it is fed sends it; notes what it was fed."""

    contract = touch()
    unheard: frozenset[str] = frozenset()
    families = ALL_FAMILIES

    def __init__(self) -> None:
        self.fed: list[dict[str, np.ndarray]] = []

    def run(self, tensors: dict[str, np.ndarray]) -> PolicyOutput:
        self.fed.append({name: value.copy() for name, value in tensors.items()})
        sway = float(tensors["memory"].astype(np.float64).sum()) % 1.0
        chunk = np.zeros((8, 5), dtype=np.float32)
        chunk[:, 0] = 0.004 * sway * np.arange(1, 9)
        chunk[:, 4] = sway
        intent = np.array([5.0, sway], dtype=np.float32)
        target = np.array([0.5, 0.1, 0.02], dtype=np.float32)
        return PolicyOutput(chunk, target, 0.99, 0.0, np.full(6, 1 / 6), intent)


def drive(bench, runner: Runner, pushes_n: float) -> list[Step]:
    """One second of instruction, fast senses at 100 Hz; something is met after 0.3 s."""
    runner.set_camera(bench.camera())
    bench.runner = runner
    joints = np.zeros(14)
    joints[:6], joints[6] = bench.q, 0.02
    steps = []
    for t_ms in range(10, 1800, 10):
        wrench = np.zeros(6)
        wrench[2] = -pushes_n if t_ms > 800 else 0.0
        runner.push("wrench", t_ms * MS, wrench)
        runner.push("joints", t_ms * MS, joints)
        for side, sign in (("touch_left", 1.0), ("touch_right", -1.0)):
            squeeze = sign * pushes_n if t_ms > 900 else 0.0
            runner.push(side, t_ms * MS, np.array([0.0, squeeze, 0.0]))
        if t_ms == 500:
            runner.instruct(SAY)
        if t_ms > 400 and t_ms % 100 == 0:
            steps.append(bench.turn(t_ms, joints=None))
    return steps


@pytest.fixture
def feeling(bench):
    bench.policy = FeelingPolicy()
    return bench


def test_memory_is_fed_and_says_what_was_felt(feeling) -> None:
    steps = drive(feeling, feeling.new_runner(), 6.0)
    fed = [tensors["memory"][0] for tensors in feeling.policy.fed]
    assert {memory.shape for memory in fed} == {(WIDTH,)}
    assert not fed[0][4:].any()
    assert fed[-1][5] == 1.0, "it touches something"
    assert fed[-1][15] == 1.0, "it holds something"
    place = feeling.arm.tool_pose(feeling.q)[:3]
    np.testing.assert_allclose(fed[-1][7:10], place, atol=1e-5)
    outputs = [step.output for step in steps if step.output is not None]
    assert all(output.intent is not None for output in outputs)


def test_every_step_is_taken_again_bit_for_bit_from_what_it_carried(feeling) -> None:
    steps = drive(feeling, feeling.new_runner(), 6.0)
    assert sum(step.trajectory is not None for step in steps) >= 3
    for step in steps:
        before = Carried.from_json(step.before.to_json())
        command = feeling.language.encode(before.told) if before.told else None
        again = feeling.new_runner().take_again(
            step.t_ns, before, step.observation.parts, step.commanded, command, feeling.camera()
        )
        assert again.observation.digest() == step.observation.digest()
        prints = [s.trajectory and s.trajectory.fingerprint() for s in (step, again)]
        assert prints[0] == prints[1]
        if step.output is not None:
            np.testing.assert_array_equal(again.output.intent, step.output.intent)


def test_a_new_instruction_begins_with_nothing_felt(feeling) -> None:
    runner = feeling.new_runner()
    drive(feeling, runner, 6.0)
    runner.instruct(SAY)
    memory = runner._loop.memory
    assert isinstance(memory, FeltMemory)
    assert not memory.vector().any()


def test_what_version_1_carries_reads_as_before(bench) -> None:
    bench.runner.instruct(SAY)
    step = bench.turn(100)
    told = step.before.to_json()
    assert "felt" not in json.loads(told)
    assert Carried.from_json(told) == step.before


def test_carried_memories_of_other_versions_are_refused(feeling) -> None:
    step = drive(feeling, feeling.new_runner(), 6.0)[-1]
    data = json.loads(step.before.to_json())
    for felt in ("abc", [1], [1, [1, "x"]], [0.5, [1.0]]):
        with pytest.raises(MessageDecodeError):
            Carried.from_json(json.dumps({**data, "felt": felt}))
    for name, value in (("peak_press_n", "x"), ("anchor_m", ["q"]), ("done_count", 0.5)):
        with pytest.raises(MessageDecodeError):
            Carried.from_json(json.dumps({**data, name: value}))
    short = Carried.from_json(json.dumps({**data, "felt": [1, [1.0]]}))
    with pytest.raises(MessageDecodeError, match="memory"):
        feeling.new_runner().take_again(step.t_ns, short, {}, (), None, None)
