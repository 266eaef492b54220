"""The rows of all processes in each of them, so that a loss over a batch is the same on many.

A contrastive loss compares rows with one another: computed by shares it has other negatives and
another N. So the rows are gathered before the objectives, every process computes the whole loss
from a generator in the same state, and gradients are averaged (DistributedDataParallel): they are
then those of one process with all rows, in the order of ranks.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from sensorium_core.errors import ShapeError
from torch import Tensor, distributed

from sensorium_training.objectives.interface import Batch


def gather(batch: Batch) -> Batch:
    """All rows of all processes; the same batch where there is only one process.

    Raises:
        ShapeError: the processes have different numbers of rows.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return batch
    if distributed.get_world_size() == 1:
        return batch
    _same_number(batch)
    future = batch.future
    if future is not None:
        future = replace(
            future,
            there=_all(future.there),
            action=_all(future.action),
            motion=_all(future.motion),
            samples=_each(future.samples),
            valid=_each(future.valid),
        )
    mappings = ("embeddings", "valid", "views", "tokens", "token_mask", "samples")
    single = ("instruction", "episode", "time_s")
    found: dict[str, Any] = {name: _each(getattr(batch, name)) for name in mappings}
    for name in single:
        value = getattr(batch, name)
        found[name] = None if value is None else _all(value)
    return replace(batch, future=future, **found)


class _Gather(torch.autograd.Function):
    """Concatenation over ranks. Each rank computes the same loss, so that the sum over ranks of
    what they ask of one row is the world's size times what this rank asks."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, x)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        world, rank = distributed.get_world_size(), distributed.get_rank()
        return gradient.chunk(world)[rank] * world


def _all(x: Tensor) -> Tensor:
    if x.dtype == torch.bool:
        return _all(x.to(torch.uint8)).bool()
    return _Gather.apply(x.contiguous())


def _each(mapping: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In the order of names, so that all processes send the same things at the same time."""
    return {name: _all(mapping[name]) for name in sorted(mapping)}


def _same_number(batch: Batch) -> None:
    rows = len(next(iter(batch.valid.values())))
    mine = torch.tensor([rows], device=next(iter(batch.valid.values())).device)
    counts = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, mine)
    found = [int(count) for count in counts]
    if len(set(found)) > 1:
        raise ShapeError("rows of each process", found, "the same number in all")
