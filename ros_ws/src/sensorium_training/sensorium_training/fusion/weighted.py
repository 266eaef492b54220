"""Weighted sum: a small network scores each token, told the command; a softmax weighs them.

The operator of the shipped policy. A learned token stands for an absent sense and has a weight
of its own: the weights sum to 1 over all senses, there or not. Sources: the gating of Arevalo et
al. 2017 (Gated Multimodal Units), the learned token of ModDrop-like training.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import SENSES, Fused, Fusion


def scorer(config: NetConfig) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Layers that give each token, with the command beside it, one logit."""
    inputs = config.width + config.text_channels
    return nn.Linear(inputs, 64), nn.Tanh(), nn.Linear(64, 1, bias=False)


def with_text(tokens: Tensor, text: Tensor) -> Tensor:
    """Tokens `(b, n, width)` with the command `(b, c)` behind each: `(b, n, width + c)`."""
    return torch.cat([tokens, text.unsqueeze(1).expand(-1, tokens.shape[1], -1)], -1)


class Weighted(nn.Sequential, Fusion):
    """`sum_i softmax(score(token_i, text))_i token_i`; a `Sequential`, as its weights' names are.

    The head also sees every token on its own, squeezed, so that detail need not pass the sum.
    """

    stand_ins = tuple(range(len(SENSES)))
    squeezed = stand_ins

    def __init__(self, config: NetConfig) -> None:
        super().__init__(*scorer(config))

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`."""
        weights = torch.softmax(nn.Sequential.forward(self, with_text(tokens, text)), 1)
        return Fused((weights * tokens).sum(1), weights.squeeze(-1))
