"""A sense that is alive but says nothing is believed as little of a bag as by the policy loop."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sensorium_core import image_cdr
from sensorium_core.cdr import NS, wrench_layout
from sensorium_core.content_watch import ContentConfig
from sensorium_core.contract import tabletop
from sensorium_recording.alignment import AlignedFrame, Span, aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.bag_writer import BagWriter
from sensorium_recording.loader import EpisodeDataset

CONTRACT = tabletop()
WRIST = "/camera/wrist/image_raw"
FROM_NS, UNTIL_NS = NS + 500_000_000, NS + 1_200_000_000
"""Of the time in which two senses repeat themselves; the bag begins at 1 s and lasts for 1 s."""
NEVER = ContentConfig(frozen_pictures=0, frozen_force_s=0.0)


@pytest.fixture
def bag(tmp_path: Path, record: Callable[..., Path]) -> Path:
    """All senses, of which wrist camera and wrench repeat one reading for a while."""
    source = BagReader(record(tmp_path / "lively", seconds=1.0))
    force = np.array([1.0, 2.0, 3.0, 0.0, 0.0, 0.0])
    picture = np.random.default_rng(9).integers(0, 255, (96, 128, 3))
    with BagWriter(tmp_path / "bags" / "frozen") as frozen:
        for message in source.messages():
            payload, stamp = message.payload, message.log_time_ns
            if FROM_NS <= stamp < UNTIL_NS and message.topic == WRIST:
                payload = image_cdr.encode_image(stamp, "f", picture, "rgb8")
            elif FROM_NS <= stamp < UNTIL_NS and message.topic == "/wrench":
                payload = wrench_layout("tool").encode_one(stamp, force)
            frozen.write(message.topic, message.type_name, stamp, payload)
    return frozen.directory


def told(frames: list[AlignedFrame], name: str) -> list[int]:
    """Hundredths of a second into the bag of the frames in which a modality is not valid."""
    return [(f.t_ns - NS) // 10_000_000 for f in frames if not f.observation.valid[name]]


def test_what_repeats_itself_is_not_believed_while_it_does(bag: Path) -> None:
    frames = list(aligned_frames(bag, CONTRACT))
    assert len(frames) == 11
    assert told(frames, "wrist_rgb") == [70, 80, 90, 100], "from the third equal picture on"
    assert told(frames, "wrench") == [70, 80, 90, 100], "after 0.2 s"
    assert told(frames, "scene_rgb") == told(frames, "joints") == []
    for frame in frames:
        doubted = {name for name in ("wrist_rgb", "wrench") if not frame.observation.valid[name]}
        assert set(frame.faults) == doubted
        assert all(not frame.observation.values[name].any() for name in doubted)


def test_it_is_believed_where_that_is_asked_for(bag: Path) -> None:
    frames = list(aligned_frames(bag, CONTRACT, content=NEVER))
    assert told(frames, "wrist_rgb") == told(frames, "wrench") == []
    assert all(not frame.faults for frame in frames)


def test_a_part_of_the_bag_knows_what_froze_before_it(bag: Path) -> None:
    span = Span(NS + 900_000_000, NS + 1_000_000_000)
    part = list(aligned_frames(bag, CONTRACT, span=span))
    whole = [f for f in aligned_frames(bag, CONTRACT) if span.start_ns <= f.t_ns <= span.end_ns]
    assert [f.observation.digest() for f in part] == [f.observation.digest() for f in whole]
    assert told(part, "wrist_rgb") == [90, 100]


def flags_of(data: EpisodeDataset) -> dict[str, np.ndarray]:
    """By sense, its flag in every row."""
    valid = data.batch(np.arange(len(data)))["valid"]
    return dict(zip(CONTRACT.senses, valid.T, strict=True))


def test_rows_say_so_and_the_data_set_tells_it_of_the_bag(bag: Path) -> None:
    data = EpisodeDataset(bag.parent, CONTRACT, "all")
    rows = data.batch(np.arange(len(data)))
    frozen = rows["t_ns"] >= NS + 700_000_000
    flags = flags_of(data)
    for sense in ("wrist_rgb", "wrench"):
        np.testing.assert_array_equal(flags[sense], ~frozen)
    for sense in ("scene_rgb", "pads", "joints"):
        assert flags[sense].all()
    assert not rows["wrench"][frozen].any()
    note = data.notes["frozen"]
    assert "wrist_rgb (camera/wrist/image_raw) repeats one picture with new stamps" in note
    assert f"not believed in {int(frozen.sum())} of {len(data)} frames" in note
    trusting = EpisodeDataset(bag.parent, CONTRACT, "all", content=NEVER)
    flags = flags_of(trusting)
    assert flags["wrist_rgb"].all()
    assert flags["wrench"].all()
    assert trusting.notes == {}
