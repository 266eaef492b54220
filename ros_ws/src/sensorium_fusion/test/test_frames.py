"""A frame is complete when colour and depth of one exposure are there, in either order."""

from sensorium_core.contract import tabletop
from sensorium_fusion.frames import FramePair, Frames

MS = 1_000_000


def test_depth_after_its_colour_completes_the_frame():
    pair = FramePair(0.25)
    assert pair.colour(33 * MS) is None
    assert pair.depth(33 * MS) == 33 * MS


def test_colour_after_its_depth_completes_the_frame():
    pair = FramePair(0.25)
    pair.colour(0)
    assert pair.depth(33 * MS) is None
    assert pair.colour(33 * MS) == 33 * MS


def test_a_new_colour_does_not_pair_with_the_previous_depth():
    pair = FramePair(0.25)
    pair.colour(0)
    assert pair.depth(0) == 0
    assert pair.colour(33 * MS) is None


def test_a_frame_is_complete_once():
    pair = FramePair(0.25)
    pair.colour(0)
    assert pair.depth(0) == 0
    assert pair.colour(1 * MS) is None


def test_depth_alone_is_a_frame_when_colour_is_dead():
    pair = FramePair(0.25)
    assert pair.depth(0) == 0
    pair.colour(0)
    assert pair.depth(200 * MS) is None
    assert pair.depth(300 * MS) == 300 * MS


def test_the_frames_of_a_contract_are_those_of_its_depth_camera_alone():
    frames = Frames(tabletop())
    assert frames.depth.name == "scene_depth"
    assert frames.complete("wrist_rgb", 33 * MS) is None
    assert frames.complete("scene_rgb", 33 * MS) is None
    assert frames.complete("wrench", 33 * MS) is None
    assert frames.complete("scene_depth", 33 * MS) == 33 * MS
    frames.complete("scene_rgb", 66 * MS)
    frames.clear()
    assert frames.complete("scene_depth", 66 * MS) == 66 * MS, "no colour is known: depth alone"
    assert frames.complete("scene_rgb", 66 * MS) is None
