"""Product of experts: each sense gives a Gaussian belief of the fused token; beliefs multiply.

As in the MVAE (Wu and Goodman 2018), at the product's mean. The product of Gaussians has the sum
of their precisions as its precision; an absent sense has precision 0, which is what a factor of 1
is, and drops out. (A zeroed input would not: an encoder's bias gives it a precision, 1.44 in a
known implementation.) A learned prior is an expert that is always there.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import Fused, Fusion, present, shares
from sensorium_training.fusion.weighted import with_text


class ProductOfExperts(Fusion):
    """`(L_0 m_0 + sum_i L_i m_i) / (L_0 + sum_i L_i)` with L the precisions, by channel.

    Mean and precision are read off a token by two linear maps, shared: the token says by its
    identity whose it is. The precision also hears the command: whom to believe depends on it.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width = config.width
        self.mean = nn.Linear(width, width)
        self.precision = nn.Linear(width + config.text_channels, width)
        self.prior_mean = nn.Parameter(torch.randn(width) * 0.1)
        self.prior_log_precision = nn.Parameter(torch.zeros(width))

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`. Weights: precisions in parts of their sum, mean of channels."""
        tokens = present(tokens, valid)
        precision = present(F.softplus(self.precision(with_text(tokens, text))), valid)
        prior = torch.exp(self.prior_log_precision)
        agreed = prior * self.prior_mean + (precision * self.mean(tokens)).sum(1)
        token = agreed / (prior + precision.sum(1))
        return Fused(token, shares(precision.mean(-1)))
