"""FactorCL: what two senses share, and what each has for itself (Liang et al. 2023).

Contrastive learning keeps only what is shared; force says things that no camera sees. Four
representations are learned: of each sense what is shared, and what is its own.

    shared   maximise  I(S1; S2) - I(S1; S2 | V)
    own      maximise  I(U1; V1) - I(U1; X2) + I(U1; X2 | V), and the same for the other sense

X is the embedding of a sense, held fixed where it only says what the other must not repeat. (With
U2 in its place what is shared could hide in one of the two own parts at no cost.)

V = (V1, V2) is the second view of both senses: what survives augmentation stands for what a task
needs (FactorCL-SSL). What is maximised is bounded from below by InfoNCE, what is minimised from
above by NCE-CLUB, the InfoNCE critic put into CLUB (Cheng et al. 2020). Negatives under the
condition V should be drawn from rows with the same V, and a batch has one of each: rows weigh by
how alike their V are, as in Tsai et al. 2022 ("Conditional contrastive learning with kernel").

The critic of an upper bound learns by InfoNCE from detached representations; the representations
learn from the critic held fixed. So one loss and one optimiser serve both.
"""

import math

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sensorium_training.objectives.infonce import contrast
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

_ALIKE = 0.05
"""Temperature of the cosine by which conditions are alike."""


class FactorCLConfig(ObjectiveConfig):
    """Which two senses are taken apart."""

    pair: Pair
    width: int = Field(default=16, gt=0)
    """Channels of each representation; narrow ones come apart sooner."""
    hidden: int = Field(default=128, gt=0)


class PairCritic(nn.Module):
    """A learned separable critic of `(n, p)` and `(n, q)`, scores `(n, n)` (Poole et al. 2019)."""

    def __init__(self, first: int, second: int, hidden: int) -> None:
        super().__init__()
        self.first = _mlp(first, hidden, hidden)
        self.second = _mlp(second, hidden, hidden)
        self.scale = 1 / math.sqrt(hidden)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Scores of all pairs; the true ones are on the diagonal."""
        return self.first(a) @ self.second(b).T * self.scale


def negative_weights(scores: Tensor, given: Tensor | None) -> Tensor:
    """How much each other row `(n, n)` counts as a negative; rows sum to 1, the diagonal is 0."""
    n = len(scores)
    itself = torch.eye(n, dtype=torch.bool, device=scores.device)
    if n < 2:
        return torch.zeros_like(scores)
    if given is None:
        return (~itself).to(scores.dtype) / (n - 1)
    condition = F.normalize(given, dim=-1)
    alike = (condition @ condition.T / _ALIKE).masked_fill(itself, -torch.inf)
    return torch.softmax(alike, 1)


def nce_loss(scores: Tensor, given: Tensor | None) -> Tensor:
    """InfoNCE of `(n, n)` scores; under a condition, with weighted negatives by row."""
    if given is None:
        return contrast(scores).loss
    n = len(scores)
    if n == 0:
        return scores.sum()
    itself = torch.eye(n, device=scores.device, dtype=scores.dtype)
    weight = negative_weights(scores, given) * (n - 1) + itself
    biased = scores + weight.clamp(min=1e-30).log()
    return mean_over(biased.logsumexp(1) - scores.diagonal(), n)


def club(scores: Tensor, given: Tensor | None) -> Tensor:
    """Mean score of true pairs less that of negatives, of `(n, n)` scores."""
    n = len(scores)
    return mean_over(scores.diagonal() - (negative_weights(scores, given) * scores).sum(1), n)


class LowerBound(nn.Module):
    """InfoNCE: at most the mutual information, and at most log N."""

    def __init__(self, first: int, second: int, hidden: int) -> None:
        super().__init__()
        self.critic = PairCritic(first, second, hidden)

    def forward(self, a: Tensor, b: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bound [nats], detached, and the loss that raises it, for critic and inputs alike."""
        loss = nce_loss(self.critic(a, b), given)
        return math.log(max(len(a), 1)) - loss.detach(), loss


class UpperBound(nn.Module):
    """NCE-CLUB: CLUB with the InfoNCE critic; an upper bound while the critic is good.

    Below zero it is the critic that errs, not information that could be removed, so there the
    representations get no gradient.
    """

    def __init__(self, first: int, second: int, hidden: int) -> None:
        super().__init__()
        self.critic = PairCritic(first, second, hidden)

    def forward(self, a: Tensor, b: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Bound [nats], detached, and a loss: its critic learns, the inputs shrink the bound."""
        learning = nce_loss(self.critic(a.detach(), b.detach()), given)
        fixed = {name: p.detach() for name, p in self.critic.named_parameters()}
        bound = club(functional_call(self.critic, fixed, (a, b)), given)
        return bound.detach(), learning + bound.clamp(min=0)


class FactorCL(Objective):
    """Sum of the shared term and of both senses' own terms."""

    def __init__(self, config: FactorCLConfig, shapes: Shapes) -> None:
        super().__init__()
        self.pair, w, h = config.pair, config.width, config.hidden
        inputs = [shapes.of(sense).width for sense in config.pair]
        self.shared = nn.ModuleList(_mlp(n, h, w) for n in inputs)
        self.own = nn.ModuleList(_mlp(n, h, w) for n in inputs)
        self.agree = LowerBound(w, w, h)
        self.agree_given = UpperBound(w, w, h)
        self.keep = nn.ModuleList(LowerBound(w, w, h) for _ in inputs)
        self.part = nn.ModuleList(UpperBound(w, n, h) for n in reversed(inputs))
        self.part_given = nn.ModuleList(LowerBound(w, n, h) for n in reversed(inputs))

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings and second views of both senses."""
        rows = batch.rows(*self.pair)
        first = [batch.embedding(sense, rows) for sense in self.pair]
        second = [batch.view(sense, rows) for sense in self.pair]
        with plain_arithmetic(first[0]):
            bounds = self._shared(first, second) | self._own(first, second)
        loss = torch.stack([loss for _, loss in bounds.values()]).sum()
        logs = {f"{name}_nats": bound for name, (bound, _) in bounds.items()}
        return Terms(loss, {**logs, "rows": torch.tensor(float(len(rows)))})

    def represent(self, sense: str, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """What of an embedding `(n, width)` of a sense is shared, and what is its own."""
        at = self.pair.index(sense)
        return self.shared[at](embedding), self.own[at](embedding)

    def _shared(
        self, first: list[Tensor], second: list[Tensor]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        s1, s2 = (head(x) for head, x in zip(self.shared, first, strict=True))
        views = torch.cat([head(x) for head, x in zip(self.shared, second, strict=True)], -1)
        return {
            "shared": self.agree(s1, s2),
            "shared_given_views": self.agree_given(s1, s2, views.detach()),
        }

    def _own(self, first: list[Tensor], second: list[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        own = [head(x) for head, x in zip(self.own, first, strict=True)]
        views = [head(x) for head, x in zip(self.own, second, strict=True)]
        given = torch.cat(views, -1).detach()
        found = {}
        for at, sense in enumerate(self.pair):
            other = first[1 - at].detach()
            found[f"own_{sense}"] = self.keep[at](own[at], views[at])
            found[f"repeated_{sense}"] = self.part[at](own[at], other)
            found[f"repeated_{sense}_given_views"] = self.part_given[at](own[at], other, given)
        return found


def _mlp(inputs: int, hidden: int, out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, out))
