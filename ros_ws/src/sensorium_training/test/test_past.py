"""Earlier rows in training: a late picture is one of the same episode, of then."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_training.batches import SENSES, Augmentation, Batches
from sensorium_training.corruption.amounts import KINDS
from sensorium_training.corruption.corruptor import Corruptor
from sensorium_training.corruption.sampling import corrupt_some
from sensorium_training.past import earlier_rows
from sensorium_training.train import Trainer

from .test_train import Random, config

LENGTH = 8
"""Rows of an episode, 0.1 s apart."""


class Told(Random):
    """Rows whose pictures, clouds and joints tell which row they are."""

    def __init__(self) -> None:
        super().__init__()
        number = np.arange(len(self))
        self._arrays["wrist_rgb"][:] = number[:, None, None, None].astype(np.uint8)
        self._arrays["scene_rgb"][:] = 100 + number[:, None, None, None].astype(np.uint8)
        self._arrays["joints"][:] = number[:, None]


class Only(Corruptor):
    """Corrupts one sense in one way."""

    def __init__(self, sense: str, kind: str) -> None:
        super().__init__(tabletop())
        self.of_rows = self.of_steps = ((sense, kind),)


def drawn(rows: Random, seed: int = 0, augment: Augmentation | None = None):  # type: ignore[no-untyped-def]
    batches = Batches(rows, seed)
    return batches, batches.draw(32, augment)[0]


@pytest.mark.parametrize(
    ("row", "seconds", "then"),
    [(13, 0.0, 13), (13, 0.1, 12), (13, 0.14, 11), (13, 0.3, 10), (13, 0.5, 8), (13, 9.0, 8),
     (8, 0.5, 8), (0, 0.5, 0), (7, 0.7, 0)],
)  # fmt: skip
def test_the_earlier_row_is_of_the_same_episode_and_at_least_so_long_ago(
    row: int, seconds: float, then: int
) -> None:
    found = earlier_rows(Told(), np.array([row]), np.array([seconds], dtype=np.float32))
    assert found.tolist() == [then]


def test_where_rows_are_missing_the_earlier_row_is_the_newest_that_is_old_enough() -> None:
    rows = Told()
    rows._arrays["t_ns"][9:12] -= 50_000_000
    for seconds, then in ((0.2, 11), (0.3, 10), (0.24, 11), (0.26, 10)):
        assert earlier_rows(rows, np.array([13]), np.array([seconds])).tolist() == [then]


@pytest.mark.parametrize("sense", ["wrist_rgb", "scene_rgb", "joints"])
def test_late_senses_of_a_batch_are_those_of_then(sense: str) -> None:
    batches, inputs = drawn(Told())
    rng = torch.Generator().manual_seed(3)
    late = corrupt_some(inputs, 1.0, Only(sense, "late"), rng, 0.5, batches.earlier)
    here, then = (one[sense].flatten(1)[:, 0].float() % 100 for one in (inputs, late))
    alive = late["valid"][:, SENSES.index(sense)] > 0.5
    behind = here - then
    assert int(alive.sum()) > 20
    assert bool(((behind >= 0) & (behind <= 5) & (here // LENGTH == then // LENGTH))[alive].all())
    assert len(set(behind[alive].tolist())) > 3
    others = [name for name in inputs if name not in (sense, "valid", "cloud", "memory")]
    assert all(torch.equal(inputs[name], late[name]) for name in others)


def test_an_earlier_cloud_is_augmented_like_the_batch_and_grey_without_its_picture() -> None:
    plain = Told()
    batches, inputs = drawn(plain, augment=Augmentation(drop=(("scene_rgb", 0.5),)))
    rows = torch.arange(32)
    then = batches.earlier(rows, torch.full((32,), 0.2))["cloud"]
    before = earlier_rows(plain, batches._last, np.full(32, 0.2))
    exact = torch.from_numpy(plain.batch(before)["cloud"])
    off = (then[..., :3] - exact[..., :3]).std()
    assert 0.0005 < float(off) < 0.002
    blind = inputs["valid"][:, 0] < 0.5
    assert 5 < int(blind.sum()) < 27
    assert bool((then[blind][..., 3:6] == 0.5).all())
    assert not bool((then[~blind][..., 3:6] == 0.5).all((1, 2)).any())


def test_a_sense_that_was_not_there_then_is_not_there_late() -> None:
    rows = Told()
    rows._arrays["valid"][:: LENGTH // 2, SENSES.index("wrist_rgb")] = 0.0
    batches, inputs = drawn(rows)
    rng = torch.Generator().manual_seed(0)
    late = corrupt_some(inputs, 1.0, Only("wrist_rgb", "late"), rng, 0.5, batches.earlier)
    place = SENSES.index("wrist_rgb")
    told = late["wrist_rgb"].flatten(1)[:, 0]
    alive = late["valid"][:, place] > 0.5
    assert not bool((told[alive] % (LENGTH // 2) == 0).any())
    lost = (inputs["valid"][:, place] > 0.5) & ~alive
    assert int(lost.sum()) > 0
    assert bool((late["wrist_rgb"][lost] == 0).all())


def test_training_makes_every_sense_late_stale_and_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = set()
    apply = Corruptor.apply

    def watched(self, inputs, sense, kind, level, rng, earlier=None):  # type: ignore[no-untyped-def]
        seen.add((sense, kind))
        return apply(self, inputs, sense, kind, level, rng, earlier)

    monkeypatch.setattr(Corruptor, "apply", watched)
    trainer = Trainer([Told()], [], tmp_path, replace(config(1.0), corrupt=0.5, batch=2))
    for _ in range(400):
        if len(seen) == len(SENSES) * len(KINDS):
            break
        trainer._one_step(0.0)
    assert seen == {(sense, kind) for sense in SENSES for kind in KINDS}
