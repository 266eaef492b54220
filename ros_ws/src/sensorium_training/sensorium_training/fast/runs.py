"""Contacts as rows to learn from: unbroken runs of ticks with the gate open, of one scene each.

A file is one episode, named by its family and scene seed; no pickle. Splits are by scene seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sensorium_core.errors import CacheError, LoaderError
from torch import Tensor

from sensorium_training.scene_seeds import FAST_HEAD

Rows = NDArray[np.float32]

FAMILIES = ("insert", "hold")
"""Where force decides from tick to tick."""
_FIELDS = ("wrench", "intent", "last", "label")
_ROUND, _ASIDE = 10_000, 9_000
"""Seeds of a round; those from `_ASIDE` on are kept aside."""


def scene_seeds(round_: int, n: int, aside: bool = False) -> range:
    """Seeds of `n` scenes to learn from in a round, or of those kept `aside`; never held-out ones.

    Raises `LoaderError` where there are not so many.
    """
    room = _ROUND - _ASIDE if aside else _ASIDE
    rounds = len(FAST_HEAD) // _ROUND
    if not (0 <= n <= room and 0 <= round_ < rounds):
        allowed = f"rounds 0 to {rounds - 1} of at most {room}"
        raise LoaderError(f"round {round_} of {n} scenes", allowed)
    first = FAST_HEAD.start + _ROUND * round_ + (_ASIDE if aside else 0)
    return range(first, first + n)


@dataclass(frozen=True)
class Run:
    """One contact: `t` ticks, the gate open in all of them."""

    wrench: Rows
    """`(t, window, 6)`, tool frame [N, Nm]."""
    intent: Rows
    """`(t, 2)`."""
    last: Rows
    """`(t, 3)`: the correction executed before each tick [m]."""
    label: Rows
    """`(t, 3)`: what the teacher would do [m]."""

    def __len__(self) -> int:
        return len(self.label)


def save_runs(path: Path, runs: Sequence[Run]) -> None:
    """Write an episode's contacts at once, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = np.array([len(run) for run in runs], np.int64)
    wrench, intent, last, label = (
        np.concatenate([getattr(run, name) for run in runs]) if runs else np.zeros(0)
        for name in _FIELDS
    )
    partial = path.with_suffix(".part.npz")
    np.savez(partial, lengths=lengths, wrench=wrench, intent=intent, last=last, label=label)
    partial.replace(path)


def load_runs(path: Path) -> list[Run]:
    """Read what `save_runs` wrote. Raises `CacheError` on anything else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            ends = np.cumsum(file["lengths"])[:-1]
            parts = (
                [np.split(file[name], ends) for name in _FIELDS] if len(file["lengths"]) else []
            )
    except (OSError, ValueError, KeyError) as error:
        raise CacheError(path, f"cannot be read ({error})", "delete it; it is made anew") from None
    return [Run(*row) for row in zip(*parts, strict=True)] if parts else []


def load_split(directory: Path) -> list[Run]:
    """The contacts of every episode in a folder, in the order of its names."""
    return [run for path in sorted(directory.glob("*.npz")) for run in load_runs(path)]


def data_hash(directories: Sequence[Path]) -> str:
    """One hash over names and bytes of all episodes."""
    digest = hashlib.sha256()
    for path in sorted(p for d in directories for p in d.glob("*.npz")):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """Contacts beside each other, from their first tick on, short ones padded with zeros."""

    wrench: Tensor
    intent: Tensor
    last: Tensor
    label: Tensor
    there: Tensor
    """`(b, t)`: 1 where a contact is, 0 where it was padded."""


def batch_of(runs: Sequence[Run], longest: int) -> Batch:
    """Pad runs; what is beyond `longest` ticks is left out."""
    n = max(min(len(run), longest) for run in runs)
    padded = {}
    for name in _FIELDS:
        first = getattr(runs[0], name)
        rows = np.zeros((len(runs), n, *first.shape[1:]), np.float32)
        for row, run in zip(rows, runs, strict=True):
            part = getattr(run, name)[:n]
            row[: len(part)] = part
        padded[name] = torch.from_numpy(rows)
    there = torch.zeros(len(runs), n)
    for row, run in zip(there, runs, strict=True):
        row[: len(run)] = 1.0
    return Batch(**padded, there=there)


class Sampler:
    """Draws contacts; step `i` of a seed is always the same batch, so that training resumes."""

    def __init__(self, runs: Sequence[Run], batch: int, longest: int, seed: int) -> None:
        if not runs:
            raise LoaderError("no contact to train on", "episodes in which something is touched")
        self._runs, self._batch, self._longest, self._seed = runs, batch, longest, seed
        weights = np.sqrt([min(len(run), longest) for run in runs])
        self._chance = weights / weights.sum()

    def __call__(self, step: int) -> Batch:
        """The batch of a step; longer contacts come more often."""
        rng = np.random.default_rng((self._seed, step))
        chosen = rng.choice(len(self._runs), self._batch, p=self._chance)
        return batch_of([self._runs[i] for i in chosen], self._longest)
