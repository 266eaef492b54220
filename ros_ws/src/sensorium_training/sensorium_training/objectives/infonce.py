"""CLIP-style symmetric InfoNCE over pairs of senses (van den Oord 2018; Radford 2021).

Rows in which one of the two is invalid are neither anchors nor negatives, and do not count in the
bound log N - L on the mutual information: N is the number of valid rows.
"""

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_training.objectives.critics import CriticName, make_critic
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Pair,
    Shapes,
    Terms,
    mean_over,
    plain_arithmetic,
)

LEAST, MOST = 0.01, 1.0
"""Between which the temperature is learned."""


class InfoNCEConfig(ObjectiveConfig):
    """Which senses are pulled together, and how."""

    pairs: tuple[Pair, ...] = Field(min_length=1)
    width: int = Field(default=64, gt=0)
    """Channels of the space in which the two meet."""
    critic: CriticName = "cosine"
    temperature: float = Field(default=0.07, gt=LEAST, lt=MOST)
    """Where the learned temperature starts."""
    instruction: str | None = None
    """The sense whose tokens are words, if it is among these: rows that were told the same words
    are not each other's negatives."""


class Temperature(nn.Module):
    """A learned temperature between two bounds.

    Radford et al. clip it. A clip within the graph has no gradient beyond the bound, so that a
    temperature once there stays for ever; a sigmoid of the log keeps the bounds and a gradient.
    """

    def __init__(self, initial: float, least: float = LEAST, most: float = MOST) -> None:
        super().__init__()
        self.log_least, self.log_span = math.log(least), math.log(most / least)
        share = (math.log(initial) - self.log_least) / self.log_span
        self.raw = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    def forward(self) -> Tensor:
        """A scalar, strictly between the bounds."""
        return (self.log_least + self.log_span * torch.sigmoid(self.raw)).exp()


@dataclass(frozen=True)
class Contrast:
    """InfoNCE of one score matrix."""

    loss: Tensor
    """Mean of both directions [nats]."""
    bound: Tensor
    """log N - loss, a lower bound on the mutual information [nats], detached. With negatives left
    out N is the mean over rows, and the bound one on what is left."""
    accuracy: Tensor
    """Share of rows that find their partner, both directions, detached."""


def contrast(scores: Tensor, strangers: Tensor | None = None) -> Contrast:
    """InfoNCE of `(n, n)` scores whose diagonal holds the true pairs; all zero when n is 0.

    Pairs that are not `strangers` `(n, n)` are no negatives.
    """
    n = len(scores)
    if n == 0:
        nothing = scores.sum()
        return Contrast(nothing, nothing.detach(), nothing.detach())
    true = scores.diagonal()
    log_n = scores.new_tensor(math.log(n))
    if strangers is not None:
        itself = torch.eye(n, dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(~(strangers | itself), -torch.inf)
        log_n = (1 + strangers.sum(1)).to(scores.dtype).log().mean()
    there = scores.logsumexp(1) - true
    back = scores.logsumexp(0) - true
    loss = mean_over(there + back, 2 * n)
    each = torch.arange(n, device=scores.device)
    hits = (scores.argmax(1) == each).float() + (scores.argmax(0) == each).float()
    return Contrast(loss, log_n - loss.detach(), hits.mean() / 2)


class PairContrast(nn.Module):
    """Critic and temperature of one pair of senses that already share a space."""

    def __init__(self, critic: str, width: int, temperature: float) -> None:
        super().__init__()
        self.critic = make_critic(critic, width)
        self.temperature = Temperature(temperature)

    def forward(self, a: Tensor, b: Tensor, strangers: Tensor | None = None) -> Contrast:
        """InfoNCE of valid rows `(n, width)` and their partners."""
        with plain_arithmetic(a):
            return contrast(self.critic(a, b) / self.temperature(), strangers)

    def logs(self, pair: str, rows: int, found: Contrast) -> dict[str, Tensor]:
        """What to write down of one pair."""
        return {
            f"{pair}/loss": found.loss.detach(),
            f"{pair}/bound_nats": found.bound,
            f"{pair}/accuracy": found.accuracy,
            f"{pair}/temperature": self.temperature().detach(),
            f"{pair}/rows": torch.tensor(float(rows)),
        }


class InfoNCE(Objective):
    """Mean of InfoNCE over pairs of senses, each sense projected anew for each pair."""

    def __init__(self, config: InfoNCEConfig, shapes: Shapes) -> None:
        super().__init__()
        self.pairs, self.instruction = config.pairs, shapes.known(config.instruction)
        self.project = nn.ModuleList(
            nn.ModuleList(nn.Linear(shapes.of(sense).width, config.width) for sense in pair)
            for pair in config.pairs
        )
        self.contrasts = nn.ModuleList(
            PairContrast(config.critic, config.width, config.temperature) for _ in config.pairs
        )

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings of both senses of every pair."""
        losses: list[Tensor] = []
        logs: dict[str, Tensor] = {}
        for (a, b), (of_a, of_b), pair in zip(
            self.pairs, self.project, self.contrasts, strict=True
        ):
            rows = batch.rows(a, b)
            strangers = batch.strangers(rows) if self.instruction in (a, b) else None
            seen_a, seen_b = of_a(batch.embedding(a, rows)), of_b(batch.embedding(b, rows))
            found = pair(seen_a, seen_b, strangers)
            losses.append(found.loss)
            logs |= pair.logs(f"{a}~{b}", len(rows), found)
        return Terms(torch.stack(losses).mean(), logs)
