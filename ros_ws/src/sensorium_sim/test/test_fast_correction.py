"""The fast half is silent in free space, pushes the right way, and cannot run away."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sensorium_sim.fast_correction import (
    LARGEST_M,
    WINDOW,
    Admittance,
    FastInput,
    FastWindow,
    Intent,
    felt_force,
)
from sensorium_sim.readings import Readings
from sensorium_sim.sensors import FORCE_NOISE_N
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_driver import Move, TouchDriver
from sensorium_sim.touch_layout import touch_scene


def given_force(tool_force: tuple[float, float, float], intent: Intent) -> FastInput:
    """An input that has felt one force, in the tool frame, all the time."""
    wrench = np.tile([*tool_force, 0.0, 0.0, 0.0], (WINDOW, 1))
    return FastInput(wrench, np.zeros((WINDOW, 2, 3)), np.zeros((WINDOW, 14)), intent)


@given(st.integers(0, 10_000), st.floats(0, 20), st.floats(0, 1))
def test_noise_in_free_space_moves_nothing(seed: int, press_n: float, yield_: float) -> None:
    noise = FORCE_NOISE_N * np.random.default_rng(seed).normal(size=(WINDOW, 6))
    window = FastInput(
        noise, np.zeros((WINDOW, 2, 3)), np.zeros((WINDOW, 14)), Intent(press_n, yield_)
    )
    assert (Admittance()(window) == 0.0).all()


@given(st.floats(1.0, 60.0), st.floats(0.0, 20.0))
def test_too_much_force_lifts_and_too_little_lowers(felt_n: float, wanted_n: float) -> None:
    step = Admittance()(given_force((0.0, 0.0, -felt_n), Intent(wanted_n)))
    assert step[2] == pytest.approx(6e-6 * (felt_n - wanted_n), abs=1e-12)
    assert step[0] == step[1] == 0.0


def test_it_gives_way_sideways_beyond_friction_and_only_when_told() -> None:
    push = (12.0, 5.0, -8.0)
    away = Admittance()(given_force(push, Intent(8.0, 1.0)))
    assert away[0] > 0.0 > away[1]  # The tool's y axis points the other way in its yaw frame.
    assert (Admittance()(given_force(push, Intent(8.0, 0.0)))[:2] == 0.0).all()
    friction = Admittance()(given_force((2.0, 1.5, -8.0), Intent(8.0, 1.0)))
    assert (friction[:2] == 0.0).all()


def test_felt_force_is_in_the_yaw_frame() -> None:
    np.testing.assert_array_equal(
        felt_force(np.tile([1.0, 2.0, 3.0, 0, 0, 0], (4, 1))), [1.0, -2.0, -3.0]
    )


def test_the_window_keeps_the_newest() -> None:
    window = FastWindow()
    for start in (0, 20):
        n = np.arange(start, start + 20, dtype=float)
        window.push(
            Readings(
                n.astype(np.int64), np.tile(n[:, None], 14), np.tile(n[:, None], 6),
                np.tile(n[:, None, None], (2, 3)),
            )
        )  # fmt: skip
    seen = window.given(Intent(0.0))
    np.testing.assert_array_equal(seen.wrench[:, 0], np.arange(40 - WINDOW, 40))
    assert seen.touch.shape == (WINDOW, 2, 3)
    assert seen.joints.shape == (WINDOW, 14)


class Wild:
    """A fast half that wants to go far."""

    def reset(self) -> None:
        self.calls = 0

    def __call__(self, given: FastInput) -> np.ndarray:
        self.calls += 1
        return np.array([1.0, -1.0, 1.0])


def test_a_correction_is_bounded_and_asleep_without_an_intent(touch_cell: TouchCell) -> None:
    touch_cell.reset(touch_scene("give", 0)[0])
    wild = Wild()
    driver = TouchDriver(touch_cell, wild)
    before = driver.pose.copy()
    driver.move(Move())
    assert wild.calls == 0
    np.testing.assert_array_equal(driver.pose, before)
    driver.move(Move(intent=Intent(5.0)))
    assert wild.calls == 9
    np.testing.assert_allclose(np.abs(driver.pose - before)[2], 9 * LARGEST_M, rtol=1e-9)
    assert np.abs(driver.pose - before)[:2].max() <= 9 * LARGEST_M * np.sqrt(2) + 1e-12


def test_slow_moves_arrive_where_they_say(touch_cell: TouchCell) -> None:
    touch_cell.reset(touch_scene("give", 0)[0])
    driver = TouchDriver(touch_cell, Admittance())
    start = driver.pose.copy()
    for _ in range(5):
        driver.move(Move(np.array([0.004, -0.006, 0.005]), 0.02))
    for _ in range(4):
        driver.move(Move())
    told = start + 5 * np.array([0.004, -0.006, 0.005, 0.02])
    np.testing.assert_allclose(driver.pose, told, atol=1e-9)
    measured = touch_cell.ground_truth().tool_pose
    assert measured == pytest.approx(told, abs=5e-4)
