"""Aligned frames: what was known at each depth image, whatever the order in the bag."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sensorium_core import image_cdr
from sensorium_core.cdr import NS, wrench_layout
from sensorium_core.contract import tabletop
from sensorium_core.errors import BagError
from sensorium_recording.alignment import AlignedFrame, Span, aligned_frames
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.messages import (
    DIAGNOSTICS,
    STRING,
    Status,
    encode_diagnostics,
    encode_string,
)

CONTRACT = tabletop()
DEPTH = "/camera/scene/depth/image_rect_raw"
WRENCH = "geometry_msgs/msg/WrenchStamped"
Message = tuple[str, str, int, bytes]


def depth(stamp: int, log: int | None = None, size: tuple[int, int] = (96, 128)) -> Message:
    image = np.full(size, stamp // 10**7 % 1000, dtype=np.uint16)
    payload = image_cdr.encode_image(stamp, "camera_scene_optical_frame", image, "16UC1")
    return DEPTH, image_cdr.TYPE, log or stamp, payload


def wrench(stamp: int, force: float, log: int | None = None, push: float = 0.0) -> Message:
    values = np.array([force, 0, push, 0, 0, 0])
    return "/wrench", WRENCH, log or stamp, wrench_layout("tool").encode_one(stamp, values)


def said(text: str, log: int) -> Message:
    return "/instruction", STRING, log, encode_string(text)


def frames(folder: Path, messages: list[Message], **options) -> list[AlignedFrame]:
    with BagWriter(folder / f"bag_{len(list(folder.iterdir()))}") as bag:
        for message in messages:
            bag.write(*message)
    return list(aligned_frames(bag.directory, CONTRACT, **options))


def last_force(frame: AlignedFrame) -> float:
    return float(frame.observation.values["wrench"][-1, 0])


def second(seconds: float) -> int:
    return round(seconds * NS)


def steady(begin: float, end: float) -> list[Message]:
    """Wrenches at 100 Hz whose force is their time, and a depth image each 0.1 s."""
    times = np.arange(round(begin * 100), round(end * 100) + 1) / 100
    rows = [wrench(second(t), t) for t in times]
    rows += [depth(second(t)) for t in times[::10]]
    return sorted(rows, key=lambda row: row[2])


def test_a_frame_knows_what_was_stamped_until_then_though_it_was_recorded_later(tmp_path):
    seen = frames(
        tmp_path,
        [
            wrench(second(9.9), 1.0),
            depth(second(10)),
            wrench(second(9.99), 2.0, log=second(10.3)),
            wrench(second(10.01), 3.0, log=second(10.31)),
        ],
    )
    assert [f.t_ns for f in seen] == [second(10)]
    assert last_force(seen[0]) == 2.0


def step(stamp: int, wrench_offset_ns: int) -> Message:
    """A live step that used one wrench and the depth image of its time."""
    used = {"used/wrench": f"{wrench_offset_ns}:0", "used/scene_depth": "0:0"}
    payload = encode_diagnostics(stamp, [Status("policy", 0, "", used)])
    return "/policy/step", DIAGNOSTICS, stamp + NS // 20, payload


def test_a_frame_says_whether_it_is_what_a_live_step_saw(tmp_path):
    steps = [step(second(10.5), -20_000_000), step(second(10.6), -15_000_000)]
    seen = frames(tmp_path, sorted([*steady(10, 11), *steps], key=lambda row: row[2]))
    told = {round(f.t_ns / NS, 1): (f.as_live, last_force(f)) for f in seen}
    assert told[10.5] == (True, pytest.approx(10.48))
    assert told[10.6] == (False, pytest.approx(10.6))
    assert told[10.7] == (None, pytest.approx(10.7))


def test_what_comes_after_the_slack_is_too_late_for_its_frame(tmp_path):
    rows = [wrench(second(9.9), 1.0), depth(second(10)), said("x", second(10.6))]
    late = wrench(second(9.99), 2.0, log=second(10.6))
    assert last_force(frames(tmp_path, [*rows, late])[0]) == 1.0
    assert last_force(frames(tmp_path, [*rows, late], slack_s=1.0)[0]) == 2.0


def test_frames_of_a_span_equal_those_of_the_whole_bag(tmp_path):
    rows = steady(10, 18)
    whole = [f for f in frames(tmp_path, rows) if second(13) <= f.t_ns <= second(14)]
    part = frames(tmp_path, rows, span=Span(second(13), second(14)))
    assert [f.t_ns for f in part] == [f.t_ns for f in whole]
    assert len(part) == 11
    for a, b in zip(part, whole, strict=True):
        assert a.observation.digest() == b.observation.digest()


def test_a_clock_that_jumps_back_begins_anew_and_loses_no_frame(tmp_path):
    later = [(t, n, log + second(4), p) for t, n, log, p in steady(10, 12)]
    both = frames(tmp_path, [*steady(11, 13), *later])
    assert [f.t_ns for f in both] == [second(11 + i / 10) for i in range(21)] + [
        second(10 + i / 10) for i in range(21)
    ]
    assert [last_force(f) for f in both] == pytest.approx([f.t_ns / NS for f in both])


def test_stamps_of_another_clock_than_the_time_of_recording_align_all_the_same(tmp_path):
    shift = second(1_700_000_000)
    rows = steady(10, 12)
    live = [(topic, kind, log + shift, p) for topic, kind, log, p in rows]
    live.insert(50, said("go", live[50][2]))
    seen = frames(tmp_path, live)
    plain = frames(tmp_path, rows)
    assert [f.observation.digest() for f in seen] == [f.observation.digest() for f in plain]
    assert {f.instruction for f in seen} == {"", "go"}


def test_the_instruction_in_force_and_what_the_tool_felt_since(tmp_path):
    quiet = [row for row in steady(10, 12) if not second(10.5) < row[2] < second(10.59)]
    press = [wrench(second(10.5) + i * NS // 100, 0.0, push=-9.0) for i in range(1, 9)]
    words = [said("first", second(10.05)), said("second", second(11.05))]
    seen = frames(tmp_path, sorted([*quiet, *press, *words], key=lambda row: row[2]))
    told = [f.instruction for f in seen]
    assert told == [""] + ["first"] * 10 + ["second"] * 10
    assert seen[10].memory.peak_press_n > 1.0
    assert seen[20].memory.peak_press_n == 0.0
    assert seen[0].memory is not seen[1].memory


def test_larger_images_are_brought_to_the_contracts_size(tmp_path):
    (frame,) = frames(tmp_path, [depth(second(10), size=(480, 640))])
    assert frame.observation.values["scene_depth"].shape == (96, 128)


def test_a_bag_without_any_sense_is_refused_with_what_is_sensed(tmp_path):
    with pytest.raises(BagError, match=r"no topic of the contract; it senses: camera/scene"):
        frames(tmp_path, [said("go", second(10))])


def peak_bytes(bag: Path) -> int:
    tracemalloc.start()
    for _ in aligned_frames(bag, CONTRACT):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("topics", "lengths_s"), [((DEPTH, "/wrench"), (30, 120)),
                                                   (("/wrench",), (120, 480))])  # fmt: skip
def test_memory_does_not_grow_with_the_bag(tmp_path, topics, lengths_s):
    peaks = []
    for seconds in lengths_s:
        kept = [row for row in steady(10, 10 + seconds) if row[0] in topics]
        with BagWriter(tmp_path / f"bag_{seconds}") as bag:
            for row in kept:
                bag.write(*row)
        peaks.append(peak_bytes(bag.directory))
    assert peaks[1] < 1.5 * peaks[0]


def test_senses_without_frames_give_none_and_no_error(tmp_path):
    assert frames(tmp_path, [wrench(second(10), 1.0)]) == []
