"""A training run: it learns, and it goes on where it was cut off."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_core.errors import LoaderError
from sensorium_training.curriculum import BlurCurriculum
from sensorium_training.encoders import NetConfig
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
        self._arrays["t_ns"] = 100_000_000 * np.arange(ROWS)
        self._arrays["flags"][..., 0] = rng.integers(0, 2, (ROWS, 6))

    def __len__(self) -> int:
        return ROWS

    def batch(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array[indices] for name, array in self._arrays.items()}

    def field(self, name: str, indices: np.ndarray) -> np.ndarray:
        return self._arrays[name][indices]

    def episode_of(self, indices: np.ndarray) -> np.ndarray:
        return indices // 8


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


def test_weights_say_which_network_they_are_of_and_a_run_goes_on_with_that_one_only(
    rows: Random, tmp_path: Path
) -> None:
    chosen = replace(config(0.0001), net=NetConfig(fusion="contact_gate", shift_limit=0.5))
    weights = Trainer([rows], [], tmp_path / "run", chosen).run(lambda *told: None)
    net = load_network(weights)
    assert net.config == chosen.net
    assert net.mix.limit == 0.5
    with pytest.raises(LoaderError, match=r"contact_gate.*weighted.*another run"):
        Trainer([rows], [], tmp_path / "run", config(0.0001))


def test_blur_and_corruption_are_off_unless_asked_for_and_change_what_is_trained_on(
    rows: Random, tmp_path: Path
) -> None:
    plain = config(0.01)
    assert (plain.blur, plain.corrupt) == (BlurCurriculum(), 0.0)
    told = {
        "plain": plain,
        "blurred": replace(plain, blur=BlurCurriculum(8.0, 0.5)),
        "corrupted": replace(plain, corrupt=1.0),
    }
    runs = {name: Trainer([rows], [], tmp_path / name, one) for name, one in told.items()}
    first = {name: run._one_step(0.0)["chunk"] for name, run in runs.items()}
    assert len(set(first.values())) == 3
    sharp = Trainer([rows], [], tmp_path / "sharp", told["blurred"])
    assert sharp._one_step(0.5)["chunk"] == first["plain"]
