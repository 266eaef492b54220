"""A sense that is alive but says nothing is named; one that merely rests is not."""

import numpy as np
import pytest
from sensorium_core.content_watch import ContentConfig, ContentWatch
from sensorium_core.contract import tabletop

MS = 1_000_000
RNG = np.random.default_rng(3)


def picture() -> np.ndarray:
    return RNG.integers(0, 256, (96, 128, 3), dtype=np.uint8)


def watch(**changes) -> ContentWatch:
    return ContentWatch(tabletop(), ContentConfig(**changes))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("scene_rgb", np.full((96, 128, 3), 3, np.uint8), "is black"),
        ("wrist_rgb", np.full((96, 128, 3), 255, np.uint8), "is white"),
        ("scene_depth", np.zeros((96, 128), np.uint16), "gives no depth at all"),
    ],
)
def test_a_picture_of_nothing_is_named_and_the_next_good_one_clears_it(name, value, words):
    watched = watch()
    watched.see(name, 0, value)
    assert watched.faults[name].endswith(words)
    good = picture() if value.ndim == 3 else picture()[..., 0].astype(np.uint16)
    watched.see(name, MS, good)
    assert watched.faults == {}


def test_the_third_equal_picture_in_a_row_is_a_frozen_camera_until_one_differs():
    watched, still = watch(), picture()
    told = []
    for i in range(4):
        watched.see("scene_rgb", i * MS, still.copy())
        told.append("scene_rgb" in watched.faults)
    assert told == [False, False, True, True]
    changed = still.copy()
    changed[50, 50, 0] ^= 1
    watched.see("scene_rgb", 5 * MS, changed)
    assert watched.faults == {}


def test_a_camera_without_noise_may_be_allowed_to_repeat_itself():
    watched, still = watch(frozen_pictures=0), picture()
    for i in range(10):
        watched.see("scene_rgb", i * MS, still)
    assert watched.faults == {}


def test_a_force_sensor_that_repeats_one_reading_for_long_is_frozen():
    watched, reading = watch(), np.arange(6.0, dtype=np.float32)
    for t_ms in range(0, 200, 2):
        watched.see("wrench", t_ms * MS, reading)
    assert watched.faults == {}
    watched.see("wrench", 200 * MS, reading)
    assert "repeats one reading" in watched.faults["wrench"]


@pytest.mark.parametrize("name", ["touch_left", "joints"])
def test_pads_that_touch_nothing_and_joints_at_rest_may_repeat_themselves(name):
    watched = watch()
    for t_ms in range(0, 2000, 10):
        watched.see(name, t_ms * MS, np.ones(3, np.float32))
    assert watched.faults == {}


def test_a_simulated_picture_never_repeats_itself_even_when_nothing_moves():
    from sensorium_sim.cell import Cell
    from sensorium_sim.layout import sample_scene

    cell, watched = Cell(128, 96, ("scene", "wrist")), watch(frozen_pictures=2)
    cell.reset(sample_scene(5))
    for _ in range(20):
        cell.sense(10)
        for name in ("scene", "wrist"):
            colour, depth = cell.render(name)
            watched.see(f"{name}_rgb", cell.time_ns, colour)
            watched.see(f"{name}_depth", cell.time_ns, depth)
    assert watched.faults == {}
