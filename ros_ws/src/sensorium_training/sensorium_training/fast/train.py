"""Imitation training of the fast head: seeded, in steps, resumable to the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from sensorium_core.errors import LoaderError
from torch import Tensor

from sensorium_training.fast.network import FastNet, FastNetConfig
from sensorium_training.fast.runs import Batch, Run, Sampler, batch_of
from sensorium_training.weights import put

Progress = Callable[[int, int, float], None]

UNIT_M = 1e-5
"""What an error is measured in; beyond it, it counts linearly (Huber)."""


@dataclass(frozen=True)
class FastTrainConfig:
    """How to train."""

    steps: int = 800
    batch: int = 24
    longest: int = 160
    """Ticks of a contact that are learned from, from its first on."""
    learning_rate: float = 4e-3
    noise_n: float = 0.15
    """Largest standard deviation of noise added to forces; a twentieth of it [Nm] to torques."""
    checkpoint_steps: int = 100
    seed: int = 0
    net: FastNetConfig = field(default_factory=FastNetConfig)


class FastTrainer:
    """One training run in a directory; `run` continues where a checkpoint left off."""

    def __init__(self, runs: Sequence[Run], directory: Path, config: FastTrainConfig) -> None:
        torch.manual_seed(config.seed)
        self.config, self.directory = config, directory
        directory.mkdir(parents=True, exist_ok=True)
        self.net = FastNet(config.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), config.learning_rate)
        self.step = 0
        self._resume()
        self._draw = Sampler(runs, config.batch, config.longest, config.seed)

    def begin_with(self, weights: Path) -> None:
        """Start from other weights, unless this run has begun."""
        if self.step == 0:
            put(self.net, load_file(weights), weights)

    def run(self, progress: Progress) -> Path:
        """Train to the last step; returns the weights' file."""
        while self.step < self.config.steps:
            loss = self._one_step()
            if self.step % self.config.checkpoint_steps == 0 or self.step == self.config.steps:
                self._checkpoint()
            progress(self.step, self.config.steps, loss)
        return self.directory / "weights.safetensors"

    def _one_step(self) -> float:
        share = self.step / self.config.steps
        for group in self.optimizer.param_groups:
            rate = self.config.learning_rate * min(1.0, (self.step + 1) / 50)
            group["lr"] = rate * (0.02 + 0.49 * (1 + math.cos(math.pi * share)))
        batch = self._draw(self.step)
        noise = np.random.default_rng((self.config.seed, 1, self.step))
        wrench = batch.wrench + self._noise(batch.wrench, noise)
        loss = imitation_loss(self.net.unroll(wrench, batch.intent, batch.last), batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss.detach())

    def _noise(self, wrench: Tensor, rng: np.random.Generator) -> Tensor:
        shape = wrench.shape
        sigma = rng.uniform(0.0, self.config.noise_n, (shape[0], 1, 1, 1))
        scale = sigma * np.array([1.0] * 3 + [0.05] * 3)
        return torch.from_numpy((scale * rng.normal(size=shape)).astype(np.float32))

    def _checkpoint(self) -> None:
        state = {
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "config": _words(self.config),
        }
        partial = self.directory / "last.pt.part"
        torch.save(state, partial)
        partial.replace(self.directory / "last.pt")
        told = {"config": json.dumps(self.config.net.to_dict())}
        save_file(self.net.state_dict(), self.directory / "weights.safetensors", metadata=told)

    def _resume(self) -> None:
        path = self.directory / "last.pt"
        if not path.is_file():
            return
        state = torch.load(path, weights_only=True)
        if state["config"] != _words(self.config):
            allowed = f"{_words(self.config)}; name another run"
            raise LoaderError(f"{path} is of {state['config']}", allowed)
        put(self.net, state["net"], path)
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def imitation_loss(step: Tensor, batch: Batch) -> Tensor:
    """Mean Huber loss over the ticks that are there, in units of `UNIT_M`."""
    error = torch.nn.functional.smooth_l1_loss(
        step / UNIT_M, batch.label / UNIT_M, reduction="none"
    )
    return (error.sum(-1) * batch.there).sum() / batch.there.sum()


@torch.no_grad()
def errors_m(net: FastNet, runs: Sequence[Run], longest: int = 160) -> dict[str, float]:
    """Mean absolute error along z and sideways [m], and that of never correcting."""
    if not runs:
        return {}
    sums = np.zeros(4)
    count = 0.0
    for first in range(0, len(runs), 64):
        batch = batch_of(runs[first : first + 64], longest)
        step = net.unroll(batch.wrench, batch.intent, batch.last)
        there = batch.there.unsqueeze(-1)
        off, still = (step - batch.label).abs() * there, batch.label.abs() * there
        sums += [
            float(x.sum()) for x in (off[..., 2], off[..., :2], still[..., 2], still[..., :2])
        ]
        count += float(batch.there.sum())
    means = sums / np.array([count, 2 * count, count, 2 * count])
    names = ("down_m", "aside_m", "down_without_m", "aside_without_m")
    return dict(zip(names, means.tolist(), strict=True))


def load_fast_net(weights: Path) -> FastNet:
    """The network of a run, in evaluation mode."""
    with safe_open(weights, "pt") as file:
        net = FastNet(FastNetConfig(**json.loads(file.metadata()["config"])))
    put(net, load_file(weights), weights)
    return net.eval()


def _words(config: FastTrainConfig) -> str:
    return json.dumps(asdict(config), sort_keys=True)
