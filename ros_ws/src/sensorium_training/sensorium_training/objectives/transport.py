"""Word-patch alignment by optimal transport (WPA, as in UNITER and ViLT).

Each word's mass must travel to patches; the cheaper the best plan, the better the two sets agree.
Sources: Cuturi 2013 (Sinkhorn), Xie et al. 2018 (IPOT, whose proximal steps divide the entropy),
Feydy et al. 2019 (both sides updated at once), Altschuler et al. 2017 (rounding onto the
marginals). The objective is that of Chen et al. 2020 (UNITER) and Kim et al. 2021 (ViLT): the plan
is constant, the cost of a mismatched pair is subtracted.
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Shapes,
    Terms,
    exact,
    mean_over,
    plain_arithmetic,
    wiped,
)
from sensorium_training.objectives.matching import draw_negatives

_NEVER = -1e9


class TransportConfig(ObjectiveConfig):
    """Which tokens are moved onto which."""

    words: str
    patches: str
    width: int = Field(default=64, gt=0)
    epsilon: float = Field(default=0.1, gt=0)
    """Entropy of the first proximal step, a k-th of it in the k-th; costs are 1 - cosine."""
    proximal_steps: int = Field(default=5, gt=0)
    """1 is Sinkhorn's blurred plan; more sharpen it towards the exact one."""
    iterations: int = Field(default=10, gt=0)
    """Of Sinkhorn in each step."""
    mismatched: float = Field(default=1.0, ge=0)
    """Weight of the cost of mismatched pairs. With 0 all tokens can collapse into one, unless
    another objective (matching) keeps them apart."""


def cosine_cost(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine `(n, i, j)` of tokens `(n, i, w)` and `(n, j, w)`, in 0..2."""
    return 1 - F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).transpose(1, 2)


def transport_plan(
    cost: Tensor,
    mask_a: Tensor,
    mask_b: Tensor,
    epsilon: float = 0.1,
    proximal_steps: int = 5,
    iterations: int = 10,
) -> Tensor:
    """Plan `(n, i, j)` between uniform masses on the tokens that are not padding.

    Sinkhorn in the log domain, with potentials kept from one proximal step to the next, rounded so
    that the marginals are exact. Both sides move at once, so that neither set is preferred.
    Padding gets nothing; a row with an empty set has a plan of zeros. Not differentiable.
    """
    with torch.no_grad():
        real = mask_a.unsqueeze(2) & mask_b.unsqueeze(1)
        a, b = _mass(mask_a, cost), _mass(mask_b, cost)
        gain = torch.where(real, -cost, _NEVER)
        f, g = torch.zeros_like(a), torch.zeros_like(b)
        for step in range(1, proximal_steps + 1):
            blur = epsilon / step
            for _ in range(iterations):
                to_f = _potential(gain + g.unsqueeze(1), a, blur, 2)
                to_g = _potential(gain + f.unsqueeze(2), b, blur, 1)
                f, g = (f + to_f) / 2, (g + to_g) / 2
        plan = ((gain + f.unsqueeze(2) + g.unsqueeze(1)) / blur).exp()
        return _rounded(torch.where(real, plan, 0.0), a, b) * _both(mask_a, mask_b)


class Transport(Objective):
    """Mean transport cost of true pairs, less that of instructions moved to another row."""

    def __init__(self, config: TransportConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Linear(shapes.of(config.words).width, config.width)
        self.patches = nn.Linear(shapes.of(config.patches).width, config.width)

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs tokens of both, and `instruction` ids when mismatched pairs count."""
        rows = batch.rows(self.config.words, self.config.patches)
        words, word_mask = batch.token_set(self.config.words, rows)
        patches, patch_mask = batch.token_set(self.config.patches, rows)
        there = word_mask.any(1) & patch_mask.any(1)
        words, word_mask = exact(self.words(words[there])), word_mask[there]
        patches, patch_mask = exact(self.patches(patches[there])), patch_mask[there]
        true = self._cost(words, word_mask, patches, patch_mask)
        loss = mean_over(true, len(true))
        logs = {"cost": loss.detach(), "rows": torch.tensor(float(len(true)))}
        if self.config.mismatched > 0:
            allowed = batch.strangers(rows[there])
            evenly = torch.zeros(allowed.shape, device=allowed.device)
            other, has = draw_negatives(evenly, allowed, generator)
            other = other[has]
            wrong = self._cost(words[other], word_mask[other], patches[has], patch_mask[has])
            far = mean_over(wrong, len(wrong))
            logs["mismatched_cost"] = far.detach()
            loss = loss - self.config.mismatched * far
        return Terms(loss, logs)

    def _cost(self, words: Tensor, word_mask: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
        """Transport cost `(n,)`; the gradient is that of the cost at the best plan."""
        with plain_arithmetic(words):
            cost = cosine_cost(wiped(words, word_mask), wiped(patches, mask))
            plan = transport_plan(
                cost.detach(), word_mask, mask,
                self.config.epsilon, self.config.proximal_steps, self.config.iterations,
            )  # fmt: skip
            return (plan * cost).sum((1, 2))


def _both(mask_a: Tensor, mask_b: Tensor) -> Tensor:
    return (mask_a.any(1) & mask_b.any(1)).reshape(-1, 1, 1)


def _mass(mask: Tensor, like: Tensor) -> Tensor:
    """Equal shares of 1 `(n, k)` on real tokens."""
    weight = mask.to(like.dtype)
    return weight / weight.sum(1, keepdim=True).clamp(min=1)


def _potential(gain: Tensor, mass: Tensor, blur: float, axis: int) -> Tensor:
    """The potential that gives one side its mass; zero for padding."""
    found = blur * (mass.clamp(min=1e-30).log() - torch.logsumexp(gain / blur, axis))
    return torch.where(mass > 0, found, 0.0)


def _rounded(plan: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The plan, scaled down where it has too much, and the rest spread evenly."""
    least = torch.finfo(plan.dtype).tiny
    of_a = (a / plan.sum(2).clamp(min=least)).clamp(max=1)
    of_b = (b / plan.sum(1).clamp(min=least)).clamp(max=1)
    plan = plan * of_a.unsqueeze(2) * of_b.unsqueeze(1)
    lack_a, lack_b = (a - plan.sum(2)).clamp(min=0), (b - plan.sum(1)).clamp(min=0)
    spread = lack_a.unsqueeze(2) * lack_b.unsqueeze(1)
    return plan + spread / lack_a.sum(1).clamp(min=least).reshape(-1, 1, 1)
