"""A training run: it learns, and it goes on where it was cut off."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_training.labels import LABELS
from sensorium_training.train import TrainConfig, Trainer, load_network

ROWS = 64


class Random:
    """Rows of random numbers, as the loader would give them."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        contract = tabletop()
        fields = {m.name: (m.shape, m.dtype) for m in contract.modalities}
        fields |= {"cloud": ((512, 7), "float32"), "tool": ((5,), "float32"), **LABELS}
        self._arrays = {}
        for name, (shape, dtype) in fields.items():
            values = rng.random((ROWS, *shape)) * (255 if dtype == "uint8" else 0.3)
            self._arrays[name] = values.astype(dtype)
        self._arrays["cloud"][..., 6] = 1.0
        self._arrays["valid"] = np.ones((ROWS, 6), dtype=np.float32)
        self._arrays["flags"][..., 0] = rng.integers(0, 2, (ROWS, 6))

    def __len__(self) -> int:
        return ROWS

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[indices] for name, array in self._arrays.items()}


@pytest.fixture
def rows() -> Random:
    return Random()


def config(minutes: float) -> TrainConfig:
    return TrainConfig(
        minutes=minutes, batch=8, threads=1, checkpoint_s=9.0, validation_batches=1, device="cpu"
    )


def test_a_run_that_was_cut_off_goes_on_from_its_checkpoint(rows: Random, tmp_path: Path) -> None:
    first = Trainer([rows], [rows], tmp_path / "run", config(0.03))
    first.run(lambda done, total, terms: None)
    again = Trainer([rows], [rows], tmp_path / "run", config(0.06))
    assert again.step == first.step > 3
    assert again.spent_s == first.spent_s
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    weights = again.run(lambda done, total, terms: None)
    assert again.step > first.step
    load_network(weights)


def test_the_same_seed_draws_the_same_batches(rows: Random, tmp_path: Path) -> None:
    runs = [Trainer([rows], [rows], tmp_path / name, config(0.01)) for name in ("a", "b")]
    losses = [[run._one_step(0.0)["chunk"] for _ in range(2)] for run in runs]
    assert losses[0] == losses[1]
