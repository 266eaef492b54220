"""Plots: no extreme is lost, memory is fixed, and whatever a bag lacks is left out."""

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sensorium_core.cdr import joint_state_layout, wrench_layout
from sensorium_core.errors import BagError
from sensorium_core.image_cdr import encode_image
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory
from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.commands.plot import plot
from sensorium_recording.messages import (
    DIAGNOSTICS,
    STRING,
    TRAJECTORY,
    Status,
    encode_diagnostics,
    encode_string,
    encode_trajectory,
)
from sensorium_recording.plot import plot_bag
from sensorium_recording.plot_collector import Collector
from sensorium_recording.series import Series, Thumbnails

WRENCH = "geometry_msgs/msg/WrenchStamped"
IMAGE = "sensor_msgs/msg/Image"
STATE = "sensor_msgs/msg/JointState"
S, MS = 10**9, 10**6


def step(t_ns: int, state: str, valid: bool) -> bytes:
    values = {"state": state, "valid/wrench": str(valid).lower(), "valid/joints": "true"}
    return encode_diagnostics(t_ns, [Status("policy", 0, state, values)])


def command(t_ns: int) -> bytes:
    positions = np.array([[0.0] * 6, [0.3] * 6])
    return encode_trajectory(Trajectory(t_ns, JOINTS[:6], np.array([0.0, 0.3]), positions))


def write(path: Path, leave_out: tuple[str, ...] = ()) -> Path:
    """Two seconds with two episodes, and a second without wrenches."""
    rng = np.random.default_rng(0)
    with BagWriter(path) as bag:

        def put(topic: str, kind: str, t_ns: int, payload: bytes) -> None:
            if topic not in leave_out:
                bag.write(topic, kind, t_ns, payload)

        for i in range(200):
            t = S + i * 10 * MS
            if i in (20, 120):
                put("/instruction", STRING, t, encode_string(f"push block {i}"))
            joints = joint_state_layout(JOINTS).encode(np.array([t]), rng.normal(size=(1, 14)))
            put("/joint_states", STATE, t, joints[0])
            if not 50 <= i < 150:
                wrench = wrench_layout("tool").encode(np.array([t]), rng.normal(size=(1, 6)))
                put("/wrench", WRENCH, t, wrench[0])
                put("/touch/left", WRENCH, t, wrench[0])
            if i % 10 == 0:
                picture = rng.integers(0, 255, (48, 64, 3)).astype(np.uint8)
                put("/camera/scene/image_raw", IMAGE, t, encode_image(t, "c", picture, "rgb8"))
                put("/policy/step", DIAGNOSTICS, t, step(t, "acting", i < 60))
                put("/arm_controller/joint_trajectory", TRAJECTORY, t, command(t))
    return path


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4000), st.integers(0, 10**6), st.integers(1, 500))
def test_no_extreme_is_lost_and_points_are_bounded(n, seed, batch):
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.integers(1, 5 * MS, n)) + S
    values = rng.normal(size=(n, 2))
    series = Series(2, limit=100)
    for begin in range(0, n, batch):
        series.add(times[begin : begin + batch], values[begin : begin + batch])
    points = series.points
    assert len(points.t_ns) <= 200
    np.testing.assert_array_equal(np.nanmin(points.low, axis=0), values.min(axis=0))
    np.testing.assert_array_equal(np.nanmax(points.high, axis=0), values.max(axis=0))
    assert (points.low <= points.high).all()
    assert (points.t_ns[0], bool((np.diff(points.t_ns) > 0).all())) == (times[0], True)


def test_numbers_that_are_none_leave_holes_and_nothing_else():
    series = Series(1)
    series.add(np.arange(4) * S, np.array([[1.0], [np.nan], [np.inf], [2.0]]))
    assert np.isnan(series.points.low[:, 0]).tolist() == [False, True, True, False]


@pytest.mark.parametrize("n", [1, 50, 3000])
def test_thumbnails_are_few_small_and_evenly_spaced(n):
    film, frame = Thumbnails(limit=10, width=32), np.zeros((48, 64, 3), np.uint8)
    for i in range(n):
        if film.wants(i * 33 * MS):
            film.add(i * 33 * MS, frame)
    assert len(film.kept) <= 20
    assert film.kept[0].picture.width == 32
    steps = [b.t_ns - a.t_ns for a, b in pairwise(film.kept)]
    assert not steps or max(steps) <= 3 * min(steps)
    assert n * 33 * MS - film.kept[-1].t_ns <= max(steps, default=33 * MS) + 33 * MS


def test_a_whole_bag_becomes_a_picture(tmp_path):
    made = plot_bag(write(tmp_path / "ep"), tmp_path / "out" / "ep.png")
    assert made.panels == (
        "scene", "force [N]", "touch [N]", "gripper [mm]", "joints [rad]", "tool [m]",
        "policy", "streams",
    )  # fmt: skip
    with Image.open(made.path) as picture:
        assert picture.width == 1400
        colours = picture.convert("RGB").getcolors(1 << 24)
    assert colours is not None
    assert len(colours) > 1000


@pytest.mark.parametrize(
    ("absent", "panel"),
    [
        ("/camera/scene/image_raw", "scene"),
        ("/wrench", "force [N]"),
        ("/policy/step", "policy"),
        ("/touch/left", "touch [N]"),
    ],
)
def test_what_a_bag_lacks_is_left_out(tmp_path, absent, panel):
    made = plot_bag(write(tmp_path / "ep", (absent,)), tmp_path / "ep.png")
    assert panel not in made.panels


def test_a_bag_with_text_alone_can_be_drawn(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        bag.write("/instruction", STRING, S, encode_string("x" * 500))
    assert plot_bag(tmp_path / "ep", tmp_path / "ep.png").path.is_file()


def test_an_instruction_in_any_script_is_a_title(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        bag.write("/instruction", STRING, S, encode_string("抓住 $x_{ \n\t cube\x07"))
    assert plot_bag(tmp_path / "ep", tmp_path / "ep.png").path.is_file()


def test_an_output_that_cannot_be_written_is_a_named_error(tmp_path):
    bag = write(tmp_path / "ep", ("/camera/scene/image_raw",))
    with pytest.raises(BagError, match="cannot be written"):
        plot_bag(bag, bag / "metadata.yaml" / "ep.png")


def test_a_picture_is_never_drawn_over_a_recording(tmp_path):
    with BagWriter(tmp_path / "bag") as bag:
        bag.write("/talk", STRING, 10**9, encode_string("hi"))
    file = next((tmp_path / "bag").glob("*.mcap"))
    before = file.read_bytes()
    with pytest.raises(BagError, match=r"end it with \.png"):
        plot_bag(tmp_path / "bag", file)
    assert file.read_bytes() == before


def test_one_episode_is_drawn_by_its_number(tmp_path):
    bag = write(tmp_path / "ep")
    assert plot_bag(bag, tmp_path / "a.png", 0).duration_s == pytest.approx(1.7, abs=0.02)
    with pytest.raises(BagError, match="has no episode 2; it has: 0, 1"):
        plot_bag(bag, tmp_path / "b.png", 2)


def test_a_bag_without_messages_is_a_named_error(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        bag.add_topic("/wrench", WRENCH)
    with pytest.raises(BagError, match="no message to draw"):
        plot_bag(tmp_path / "ep", tmp_path / "ep.png")


def test_a_commanded_value_holds_until_the_next_command(tmp_path):
    collector = Collector()
    for t in (S, S + 100 * MS):
        topic = "/arm_controller/joint_trajectory"
        collector.take(RawMessage(topic, TRAJECTORY, t, command(t)))
    collector.take(RawMessage("/x", STRING, 3 * S, encode_string("later")))
    points = collector.finish().commands[JOINTS[0]].points
    before = points.t_ns < S + 100 * MS
    assert points.high[before].max() < 0.1
    assert points.t_ns[-1] == S + 400 * MS
    assert points.high[-1, 0] == pytest.approx(0.3)


def test_the_gap_of_a_stream_is_known(tmp_path):
    collector = Collector()
    for message in BagReader(write(tmp_path / "ep")).messages():
        collector.take(message)
    (gap,) = collector.finish().streams["/wrench"].timing.gaps()
    assert gap == (S + 490 * MS, 1010 * MS)


def test_payloads_that_cannot_be_read_are_counted_and_told(tmp_path):
    with BagWriter(tmp_path / "ep") as bag:
        for i, kind in enumerate((WRENCH, IMAGE, STATE, DIAGNOSTICS, TRAJECTORY)):
            names = ("wrench", "camera/scene/image_raw", "joint_states", "policy/step")
            topic = (*names, "arm_controller/joint_trajectory")[i]
            bag.write(f"/{topic}", kind, S, b"\0\1\0\0" + struct.pack("<II", 1, 0))
    done = CliRunner().invoke(plot, [str(tmp_path / "ep"), "-o", str(tmp_path / "ep.png")])
    assert done.exit_code == 0
    assert "5 messages could not be read" in done.output
