"""Low-rank tensor fusion: the senses' outer product, contracted with a tensor of low rank.

As Liu et al. 2018 (LMF), without ever forming the outer product. The reference code that is most
used keeps its factors in a plain list, where nothing trains them; here they are parameters.
An absent sense has factor 1 in every component: it drops out of the product.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import Fused, Fusion, present, shares


class LowRankTensor(Fusion):
    """`sum_r w_r prod_i (W_ir token_i + b_ir) + b`; factors begin near 1, so that six multiply."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width, components = config.width, config.rank * config.width
        spread = 0.5 * width**-0.5
        self.factors = nn.Parameter(torch.randn(config.senses, width, components) * spread)
        self.offsets = nn.Parameter(torch.ones(config.senses, 1, components))
        self.mix = nn.Parameter(torch.randn(config.rank, 1) * config.rank**-0.5)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`.

        Weights: how far the token is from what it would be without the sense, in parts of 1.
        """
        factors = present(tokens, valid).transpose(0, 1) @ self.factors + self.offsets
        here = valid.transpose(0, 1).unsqueeze(-1) > 0.5
        factors = torch.where(here, factors, torch.ones_like(factors))
        whole, without = _products(factors)
        token = self._contract(whole)
        change = torch.where(here, self._contract(without) - token, torch.zeros_like(token))
        return Fused(token, shares(torch.sqrt(change.square().sum(-1)).transpose(0, 1)))

    def _contract(self, product: Tensor) -> Tensor:
        """Sum over the rank: `(..., rank * width)` to `(..., width)`."""
        return (product.unflatten(-1, (len(self.mix), -1)) * self.mix).sum(-2) + self.bias


def _products(factors: Tensor) -> tuple[Tensor, Tensor]:
    """Product of all `(b, c)`, and of all but each `(senses, b, c)`, of `(senses, b, c)`."""
    rows = factors.unbind(0)
    before, after = [torch.ones_like(rows[0])], [torch.ones_like(rows[0])]
    for row in rows:
        before.append(before[-1] * row)
    for row in reversed(rows):
        after.append(after[-1] * row)
    count = len(rows)
    without = [before[i] * after[count - 1 - i] for i in range(count)]
    return before[-1], torch.stack(without)
