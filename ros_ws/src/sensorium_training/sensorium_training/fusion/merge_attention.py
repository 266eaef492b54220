"""Merged attention: senses and words in one small pre-norm transformer, read at a class token.

As in ViLT (Kim et al. 2021): tokens of all kinds are concatenated, each marked with its type, and
attend to each other in every layer. An absent sense is masked out as a key in every layer, so that
neither its bytes nor a learned token in its place can reach anything.
"""

import torch
from sensorium_core.codebook import TOKEN_SIZE
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import Fused, Fusion, masked_softmax, present


class _Layer(nn.Module):
    """Pre-norm self-attention and a feed-forward network of twice the width."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, tokens: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(b, n, width)` and attention logits `(b, heads, n, n)`; `there` is `(b, n)`."""
        split = self.query_key_value(self.before_attention(tokens))
        query, key, value = split.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        logits = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5)
        attention = masked_softmax(logits, there[:, None, None])
        tokens = tokens + self.out((attention @ value).transpose(1, 2).flatten(2))
        return tokens + self.feed(self.before_feed(tokens)), logits


class MergeAttention(Fusion):
    """`transformer([class; senses; words])` at the class token."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.reader = nn.Parameter(torch.randn(1, 1, config.width) * 0.1)
        self.word = nn.Linear(TOKEN_SIZE, config.width)
        self.slots = nn.Parameter(torch.randn(config.words, config.width) * 0.1)
        self.layers = nn.ModuleList(
            _Layer(config.width, config.attention_heads) for _ in range(config.attention_layers)
        )
        self.norm = nn.LayerNorm(config.width)

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`.

        Weights: the class token's attention in the last layer among valid senses, mean of heads.
        """
        senses = tokens.shape[1]
        words = self.word(text.unflatten(1, (-1, TOKEN_SIZE))) + self.slots
        reader = self.reader.expand(len(tokens), -1, -1)
        merged = torch.cat([present(tokens, valid), words, reader], 1)
        there = torch.cat([valid, torch.ones_like(merged[:, senses:, 0])], 1)
        logits = merged.new_zeros(())
        for layer in self.layers:
            merged, logits = layer(merged, there)
        looked = masked_softmax(logits[:, :, -1, :senses], valid.unsqueeze(1)).mean(1)
        return Fused(self.norm(merged[:, -1]), looked)
