"""Concatenation: all tokens side by side, one linear map. The baseline of the evaluation.

A learned token stands for an absent sense. No sense is weighed against another; the weights that
are reported are the sizes of the senses' summands.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import SENSES, Fused, Fusion, shares


class Concatenation(Fusion):
    """`W [token_1 ... token_n] + b`, summed sense by sense."""

    stand_ins = tuple(range(len(SENSES)))

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.project = nn.Linear(config.senses * config.width, config.width)

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`. Weights: norms of the summands of valid senses, in parts of 1."""
        width = tokens.shape[-1]
        blocks = self.project.weight.unflatten(1, (-1, width)).permute(1, 2, 0)
        pieces = (tokens.transpose(0, 1) @ blocks).transpose(0, 1)
        sizes = torch.sqrt(pieces.square().sum(-1))
        listened = torch.where(valid > 0.5, sizes, torch.zeros_like(sizes))
        return Fused(pieces.sum(1) + self.project.bias, shares(listened))
