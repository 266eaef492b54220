"""Hinge ranking of matching pairs: VSE++ with the hardest negative, or a sum over all of them.

Source: Faghri et al. 2018 ("VSE++: Improving visual-semantic embeddings with hard negatives").
"""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from sensorium_training.objectives.critics import Cosine
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Pair,
    Shapes,
    Terms,
    mean_over,
)


class VSEConfig(ObjectiveConfig):
    """Which pairs are ranked, and against what."""

    pairs: tuple[Pair, ...] = Field(min_length=1)
    width: int = Field(default=64, gt=0)
    margin: float = Field(default=0.2, gt=0, le=2)
    """Of cosines."""
    negatives: Literal["hardest", "sum"] = "hardest"
    instruction: str | None = None
    """The sense whose tokens are words, if it is among these: rows that were told the same words
    are not each other's negatives."""


def hinges(
    scores: Tensor, margin: float, negatives: str, strangers: Tensor | None = None
) -> Tensor:
    """Per-row hinge `(n,)`, both directions added, of `(n, n)` scores; zero without negatives.

    Pairs that are not `strangers` `(n, n)` are no negatives.
    """
    n = len(scores)
    if n == 0:
        return scores.sum(1)
    true = scores.diagonal()
    none = torch.eye(n, dtype=torch.bool, device=scores.device)
    if strangers is not None:
        none = none | ~strangers
    there = torch.relu(margin + scores - true.unsqueeze(1)).masked_fill(none, 0.0)
    back = torch.relu(margin + scores - true.unsqueeze(0)).masked_fill(none, 0.0)
    if negatives == "sum":
        return there.sum(1) + back.sum(0)
    return there.amax(1) + back.amax(0)


class VSE(Objective):
    """Mean hinge over the valid rows of every pair of senses."""

    def __init__(self, config: VSEConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config = config
        shapes.known(config.instruction)
        self.critic = Cosine()
        self.project = nn.ModuleList(
            nn.ModuleList(nn.Linear(shapes.of(sense).width, config.width) for sense in pair)
            for pair in config.pairs
        )

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings of both senses of every pair."""
        losses, logs = [], {}
        for (a, b), (of_a, of_b) in zip(self.config.pairs, self.project, strict=True):
            rows = batch.rows(a, b)
            scores = self.critic(of_a(batch.embedding(a, rows)), of_b(batch.embedding(b, rows)))
            strangers = batch.strangers(rows) if self.config.instruction in (a, b) else None
            each = hinges(scores, self.config.margin, self.config.negatives, strangers)
            losses.append(mean_over(each, len(rows)))
            logs[f"{a}~{b}/loss"] = losses[-1].detach()
            logs[f"{a}~{b}/violated"] = mean_over((each > 0).float(), len(rows)).detach()
        return Terms(torch.stack(losses).mean(), logs)
