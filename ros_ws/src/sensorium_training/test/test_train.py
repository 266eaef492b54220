"""A training run: it learns, and it goes on where it was cut off."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_training.cache import FIELDS, CacheWriter
from sensorium_training.train import TrainConfig, Trainer, load_network

ROWS = 64


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    rows = {}
    for name, (shape, dtype) in FIELDS.items():
        values = rng.random((ROWS, *shape)) * (255 if dtype == "uint8" else 0.3)
        rows[name] = values.astype(dtype)
    rows["cloud"][..., 6] = 1.0
    rows["valid"][:] = 1.0
    rows["flags"][..., 0] = rng.integers(0, 2, (ROWS, 6))
    rows["episode"] = np.arange(ROWS, dtype=np.int32) // 4
    writer = CacheWriter(tmp_path / "cache")
    writer.append(rows)
    writer.close(data_hash="none")
    return tmp_path / "cache"


def config(minutes: float) -> TrainConfig:
    return TrainConfig(
        minutes=minutes, batch=8, threads=1, checkpoint_s=9.0, validation_batches=1, device="cpu"
    )


def test_a_run_that_was_cut_off_goes_on_from_its_checkpoint(cache: Path, tmp_path: Path) -> None:
    first = Trainer([cache], tmp_path / "run", config(0.03))
    first.run(lambda done, total, terms: None)
    again = Trainer([cache], tmp_path / "run", config(0.06))
    assert again.step == first.step > 3
    assert again.spent_s == first.spent_s
    for name, value in first.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    weights = again.run(lambda done, total, terms: None)
    assert again.step > first.step
    load_network(weights)


def test_the_same_seed_draws_the_same_batches(cache: Path, tmp_path: Path) -> None:
    runs = [Trainer([cache], tmp_path / name, config(0.01)) for name in ("a", "b")]
    losses = [[run._one_step(0.0)["chunk"] for _ in range(2)] for run in runs]
    assert losses[0] == losses[1]
