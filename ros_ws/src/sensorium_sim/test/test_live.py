"""The live cell reads its sensors at their rates, with stamps in order, at any pace."""

import itertools
from collections import Counter

import numpy as np
import pytest
from sensorium_core.trajectory import Trajectory
from sensorium_sim.cell import Cell
from sensorium_sim.faults import Fault
from sensorium_sim.layout import sample_scene
from sensorium_sim.live import LiveCell
from sensorium_sim.pacing import Pacer

MS = 1_000_000
WALL = 10**18
CAMERAS = ("scene", "wrist")


class Rig:
    """A live cell on a clock that the test turns."""

    def __init__(self):
        self.ns = 0
        self.readings = []
        cell = Cell(128, 96, CAMERAS)
        self.live = LiveCell(cell, CAMERAS, 30.0, frozenset({"scene"}), self.readings.append)
        self.live.pacer = Pacer(2 * MS, lambda: self.ns, lambda: self.ns + WALL)
        self.live.reset(sample_scene(1))

    def run(self, seconds, tick_ms=6):
        for _ in range(round(seconds * 1e3 / tick_ms)):
            self.ns += tick_ms * MS
            self.live.advance()

    def stamps(self, sensor):
        return [r.stamp_ns for r in self.readings if r.sensor == sensor]


@pytest.fixture
def rig():
    made = Rig()
    yield made
    made.live.cell.close()


def test_every_sensor_keeps_its_rate(rig):
    rig.run(0.6)
    counts = Counter(reading.sensor for reading in rig.readings)
    assert counts == {
        "joint_states": 300, "wrench": 300, "touch_left": 60, "touch_right": 60,
        "scene_rgb": 18, "scene_depth": 18, "wrist_rgb": 18,
    }  # fmt: skip


def test_stamps_of_each_sensor_increase_and_are_never_in_the_future(rig):
    rig.run(0.3)
    for sensor in {reading.sensor for reading in rig.readings}:
        stamps = rig.stamps(sensor)
        assert all(a < b for a, b in itertools.pairwise(stamps))
        assert stamps[-1] <= rig.ns + WALL


def test_colour_and_depth_are_one_exposure(rig):
    rig.run(0.2)
    assert rig.stamps("scene_rgb") == rig.stamps("scene_depth")


def test_joints_of_a_frame_s_instant_come_before_the_frame(rig):
    rig.run(0.2)
    order = [(r.sensor, r.stamp_ns) for r in rig.readings]
    for stamp_ns in rig.stamps("scene_rgb"):
        assert order.index(("joint_states", stamp_ns)) < order.index(("scene_rgb", stamp_ns))


def test_a_scene_frame_is_waited_for_when_it_is_due_before_the_next_call(rig):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        rig.ns += round(seconds * 1e9)

    rig.live._patience_ns, rig.live._sleep = 6 * MS, sleep
    late_ns = []
    for _ in range(100):
        rig.ns += 6 * MS
        before = len(rig.stamps("scene_rgb"))
        rig.live.advance()
        late_ns += [rig.ns + WALL - stamp for stamp in rig.stamps("scene_rgb")[before:]]
    assert naps
    assert max(naps) < 0.006
    assert max(late_ns) < 2 * MS


def test_a_machine_too_slow_skips_frames_and_goes_on(rig):
    for _ in range(5):
        rig.ns += 300 * MS
        rig.live.advance()
    rig.run(0.2)
    assert 5 <= len(rig.stamps("scene_rgb")) <= 8
    assert rig.live.pacer.lost_ns == 5 * 300 * MS


def test_a_silent_sensor_is_silent_and_others_are_not(rig):
    rig.live.faults.set("wrench", Fault("silence"))
    rig.run(0.1)
    assert not rig.stamps("wrench")
    assert rig.stamps("joint_states")


def hold(rig, stamp_ns, lift=0.0):
    q = rig.live.cell.setpoint()
    q[3] += lift
    return Trajectory(stamp_ns, rig.live.cell.joint_names, np.array([0.2]), q[None])


def test_the_arm_follows_a_trajectory_stamped_in_wall_time(rig):
    rig.run(0.1)
    before = rig.live.cell.setpoint()
    assert rig.live.command(hold(rig, rig.live.stamp_ns, 0.1)) is None
    rig.run(0.3)
    assert rig.live.cell.setpoint()[3] == pytest.approx(before[3] + 0.1)


def test_what_was_commanded_before_a_reset_is_not_followed(rig):
    rig.run(0.1)
    old = [hold(rig, rig.live.stamp_ns + ahead_ms * 1_000_000, 0.1) for ahead_ms in (-1, 25)]
    rig.live.reset(sample_scene(2))
    for command in old:
        assert "before the reset" in rig.live.command(command)


def test_a_trajectory_of_the_past_is_counted_and_named(rig):
    rig.run(0.1)
    rig.run(0.5)
    late = hold(rig, rig.live.stamp_ns - 400 * MS)
    assert "past" in rig.live.command(late)
    assert rig.live.rejected == 1
