"""What a policy of contract version 2 remembers: from senses alone, at any pace, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensorium_core.contract import Contract, tabletop, touch
from sensorium_core.errors import ContractError, MessageDecodeError
from sensorium_core.felt import RELEASED_S, Grasp, Hand, Press
from sensorium_core.inputs import Memory, joints_now, policy_inputs
from sensorium_core.kinematics import Kinematics
from sensorium_core.memory import (
    PERIOD_NS,
    WIDTH,
    FeltMemory,
    copy_of,
    memory_width,
    new_memory,
)
from sensorium_core.observation import Observation
from sensorium_core.policy import TOKENS, input_shapes, output_names, output_shapes
from sensorium_description import load_urdf

ARM = Kinematics(load_urdf())
START_NS = 10**18
WINDOW = 32


class Story:
    """Fast senses at 100 Hz over some seconds, and observations of them at any time."""

    def __init__(self, seconds: float, seed: int = 0) -> None:
        n = round(100 * seconds)
        rng = np.random.default_rng(seed)
        home = ARM.ik(np.array([0.0, -1.2, 1.8, -2.2, -1.57, 0.0]), np.array([0.5, 0, 0.1, 0]))
        self.joints = np.zeros((n, 14))
        self.joints[:, :6] = home
        self.joints[:, 6] = 0.04
        self.wrench = 0.05 * rng.standard_normal((n, 6))
        self.touch = np.zeros((n, 2, 3))

    def squeeze(self, first: int, last: int, force_n: float, opening_m: float) -> None:
        self.touch[first:last, 0, 1], self.touch[first:last, 1, 1] = force_n, -force_n
        self.joints[first:last, 6] = opening_m

    def go(self, first: int, place: tuple[float, float, float]) -> None:
        self.joints[first:, :6] = ARM.ik(self.joints[first, :6], np.array([*place, 0.0]))

    def seen(self, at: int, **valid: bool) -> Observation:
        rows = slice(at + 1 - WINDOW, at + 1)
        values = {
            "joints": self.joints[rows].astype(np.float32),
            "wrench": self.wrench[rows].astype(np.float32),
            "touch_left": self.touch[rows, 0].astype(np.float32),
            "touch_right": self.touch[rows, 1].astype(np.float32),
        }
        flags = {name: valid.get(name, True) for name in values}
        return Observation(START_NS + at * PERIOD_NS, values, flags, {}, {})

    def told(self, every: int, until: int | None = None) -> FeltMemory:
        memory = FeltMemory(ARM)
        for at in range(WINDOW - 1, (until or len(self.joints) - 1) + 1, every):
            memory.feel(self.seen(at))
        return memory


def pressing(depth_n: float = 5.0) -> Story:
    story = Story(4.0)
    story.wrench[100:250, 2] -= depth_n
    return story


def test_a_new_memory_is_that_of_version_1_and_zeros() -> None:
    vector = FeltMemory(ARM).vector()
    assert vector.shape == (WIDTH,) == (memory_width(touch()),)
    assert vector.dtype == np.float32
    assert not vector.any()
    assert type(new_memory(tabletop(), None)) is Memory
    assert isinstance(new_memory(touch(), ARM), FeltMemory)
    assert memory_width(tabletop()) == 5


@given(st.integers(0, 50), st.floats(1.0, 20.0))
@settings(max_examples=20, deadline=None)
def test_what_is_remembered_does_not_depend_on_how_often_the_policy_is_asked(
    begin: int, force_n: float
) -> None:
    story = Story(3.1)
    story.wrench[60 + begin : 160 + begin, 2] -= force_n
    story.squeeze(40 + begin, 200, 12.0, 0.02)
    last = 31 + 30 * 9
    often, seldom = story.told(10, last), story.told(30, last)
    np.testing.assert_array_equal(often.vector()[5:], seldom.vector()[5:])
    assert often.press.lasted_s > 0.5


@pytest.mark.parametrize("every_ns", [15_000_000, 33_333_333, 66_600_000])
def test_times_are_right_where_pictures_do_not_come_on_the_grid_of_samples(every_ns: int) -> None:
    story = Story(3.1)
    story.wrench[60:, 2] -= 5.0
    memory, grid = FeltMemory(ARM), story.told(1, 300)
    for t_ns in range((WINDOW - 1) * PERIOD_NS, 300 * PERIOD_NS + 1, every_ns):
        seen = story.seen(t_ns // PERIOD_NS)
        memory.feel(replace(seen, t_ns=START_NS + t_ns))
    late_s = 1e-9 * (300 * PERIOD_NS - t_ns)
    assert memory.press.lasted_s == pytest.approx(grid.press.lasted_s - late_s, abs=0.021)


def test_a_press_is_placed_timed_and_kept_after_it_has_ended() -> None:
    story = pressing()
    story.go(0, (0.45, 0.1, 0.06))
    memory = story.told(10)
    press = memory.press
    assert (press.touching, press.known) == (0.0, 1.0)
    np.testing.assert_allclose([press.x, press.y, press.z], [0.45, 0.1, 0.06], atol=1e-4)
    assert press.steadiest_low_n == pytest.approx(5.0, abs=0.3)
    assert press.steadiest_high_n == pytest.approx(5.0, abs=0.3)
    early = story.told(10, 151).press
    assert (early.touching, early.steadiest_high_n) == (1.0, 0.0)
    assert early.lasted_s == pytest.approx(0.5, abs=0.05)


def test_a_hop_does_not_end_a_press_and_a_release_does() -> None:
    for quiet, ended in ((10, False), (int(150 * RELEASED_S), True)):
        story = pressing()
        story.wrench[180 : 180 + quiet, 2] = 0.0
        story.go(175, (0.45, 0.1, 0.06))
        press = story.told(10).press
        assert (press.x == pytest.approx(0.45, abs=1e-3)) == ended


def test_the_range_of_a_press_is_that_of_its_steadiest_time() -> None:
    story = Story(6.0)
    story.wrench[100:500, 2] -= 5.0
    story.wrench[160:300:20, 2] -= 4.0
    story.wrench[161:300:20, 2] -= 4.0
    wavering, steady = story.told(10, 281).press, story.told(10).press
    assert wavering.steadiest_high_n - wavering.steadiest_low_n > 1.0
    assert wavering.range_n[1] > 6.0
    assert steady.steadiest_high_n - steady.steadiest_low_n < 0.4
    assert steady.steadiest_low_n == pytest.approx(5.0, abs=0.3)


def test_things_are_told_apart_by_place_and_the_latest_comes_first() -> None:
    story = Story(6.0)
    places = [(0.45, 0.1, 0.02), (0.5, -0.1, 0.02), (0.46, 0.11, 0.02)]
    for i, (place, force_n) in enumerate(zip(places, (8.0, 12.0, 9.0), strict=True)):
        at = 60 + 150 * i
        story.go(at, place)
        story.squeeze(at + 20, at + 80, force_n, 0.02)
    hand = story.told(10).hand
    np.testing.assert_allclose([hand.latest.x, hand.latest.y], places[2][:2], atol=1e-3)
    np.testing.assert_allclose([hand.before.x, hand.before.y], places[1][:2], atol=1e-3)
    assert hand.latest.squeeze_n == pytest.approx(9.0, abs=0.1)
    assert hand.before.squeeze_n == pytest.approx(12.0, abs=0.1)
    assert hand.holding == 0.0


def test_sink_is_how_far_fingers_close_after_the_first_touch() -> None:
    story = Story(3.0)
    story.squeeze(100, 200, 12.0, 0.02)
    story.joints[105:200, 6] = 0.0165
    hand = story.told(10, 190).hand
    assert hand.latest.sink_m == pytest.approx(0.0035, abs=1e-5)
    weakly = Story(4.0)
    weakly.squeeze(100, 200, 12.0, 0.02)
    weakly.joints[105:200, 6] = 0.0165
    weakly.squeeze(250, 300, 2.0, 0.02)
    assert weakly.told(10).hand.latest == weakly.told(10, 231).hand.latest
    empty = Story(3.0)
    empty.squeeze(100, 200, 12.0, 0.001)
    assert empty.told(10).hand == Hand()


def test_what_hangs_still_is_weighed_and_what_stands_or_moves_is_not() -> None:
    story = Story(4.0)
    story.go(0, (0.5, 0.0, 0.02))
    story.squeeze(60, 400, 12.0, 0.02)
    story.wrench[100:, 2] += 2.0
    assert not story.told(10).hand.latest.weighed
    story.go(120, (0.5, 0.0, 0.075))
    story.joints[120:200, 8] = 0.3
    assert not story.told(10, 190).hand.latest.weighed
    thing = story.told(10).hand.latest
    assert (thing.weighed, thing.load_n) == (1.0, pytest.approx(2.0, abs=0.1))


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_bytes_of_a_dead_sense_do_not_reach_the_memory(seed: int) -> None:
    rng = np.random.default_rng(seed)
    story = pressing()
    story.squeeze(60, 250, 12.0, 0.02)
    dead = ("wrench", "touch_left", "joints")[seed % 3]
    vectors = []
    for scale in (0.0, 1.0):
        memory = story.told(10, 131)
        for at in (141, 151):
            seen = story.seen(at, **{dead: False})
            shape = seen.values[dead].shape
            seen.values[dead] = (scale * 1e3 * rng.standard_normal(shape)).astype(np.float32)
            memory.feel(seen)
        vectors.append(memory.vector())
    np.testing.assert_array_equal(*vectors)


def test_it_comes_back_from_what_it_tells_and_copies_share_nothing() -> None:
    story = pressing()
    story.squeeze(60, 250, 12.0, 0.02)
    memory = story.told(10, 131)
    memory.anchor_m = np.array([0.4, 0.1, 0.02])
    again, copied = FeltMemory(ARM), copy_of(memory)
    again.recall(memory.felt())
    again.anchor_m, again.peak_press_n = memory.anchor_m, memory.peak_press_n
    before = copied.vector()
    for at in range(141, 300, 10):
        for one in (memory, again):
            one.feel(story.seen(at))
        np.testing.assert_array_equal(memory.vector(), again.vector())
    np.testing.assert_array_equal(copied.vector(), before)
    assert (memory.vector() != before).any()
    with pytest.raises(MessageDecodeError, match="memory"):
        again.recall((0, (1.0,)))
    with pytest.raises(MessageDecodeError, match="nothing"):
        again.recall(None)


def test_the_vector_stays_within_bounds_whatever_is_felt() -> None:
    story = Story(4.0)
    story.wrench[:] *= 1e5
    story.squeeze(50, 300, 500.0, 0.03)
    vector = story.told(10).vector()
    assert np.isfinite(vector).all()
    assert np.abs(vector).max() <= 2.0
    assert len(Press().vector()) + 2 * len(Grasp().vector()) + 1 + 5 == WIDTH


def test_version_1_keeps_its_tensors_and_its_outputs() -> None:
    old = tabletop()
    assert Contract.from_json(old.to_json()) == old
    assert input_shapes(old)["memory"] == ("tensor(float)", (1, 5))
    assert output_names(old) == ("chunk", "target", "present", "done", "weights")
    for contract, version in ((old, 2), (touch(), 1)):
        with pytest.raises(ContractError, match="joints are a window in version 2"):
            Contract.parse({**contract.model_dump(), "version": version}, "test")


def test_version_2_asks_for_what_the_inputs_give() -> None:
    contract = touch()
    assert Contract.from_json(contract.to_json()) == contract
    story = Story(1.0)
    seen = story.seen(50)
    pictures = {m.name: np.zeros(m.shape, np.uint8) for m in contract.modalities[:3]}
    cloud = {"cloud": np.zeros((contract.cloud.points, 7), np.float32)}
    flags = {m.name: True for m in contract.modalities}
    seen = replace(seen, values={**seen.values, **pictures, **cloud}, valid=flags)
    memory = new_memory(contract, ARM)
    tensors = policy_inputs(contract, seen, np.zeros(5), memory, np.zeros(TOKENS, np.float32))
    for name, (_, shape) in input_shapes(contract).items():
        assert tensors[name].shape == shape, name
    assert output_shapes(contract)["intent"] == (1, 2)
    np.testing.assert_array_equal(joints_now(seen), story.joints[50].astype(np.float32))
