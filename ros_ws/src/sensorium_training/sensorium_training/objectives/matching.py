"""Do these senses and this instruction belong together (ITM, as in ViLT and ALBEF)?

Instruction and sense tokens are fused by a small transformer (Kim et al. 2021), a binary head
reads its class token. Negatives come from the same batch: for each row another row's instruction
and another row's senses, drawn evenly or, as ALBEF does (Li et al. 2021), by similarity. Rows that
were told the same words are never each other's negatives.
"""

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium_training.objectives.infonce import Temperature, contrast
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Senses,
    Shapes,
    Terms,
    exact,
    mean_over,
    plain_arithmetic,
    wiped,
)

Tokens = tuple[Tensor, Tensor]
"""Tokens `(n, k, width)` and their mask `(n, k)`."""


class MatchingConfig(ObjectiveConfig):
    """What is matched with what."""

    instruction: str
    """The sense whose tokens are the words."""
    senses: Senses
    """Those that see and feel the episode; a row needs at least one of them."""
    width: int = Field(default=64, gt=0, multiple_of=4)
    layers: int = Field(default=1, gt=0)
    hard: bool = False
    """Draw negatives by similarity."""

    @model_validator(mode="after")
    def _words_are_not_seen(self) -> "MatchingConfig":
        if self.instruction in self.senses:
            raise ValueError("the instruction may not be among the senses that it is matched with")
        return self


def draw_negatives(
    scores: Tensor, allowed: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """For each row one other, drawn by softmax of scores: index `(n,)`, and whether there is one.

    `allowed` `(n, n)` says which rows may serve; the index of a row without any is its own.
    """
    n = len(scores)
    own = torch.arange(n, device=scores.device)
    has = allowed.any(1)
    odds = torch.softmax(scores.masked_fill(~allowed, -torch.inf)[has], -1)
    drawn = own.clone()
    if len(odds):
        found = torch.multinomial(odds.to(generator.device), 1, generator=generator)
        drawn[has] = found.squeeze(1).to(scores.device)
    return drawn, has


class Matching(Objective):
    """Binary cross entropy of matched and mismatched pairs."""

    def __init__(self, config: MatchingConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config, w = config, config.width
        names = (config.instruction, *config.senses)
        self.project = nn.ModuleDict({name: nn.Linear(shapes.of(name).width, w) for name in names})
        self.identity = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(w) * 0.1) for name in names}
        )
        self.query = nn.Parameter(torch.randn(w) * 0.1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                w, 4, 2 * w, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(config.layers)
        )
        self.judge = nn.Sequential(nn.LayerNorm(w), nn.Linear(w, 1))
        self.temperature = Temperature(0.1) if config.hard else None

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs the tokens of instruction and senses, and `instruction` ids."""
        rows = self._rows(batch)
        words = self._tokens(batch, self.config.instruction, rows)
        parts = [self._tokens(batch, sense, rows) for sense in self.config.senses]
        seen = torch.cat([part[0] for part in parts], 1), torch.cat([part[1] for part in parts], 1)
        allowed = batch.strangers(rows)
        with plain_arithmetic(words[0]):
            alike = self._alike(words, seen)
        other_words, has = draw_negatives(self._scores(alike), allowed, generator)
        other_seen, _ = draw_negatives(self._scores(alike.T), allowed.T, generator)
        logits = self._judge(
            _stack(words, _pick(words, other_words[has]), _pick(words, has)),
            _stack(seen, _pick(seen, has), _pick(seen, other_seen[has])),
        )
        matched, wrong = logits[: len(rows)], logits[len(rows) :]
        loss = mean_over(F.softplus(-matched), 2 * len(matched)) + mean_over(
            F.softplus(wrong), 2 * len(wrong)
        )
        right = mean_over((matched > 0).float(), 2 * len(matched)) + mean_over(
            (wrong < 0).float(), 2 * len(wrong)
        )
        logs = {
            "accuracy": right.detach(),
            "rows": torch.tensor(float(len(rows))),
            "negatives": torch.tensor(float(len(wrong))),
        }
        return Terms(loss + self._learn_alike(alike, allowed), logs)

    def _rows(self, batch: Batch) -> Tensor:
        """Rows with an instruction and at least one of the senses."""
        told = batch.rows(self.config.instruction)
        felt = torch.cat([batch.rows(sense) for sense in self.config.senses])
        return told[torch.isin(told, felt)]

    def _tokens(self, batch: Batch, sense: str, rows: Tensor) -> Tokens:
        """Projected tokens of some rows; those of an invalid sense are masked away."""
        tokens, mask = batch.token_set(sense, rows)
        mask = mask & batch.valid[sense].bool()[rows].unsqueeze(1)
        projected = self.project[sense](wiped(tokens, mask)) + self.identity[sense]
        return projected, mask

    def _judge(self, words: Tokens, seen: Tokens) -> Tensor:
        """Logits `(n,)`: positive when they belong together."""
        n = len(words[0])
        query = self.query.expand(n, 1, -1).to(words[0].dtype)
        x = torch.cat([query, words[0], seen[0]], 1)
        padding = ~torch.cat([torch.ones_like(words[1][:, :1]), words[1], seen[1]], 1)
        if n == 0:  # torch's attention takes no empty batch; the row is cut off again below
            x = torch.cat([x, x.new_zeros(1, *x.shape[1:])])
            padding = padding.new_zeros(1, padding.shape[1])
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=padding)
        return exact(self.judge(x[:n, 0]).squeeze(-1))

    def _alike(self, words: Tokens, seen: Tokens) -> Tensor:
        """Cosines `(n, n)` of mean tokens: instruction of the row, senses of the column."""
        a, b = (F.normalize(_mean(exact(tokens), mask), dim=-1) for tokens, mask in (words, seen))
        return a @ b.T

    def _scores(self, alike: Tensor) -> Tensor:
        if self.temperature is None:
            return torch.zeros_like(alike)
        return (alike / self.temperature()).detach()

    def _learn_alike(self, alike: Tensor, allowed: Tensor) -> Tensor:
        """InfoNCE of the similarity by which hard negatives are drawn; same words do not count."""
        if self.temperature is None:
            return alike.sum() * 0.0
        return contrast(alike / self.temperature(), allowed).loss


def _stack(*sets: Tokens) -> Tokens:
    return torch.cat([tokens for tokens, _ in sets]), torch.cat([mask for _, mask in sets])


def _pick(tokens: Tokens, rows: Tensor) -> Tokens:
    return tokens[0][rows], tokens[1][rows]


def _mean(tokens: Tensor, mask: Tensor) -> Tensor:
    return wiped(tokens, mask).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
