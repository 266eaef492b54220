"""What a policy remembers of a touch episode tells what the task asks: from the bag alone."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_core.felt import Grasp
from sensorium_core.memory import FeltMemory
from sensorium_recording.alignment import AlignedFrame, aligned_frames
from sensorium_recording.bag_reader import BagReader
from sensorium_sim.disturbance import DisturbanceConfig
from sensorium_sim.generate import EpisodeGenerator, GenerateConfig
from sensorium_sim.touch_json import any_scene_from_json
from sensorium_sim.touch_scene import TouchScene
from sensorium_sim.touch_truth import BANDS_N

FAMILIES = ("give", "feel", "hold", "insert")


@pytest.fixture(scope="module")
def bags(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("episodes")
    quiet = DisturbanceConfig(share=0.0, still_share=0.0)
    generator = EpisodeGenerator(GenerateConfig(families=FAMILIES, disturbance=quiet))
    made = [generator.make(directory, seed) for seed in (0, 1, 2, 6, 3)]
    generator.close()
    assert all(one.success for one in made)
    return {f"{one.family}_{one.seed}": one.path for one in made}


def told(path: Path) -> tuple[TouchScene, list[AlignedFrame]]:
    scene = any_scene_from_json(BagReader(path).metadata()["episode"]["scene"])
    assert isinstance(scene, TouchScene)
    return scene, list(aligned_frames(path, touch()))


def remembered(frame: AlignedFrame) -> FeltMemory:
    assert isinstance(frame.memory, FeltMemory)
    return frame.memory


def test_both_blocks_are_remembered_with_their_weights(bags: dict[str, Path]) -> None:
    scene, frames = told(bags["give_0"])
    weights = [9.81 * item.mass_kg for item in scene.objects]
    hand = remembered(frames[-1]).hand
    things = [hand.latest, hand.before]
    assert all(thing.weighed for thing in things)
    assert sorted(t.load_n for t in things) == pytest.approx(sorted(weights), abs=0.1)
    last = remembered(frames[-1]).vector()
    assert last[15] == 1.0, "the block is still held"


def test_soft_and_hard_sink_differently(bags: dict[str, Path]) -> None:
    scene, frames = told(bags["feel_1"])
    hand = remembered(frames[-1]).hand
    for thing in (hand.latest, hand.before):
        if thing.known:
            soft = (scene.trait(nearest(scene, thing)).give_m_per_n or 0.0) > 1.5e-4
            assert (thing.sink_m > 0.0017) == soft
    assert hand.latest.squeeze_n > 11.0


def nearest(scene: TouchScene, thing: Grasp) -> int:
    return int(np.argmin([np.hypot(o.x - thing.x, o.y - thing.y) for o in scene.objects]))


@pytest.mark.parametrize("name", ["hold_2", "hold_6"])
def test_that_a_button_was_held_is_remembered_after_it(bags: dict[str, Path], name: str) -> None:
    _, frames = told(bags[name])
    press = remembered(frames[-1]).press
    bands = [lo <= press.steadiest_low_n and press.steadiest_high_n <= hi for lo, hi in BANDS_N]
    assert sum(bands) == 1
    assert press.force_n < 0.5


def test_the_place_of_a_search_stays_while_it_lasts(bags: dict[str, Path]) -> None:
    scene, frames = told(bags["insert_3"])
    assert scene.block is not None
    places = [(m.press.x, m.press.y) for m in map(remembered, frames) if m.press.known]
    assert len(places) > 10
    changes = sum(a != b for a, b in pairwise(places))
    assert changes <= 2
