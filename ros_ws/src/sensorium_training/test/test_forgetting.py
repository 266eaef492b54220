"""What memories lack of a dead sense: as they lack it live, and in the rows of training."""

import numpy as np
import pytest
import torch
from sensorium_core.contract import touch
from sensorium_core.inputs import PRESS_SCALE_N, press_force_n
from sensorium_core.kinematics import Kinematics
from sensorium_core.memory import PERIOD_NS, FeltMemory
from sensorium_core.observation import Observation
from sensorium_description import load_urdf
from sensorium_training.batches import SENSES, Augmentation, Batches
from sensorium_training.corruption.corruptor import Corruptor
from sensorium_training.corruption.sampling import corrupt_some
from sensorium_training.export import example_inputs
from sensorium_training.forgetting import TELLING, forget
from torch import Tensor

ARM = Kinematics(load_urdf())
WINDOW, LENGTH, SIZE = 32, 600, 400
MODALITIES = {"wrench": ("wrench",), "pads": ("touch_left", "touch_right"), "joints": ("joints",)}
TOLD = {"wrench": {*range(4, 15), 20, 21, 28, 29}, "pads": {*range(15, 32)}}


def lived(dead: str = "") -> np.ndarray:
    """What is remembered after a press, two grasps and a weighing, a sense dead from the start."""
    joints, wrench, pads = np.zeros((LENGTH, 14)), np.zeros((LENGTH, 6)), np.zeros((2, LENGTH, 3))
    start = np.array([0.0, -1.2, 1.8, -2.2, -1.57, 0.0])
    for first, place in ((0, (0.5, 0.0, 0.02)), (260, (0.4, 0.1, 0.02)), (420, (0.4, 0.1, 0.08))):
        joints[first:, :6] = ARM.ik(start, np.array([*place, 0.0]))
    joints[:, 6] = 0.02
    wrench[50:200, 2] = -5.0
    wrench[380:, 2] += 2.0
    for first, last in ((210, 250), (300, LENGTH)):
        pads[0, first:last, 1], pads[1, first:last, 1] = 12.0, -12.0
    memory = FeltMemory(ARM)
    for at in range(WINDOW - 1, LENGTH, 10):
        rows = slice(at + 1 - WINDOW, at + 1)
        values = {"joints": joints[rows], "wrench": wrench[rows], "touch_left": pads[0, rows],
                  "touch_right": pads[1, rows]}  # fmt: skip
        flags = {name: name not in MODALITIES.get(dead, ()) for name in values}
        memory.feel(Observation(at * PERIOD_NS, values, flags, {}, {}))
    return memory.vector()


@pytest.mark.parametrize("sense", MODALITIES)
def test_what_is_wiped_is_what_a_live_memory_lacks_when_the_sense_is_dead_from_the_start(
    sense: str,
) -> None:
    healthy, dead = torch.from_numpy(lived())[None].repeat(2, 1), torch.from_numpy(lived(sense))
    before = healthy[1].clone()
    assert int((before != dead).sum()) >= 3
    forget(healthy, sense, torch.tensor([True, False]))
    assert torch.equal(healthy[0], dead)
    assert torch.equal(healthy[1], before)


@pytest.mark.parametrize("sense", SENSES)
def test_a_memory_of_version_1_loses_its_press_with_the_wrench_and_its_place_with_the_cloud(
    sense: str,
) -> None:
    memory = torch.ones(2, 5)
    forget(memory, sense, torch.tensor([True, True]))
    kept = {"wrench": [1, 1, 1, 1, 0], "cloud": [0, 0, 0, 1, 1]}.get(sense, [1] * 5)
    assert memory.tolist() == [kept, kept]
    assert (sense in TELLING) or kept == [1] * 5


class Rows:
    """Rows that remember all there is to remember."""

    def __init__(self) -> None:
        example = {name: value.numpy()[0] for name, value in example_inputs(touch()).items()}
        self._row = {**example, "tool": example["reference"], "valid": np.ones(6, np.float32)}
        self._row |= {"memory": np.ones((6, 32), np.float32), "goal": np.zeros((6, 7), np.int8)}
        for name, shape in (("target", 4), ("flags", 2), ("heading", 3), ("intent", 2)):
            self._row[name] = np.zeros((6, shape), np.float32)
        self._row["chunk"] = np.zeros((6, 8, 5), np.float32)
        self._row["things"] = np.zeros((11, 4), np.float32)
        self._row["classes"] = np.zeros((11, 2), np.int8)

    def __len__(self) -> int:
        return SIZE

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: np.repeat(value[None], len(indices), 0) for name, value in self._row.items()}

    def field(self, name: str, indices: np.ndarray) -> np.ndarray:
        return self.batch(indices)[name]


def wiped(memory: Tensor, sense: str) -> Tensor:
    """Which rows lack all that a sense tells; none lacks a part of it."""
    told = memory[:, sorted(TOLD[sense])] == 0
    assert torch.equal(told.all(1), told.any(1))
    return told.all(1)


@pytest.mark.parametrize("sense", TOLD)
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_rows_in_which_a_sense_is_dropped_forget_it_in_the_share_told_and_others_never(
    sense: str, share: float
) -> None:
    augment = Augmentation(drop=((sense, 0.5),), forget=share)
    inputs, _ = Batches(Rows(), 0).draw(SIZE, augment)
    dead = inputs["valid"][:, SENSES.index(sense)] < 0.5
    gone = wiped(inputs["memory"], sense)
    assert 150 < int(dead.sum()) < 250
    assert not bool((gone & ~dead).any())
    assert float(gone[dead].float().mean()) == pytest.approx(share, abs=0.12 * (share == 0.5))
    others = sorted(set(range(4, 32)) - TOLD[sense])
    assert bool((inputs["memory"][:, others] == 1).all())


class Only(Corruptor):
    """Corrupts one sense in one way."""

    def __init__(self, sense: str, kind: str) -> None:
        super().__init__(touch())
        self.of_rows = ((sense, kind),)


def corrupted(sense: str, kind: str, forgetful: float, seed: int = 0) -> dict[str, Tensor]:
    inputs, _ = Batches(Rows(), 0).draw(SIZE, None)
    rng = torch.Generator().manual_seed(seed)
    return corrupt_some(inputs, 1.0, Only(sense, kind), rng, forgetful)


@pytest.mark.parametrize("sense", TOLD)
@pytest.mark.parametrize("kind", ["dropped", "frozen", "noisy", "saturated"])
def test_corrupted_rows_whose_sense_is_gone_for_good_forget_it(sense: str, kind: str) -> None:
    usual = corrupted(sense, kind, 0.5)
    dead = usual["valid"][:, SENSES.index(sense)] < 0.5
    assert bool(dead.any())
    assert not bool((wiped(usual["memory"], sense) & ~dead).any())
    never, always = (corrupted(sense, kind, share)["memory"] for share in (0.0, 1.0))
    assert not bool(wiped(never, sense).any())
    gone = wiped(always, sense)
    assert bool((gone <= dead).all())
    if kind == "dropped":
        assert 0.05 < float(gone.float().mean()) < 0.15 < float(dead.float().mean())
    else:
        assert torch.equal(gone, dead)
    assert 0.35 < float(wiped(usual["memory"], sense)[gone].float().mean()) < 0.65
    assert torch.equal(always[:, :4], never[:, :4])


@pytest.mark.parametrize("kind", ["noisy", "biased"])
def test_a_memory_has_felt_the_press_of_a_spoilt_window(kind: str) -> None:
    spoilt = corrupted("wrench", kind, 0.0)
    felt = np.array([press_force_n(window) for window in spoilt["wrench"].numpy()])
    there = spoilt["valid"][:, SENSES.index("wrench")].numpy() > 0.5
    expected = np.where(there, np.clip(felt / PRESS_SCALE_N, 1.0, 1.5), 1.0)
    np.testing.assert_allclose(spoilt["memory"][:, 4], expected, rtol=1e-5)


def test_the_batch_that_was_drawn_keeps_its_memory() -> None:
    inputs, _ = Batches(Rows(), 0).draw(SIZE, None)
    rng = torch.Generator().manual_seed(0)
    corrupt_some(inputs, 1.0, Only("wrench", "frozen"), rng, 1.0)
    assert bool((inputs["memory"] == 1).all())
