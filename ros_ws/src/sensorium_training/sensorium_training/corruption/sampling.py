"""Corrupts some rows of a training batch: one sense and one way of failing at a time."""

import torch
from torch import Tensor

from sensorium_training.corruption.corruptor import Corruptor, Inputs

_BLACKOUTS = 0.1
"""Share of the corrupted rows whose sense is dead."""


def corrupt_some(
    inputs: Inputs, share: float, corruptor: Corruptor, rng: torch.Generator
) -> Inputs:
    """A copy of a batch in which each row is corrupted with a probability of `share`.

    Sense and kind are drawn once a batch among senses that are there, the level once a row, evenly
    up to blackout. Rows know
    nothing of earlier ones, so pictures, clouds and joints are not made stale or frozen here.
    """
    pairs = corruptor.possible(inputs)
    if not pairs:
        return dict(inputs)
    sense, kind = pairs[int(torch.randint(len(pairs), (), generator=rng))]
    size = len(inputs["valid"])
    rows = torch.nonzero(torch.rand(size, generator=rng) < share).flatten()
    level = (torch.rand(len(rows), generator=rng) / (1.0 - _BLACKOUTS)).clamp(max=1.0)
    if not len(rows):
        return dict(inputs)
    some = {name: tensor[rows] for name, tensor in inputs.items()}
    spoilt = corruptor.apply(some, sense, kind, level, rng)
    return {name: _put(tensor, rows, some[name], spoilt[name]) for name, tensor in inputs.items()}


def _put(tensor: Tensor, rows: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """A tensor with some rows replaced; itself where they are the same."""
    if after is before:
        return tensor
    copy = tensor.clone()
    copy[rows] = after
    return copy
