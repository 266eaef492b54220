"""Rows in which an expert feels its way are drawn more often, for the goal that it feels for."""

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_training.batches import Augmentation, Batches
from sensorium_training.recipe import Recipe
from sensorium_training.stages import network
from sensorium_training.touch_labels import TOUCH_LABELS
from sensorium_training.train import TrainConfig, Trainer

ROWS, FELT = 400, 60
"""The first rows are felt ones."""


class Rows:
    """Rows whose force downwards tells their number, and whose intent tells the goal."""

    def __init__(self, felt: int = FELT) -> None:
        fields = {m.name: (m.shape, m.dtype) for m in touch().modalities}
        fields |= {"cloud": ((512, 7), "float32"), "tool": ((5,), "float32"), **TOUCH_LABELS}
        self.arrays = {
            name: np.zeros((ROWS, *shape), dtype) for name, (shape, dtype) in fields.items()
        }
        self.arrays["valid"] = np.ones((ROWS, 6), dtype=np.float32)
        self.arrays["wrench"][:, :, 2] = np.arange(ROWS)[:, None]
        self.arrays["intent"][:felt, 0] = [8.0, 1.0]
        self.read: list[str] = []

    def __len__(self) -> int:
        return ROWS

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[indices] for name, array in self.arrays.items()}

    def field(self, name: str, indices: np.ndarray) -> np.ndarray:
        self.read.append(name)
        return self.arrays[name][indices]


def drawn(batches: Batches, times: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of rows, and whether the goal is the own one, of many batches."""
    rows, own = [], []
    for _ in range(times):
        inputs, labels = batches.draw(100, None)
        assert labels.intent is not None
        rows.append(inputs["wrench"][:, -1, 2].numpy())
        own.append(labels.intent[:, 0].numpy() > 0)
    return np.concatenate(rows), np.concatenate(own)


@pytest.mark.parametrize("share", [0.3, 0.5])
def test_felt_rows_are_drawn_as_often_as_asked_and_for_their_own_goal(share: float) -> None:
    rows, own = drawn(Batches(Rows(), 0, felt=share))
    felt = rows < FELT
    expected = share + (1 - share) * FELT / ROWS
    assert felt.mean() == pytest.approx(expected, abs=0.03)
    by_chance = (1 - share) * FELT / ROWS * 0.3
    meant = (share * (0.85 + 0.15 * 0.3) + by_chance) / expected
    assert own[felt].mean() == pytest.approx(meant, abs=0.03)
    assert len(np.unique(rows[felt])) == FELT
    assert len(np.unique(rows[~felt])) > 0.95 * (ROWS - FELT)


def test_without_a_share_or_felt_rows_all_are_alike() -> None:
    for batches in (Batches(Rows(), 0), Batches(Rows(felt=0), 0, felt=0.3)):
        rows, _ = drawn(batches)
        assert (rows < FELT).mean() == pytest.approx(FELT / ROWS, abs=0.02)


def test_few_felt_rows_do_not_fill_a_batch() -> None:
    rows, _ = drawn(Batches(Rows(felt=2), 0, felt=0.5))
    assert 0.01 < (rows < 2).mean() < 0.04


def test_rows_and_goals_stay_together() -> None:
    inputs, labels = Batches(Rows(), 3, felt=0.5).draw(200, None)
    assert labels.intent is not None
    felt = inputs["wrench"][:, -1, 2].numpy() < FELT
    assert not (labels.intent[:, 0].numpy() > 0)[~felt].any()
    assert (np.diff(inputs["wrench"][:, -1, 2].numpy()) >= 0).all(), "read in order"


def test_training_draws_them_more_often_and_validation_does_not(tmp_path) -> None:
    rows, watch = Rows(), Rows()
    config = TrainConfig(
        batch=8, threads=1, device="cpu", net=network(Recipe("touch")),
        augmentation=Augmentation(),
    )  # fmt: skip
    trainer = Trainer([rows], [watch], tmp_path, config)
    assert rows.read == ["intent"]
    assert watch.read == []
    assert np.isfinite(list(trainer._one_step(0.0).values())).all()
