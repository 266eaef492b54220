"""The language network: BERT body, one attention-pooled query per slot and one for the reason.

The body is either the pretrained MiniLM or a small one trained from nothing; only sizes differ.
Runs on one thread in training and is exported as it stands.
"""

import math
from dataclasses import dataclass

import torch
from sensorium_core.codebook import CLASSES, SLOTS, TOKEN_SIZE, slot_codes
from sensorium_core.language import REASONS
from torch import Tensor, nn


@dataclass(frozen=True)
class BodyConfig:
    """Sizes of the transformer."""

    vocabulary: int
    width: int = 384
    layers: int = 6
    heads: int = 12
    inner: int = 1536
    positions: int = 64
    dropout: float = 0.1


class Layer(nn.Module):
    """One post-norm BERT layer; `(batch, n, width)` to the same."""

    def __init__(self, config: BodyConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.width, config.width)
        self.key = nn.Linear(config.width, config.width)
        self.value = nn.Linear(config.width, config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm_attention = nn.LayerNorm(config.width, eps=1e-12)
        self.up = nn.Linear(config.width, config.inner)
        self.down = nn.Linear(config.inner, config.width)
        self.norm_out = nn.LayerNorm(config.width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """`bias` `(batch, 1, 1, n)`: 0 for a piece, a large negative number for padding."""
        batch, n, width = x.shape
        size = width // self.heads
        split = (batch, n, self.heads, size)
        query = self.query(x).view(split).transpose(1, 2)
        key = self.key(x).view(split).permute(0, 2, 3, 1)
        value = self.value(x).view(split).transpose(1, 2)
        weight = torch.softmax(query @ key / math.sqrt(size) + bias, dim=-1)
        mixed = (weight @ value).transpose(1, 2).reshape(batch, n, width)
        x = self.norm_attention(x + self.dropout(self.out(mixed)))
        inner = nn.functional.gelu(self.up(x))
        return self.norm_out(x + self.dropout(self.down(inner)))


class Body(nn.Module):
    """Ids `(batch, n)` to features `(batch, n, width)`."""

    def __init__(self, config: BodyConfig) -> None:
        super().__init__()
        self.config = config
        self.words = nn.Embedding(config.vocabulary, config.width)
        self.positions = nn.Embedding(config.positions, config.width)
        self.norm = nn.LayerNorm(config.width, eps=1e-12)
        self.dropout = nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, ids: Tensor, bias: Tensor) -> Tensor:
        """Embed and run every layer."""
        x = self.norm(self.words(ids) + self.positions.weight[: ids.shape[1]])
        x = self.dropout(x)
        for layer in self.layers:
            x = layer(x, bias)
        return x


class LanguageNet(nn.Module):
    """The whole encoder. Outputs are named in `OUTPUTS`."""

    OUTPUTS = ("tokens", *SLOTS, "reason", "pointer")

    def __init__(self, config: BodyConfig) -> None:
        super().__init__()
        self.body = Body(config)
        width = config.width
        self.queries = nn.Parameter(torch.randn(len(SLOTS) + 1, width) / math.sqrt(width))
        self.key = nn.Linear(width, width)
        self.mixers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width // 2), nn.GELU(), nn.Dropout(config.dropout))
            for _ in range(len(SLOTS) + 1)
        )
        sizes = [len(CLASSES[slot]) for slot in SLOTS] + [len(REASONS)]
        self.classifiers = nn.ModuleList(nn.Linear(width // 2, size) for size in sizes)
        for slot in SLOTS:
            self.register_buffer(f"codes_{slot}", torch.from_numpy(slot_codes(slot).copy()))

    def logits(self, ids: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the logits per slot and for the reason, and the attention `(batch, 8, n)`."""
        bias = (ids == 0).to(torch.float32)[:, None, None, :] * -1e4
        x = self.body(ids, bias)
        score = self.queries @ self.key(x).transpose(1, 2) / math.sqrt(x.shape[-1])
        attention = torch.softmax(score + bias[:, 0], dim=-1)
        pooled = attention @ x
        heads = zip(self.mixers, self.classifiers, strict=True)
        found = [classify(mix(pooled[:, at])) for at, (mix, classify) in enumerate(heads)]
        return found, attention

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        """Ids `(batch, n)`, 0 for padding, to the tensors of `OUTPUTS`."""
        logits, attention = self.logits(ids)
        probabilities = [torch.softmax(found, dim=-1) for found in logits]
        codes = [getattr(self, f"codes_{slot}") for slot in SLOTS]
        pairs = zip(probabilities[: len(SLOTS)], codes, strict=True)
        tokens = torch.stack([probability @ code for probability, code in pairs], dim=1)
        assert tokens.shape[1:] == (len(SLOTS), TOKEN_SIZE)
        return tokens, *probabilities, attention[:, -1]


def load_bert(body: Body, weights: dict[str, Tensor], rows: list[int]) -> None:
    """Copy BERT weights into a body, keeping the vocabulary `rows` and the first layers."""
    state = {
        "words.weight": weights["embeddings.word_embeddings.weight"][rows],
        "positions.weight": weights["embeddings.position_embeddings.weight"][
            : body.config.positions
        ]
        + weights["embeddings.token_type_embeddings.weight"][0],
        "norm.weight": weights["embeddings.LayerNorm.weight"],
        "norm.bias": weights["embeddings.LayerNorm.bias"],
    }
    names = {
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "out": "attention.output.dense",
        "norm_attention": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "norm_out": "output.LayerNorm",
    }
    for at in range(body.config.layers):
        for ours, theirs in names.items():
            for part in ("weight", "bias"):
                state[f"layers.{at}.{ours}.{part}"] = weights[
                    f"encoder.layer.{at}.{theirs}.{part}"
                ]
    body.load_state_dict(state)
