"""Corrupts some rows of a training batch: one sense and one way of failing at a time."""

from collections.abc import Callable
from functools import partial

import torch
from sensorium_core.inputs import PRESS_SCALE_N
from torch import Tensor

from sensorium_training.corruption.corruptor import Corruptor, Inputs
from sensorium_training.forgetting import forget
from sensorium_training.fusion.interface import SENSES

Past = Callable[[Tensor, Tensor], Inputs]
"""Gives the inputs of rows `(n,)` of the batch as they were so many seconds `(n,)` ago."""
_PRESS, _MOST_PRESS = 4, 1.5
"""Place of the largest press in the memory, and where it is cut."""
_BLACKOUTS = 0.1
"""Share of the corrupted rows whose sense is dead."""


def corrupt_some(
    inputs: Inputs,
    share: float,
    corruptor: Corruptor,
    rng: torch.Generator,
    forgetful: float = 0.5,
    earlier: Past | None = None,
) -> Inputs:
    """A copy of a batch in which each row is corrupted with a probability of `share`.

    Sense and kind are drawn once a batch among senses that are there, the level once a row, evenly
    up to blackout. Without `earlier` rows know nothing of the ones before, so that pictures,
    clouds and single samples are not made stale, late or frozen.

    Live, the memory takes in what is spoilt. So here, as far as one row can tell: it has felt the
    press that its newest window shows, and a sense that one knows to be gone for good, and not for
    a moment as `dropped`, has told nothing in a share `forgetful` of the rows: it has been gone
    from the start. Contacts and weights that a living but wrong sense told stay the true ones.
    """
    pairs = corruptor.possible(inputs, earlier is not None)
    if not pairs:
        return dict(inputs)
    sense, kind = pairs[int(torch.randint(len(pairs), (), generator=rng))]
    size = len(inputs["valid"])
    rows = torch.nonzero(torch.rand(size, generator=rng) < share).flatten()
    level = (torch.rand(len(rows), generator=rng) / (1.0 - _BLACKOUTS)).clamp(max=1.0)
    if not len(rows):
        return dict(inputs)
    some = {name: tensor[rows] for name, tensor in inputs.items()}
    then = None if earlier is None else partial(earlier, rows)
    spoilt = corruptor.apply(some, sense, kind, level, rng, then)
    place = SENSES.index(sense)
    gone = (some["valid"][:, place] > 0.5) & (spoilt["valid"][:, place] < 0.5)
    if kind == "dropped":
        gone &= level >= 1.0
    gone &= torch.rand(len(rows), generator=rng) < forgetful
    spoilt["memory"] = _remembered(spoilt, sense, gone)
    return {name: _put(tensor, rows, some[name], spoilt[name]) for name, tensor in inputs.items()}


def _remembered(spoilt: Inputs, sense: str, gone: Tensor) -> Tensor:
    """A copy of the memory with what a spoilt sense told, or had not told where `gone` `(b,)`."""
    memory = spoilt["memory"].clone()
    if sense == "wrench":
        felt = (press_n(spoilt["wrench"]) / PRESS_SCALE_N).clamp(max=_MOST_PRESS)
        there = spoilt["valid"][:, SENSES.index(sense)] > 0.5
        more = torch.maximum(memory[:, _PRESS], felt)
        memory[:, _PRESS] = torch.where(there, more, memory[:, _PRESS])
    forget(memory, sense, gone)
    return memory


def press_n(wrench: Tensor) -> Tensor:
    """Largest push against the tool axis in windows `(b, n, 6)` [N], as `inputs.press_force_n`."""
    push = -wrench[..., 2]
    return ((push[:, :-2] + push[:, 1:-1] + push[:, 2:]) / 3.0).amax(1)


def _put(tensor: Tensor, rows: Tensor, before: Tensor, after: Tensor) -> Tensor:
    """A tensor with some rows replaced; itself where they are the same."""
    if after is before:
        return tensor
    copy = tensor.clone()
    copy[rows] = after
    return copy
