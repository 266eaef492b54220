"""Fits a language network to a corpus: one pass, AdamW, cosine rate, fixed seed."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from sensorium_core.codebook import SLOTS
from torch import Tensor, nn

from sensorium_training.language.corpus import Example, sort_batches
from sensorium_training.language.network import LanguageNet

_POINT_WEIGHT = 0.3
_UNKNOWN_SHARE = 0.02


@dataclass(frozen=True)
class FitConfig:
    """How to train."""

    batch: int = 32
    passes: int = 1
    body_rate: float = 1e-4
    head_rate: float = 1e-3
    warmup: float = 0.08
    """Share of the steps over which the rate rises."""
    frozen_layers: int = 1
    """Lowest layers left as pretrained; the word embeddings are frozen with them."""
    pretrained: bool = True


@dataclass(frozen=True)
class Batch:
    """Padded tensors of some examples."""

    ids: Tensor
    slots: Tensor
    reason: Tensor
    pointed: Tensor


def collate(examples: Sequence[Example]) -> Batch:
    """Pad with id 0."""
    longest = max(len(example.ids) for example in examples)
    ids = np.zeros((len(examples), longest), dtype=np.int64)
    pointed = np.zeros((len(examples), longest), dtype=np.float32)
    for row, example in enumerate(examples):
        ids[row, : len(example.ids)] = example.ids
        pointed[row, : len(example.ids)] = example.pointed
    slots = np.stack([example.slots for example in examples])
    reason = np.asarray([example.reason for example in examples])
    return Batch(*(torch.from_numpy(array) for array in (ids, slots, reason, pointed)))


def loss_of(net: LanguageNet, batch: Batch) -> Tensor:
    """Cross-entropy per slot and for the reason, and attention on the words that point to it."""
    logits, attention = net.logits(batch.ids)
    accepted = batch.reason == 0
    loss = nn.functional.cross_entropy(logits[-1], batch.reason)
    loss = loss + nn.functional.cross_entropy(logits[0], batch.slots[:, 0])
    for at in range(1, len(SLOTS)):
        each = nn.functional.cross_entropy(logits[at], batch.slots[:, at], reduction="none")
        loss = loss + (each * accepted).sum() / accepted.sum().clamp(min=1)
    on_mark = (attention[:, -1] * batch.pointed).sum(dim=-1)
    marked = batch.pointed.sum(dim=-1) > 0
    point = (-torch.log(on_mark + 1e-4) * marked).sum() / marked.sum().clamp(min=1)
    return loss + _POINT_WEIGHT * point


def fit(
    net: LanguageNet,
    examples: Sequence[Example],
    config: FitConfig,
    rng: np.random.Generator,
    unknown_id: int,
    report: Callable[[int, int, float], None],
) -> None:
    """Train in place; `report(step, steps, loss)` is called after every step."""
    optimiser = _optimiser(net, config)
    batches = list(_all_batches(examples, config, rng))
    top = [group["lr"] for group in optimiser.param_groups]
    net.train()
    for step, chosen in enumerate(batches):
        for group, rate in zip(optimiser.param_groups, top, strict=True):
            group["lr"] = rate * _schedule(step / len(batches), config.warmup)
        batch = collate(chosen)
        batch.ids[_hidden(batch.ids, rng)] = unknown_id
        loss = loss_of(net, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        report(step + 1, len(batches), float(loss.detach()))
    net.eval()


def _all_batches(
    examples: Sequence[Example], config: FitConfig, rng: np.random.Generator
) -> Iterator[list[Example]]:
    for _ in range(config.passes):
        yield from sort_batches(examples, config.batch, rng)


def _hidden(ids: Tensor, rng: np.random.Generator) -> Tensor:
    """Choose a few pieces of the text, never the first, to hide as unknown."""
    chosen = torch.from_numpy(rng.random(ids.shape) < _UNKNOWN_SHARE) & (ids != 0)
    chosen[:, 0] = False
    return chosen


def _optimiser(net: LanguageNet, config: FitConfig) -> torch.optim.AdamW:
    if config.pretrained:
        for part in (net.body.words, net.body.positions, net.body.norm):
            part.requires_grad_(False)
        for layer in net.body.layers[: config.frozen_layers]:
            layer.requires_grad_(False)
    body = [weight for weight in net.body.parameters() if weight.requires_grad]
    inside = {id(weight) for weight in net.body.parameters()}
    heads = [weight for weight in net.parameters() if id(weight) not in inside]
    groups = [{"params": body, "lr": config.body_rate}, {"params": heads, "lr": config.head_rate}]
    return torch.optim.AdamW(groups, weight_decay=0.01)


def _schedule(progress: float, warmup: float) -> float:
    if progress < warmup:
        return max(progress, 0.01) / warmup
    return 0.02 + 0.49 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
