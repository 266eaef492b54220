"""What every imputer takes and gives, and what all of them are made of.

An imputer guesses the tokens of missing senses from those that are there. It never changes the
token of a sense that is there, and it computes the same whatever stands in place of a missing one.
Its losses train its own weights only, never an encoder: what a token says is for the policy's
losses to decide. Where no sense that it listens to is there, its guess is the mean token.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import SENSES, present

_SLOWEST = 0.02
"""Smallest part that a batch has in the running statistics."""
_FLOOR = 0.01
"""A channel counts as varying at least by this part of its token's mean variance."""
_TINY = 1e-8


class Statistics(nn.Module):
    """Running mean and variance of every sense's tokens; buffers, learnt in training only.

    Between them tokens of a sense differ by a small part of their length, so that an error must
    be seen beside that difference, and not beside the token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(len(SENSES), width))
        self.register_buffer("variance", torch.ones(len(SENSES), width))
        self.register_buffer("batches", torch.zeros(len(SENSES)))

    @torch.no_grad()
    def learn(self, tokens: Tensor, valid: Tensor) -> None:
        """Take in the valid tokens of a batch; a sense with fewer than two stays as it was."""
        here = (valid > 0.5).to(tokens.dtype)
        count, here = here.sum(0).unsqueeze(-1), here.unsqueeze(-1)
        tokens = present(tokens, valid)
        mean = tokens.sum(0) / count.clamp(min=1.0)
        variance = ((tokens - mean).square() * here).sum(0) / count.clamp(min=1.0)
        told = (count > 1.5).to(tokens.dtype)
        part = told * (1.0 / (self.batches + 1.0)).clamp(min=_SLOWEST).unsqueeze(-1)
        self.mean.add_(part * (mean - self.mean))
        self.variance.add_(part * (variance - self.variance))
        self.batches.add_(told.squeeze(-1))

    def scale(self, senses: tuple[int, ...]) -> Tensor:
        """What a channel of these senses varies by `(n, width)`, never 0."""
        variance = self.variance[list(senses)]
        return torch.sqrt(variance + _FLOOR * variance.mean(-1, keepdim=True) + _TINY)

    def plain(self, tokens: Tensor, senses: tuple[int, ...]) -> Tensor:
        """Tokens of these senses `(b, n, width)`, out of `(b, senses, width)`, about 0 and 1."""
        return (tokens[:, list(senses)] - self.mean[list(senses)]) / self.scale(senses)

    def back(self, plain: Tensor, senses: tuple[int, ...]) -> Tensor:
        """Tokens of these senses from what `plain` gives."""
        return self.mean[list(senses)] + plain * self.scale(senses)

    def error(self, guesses: Tensor, tokens: Tensor, judged: Tensor, senses: list[int]) -> Tensor:
        """Mean square error of guessed tokens, in parts of that of the mean token.

        Args:
            guesses: `(b, n, width)` of these senses.
            tokens: `(b, senses, width)`, the truth where it is judged.
            judged: `(b, n)`, 1 where a guess counts. Nowhere: the error is 0.
            senses: which.
        """
        judged = (judged > 0.5).to(tokens.dtype)
        wrong = present(guesses - tokens[:, senses], judged).square().mean(-1)
        usual = self.variance[senses].mean(-1) + _TINY
        return (wrong / usual).sum() / judged.sum().clamp(min=1.0)


class Imputer(nn.Module):
    """A way of guessing; made of a `NetConfig` and the senses for which something may stand in."""

    guessed: tuple[int, ...]
    """Senses that it guesses."""

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.statistics = Statistics(config.width)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """What stands in place of the guessed senses `(b, n, width)`; only missing ones are used.

        Args:
            tokens: `(b, senses, width)` as encoded, before the senses' identities are added.
            valid: `(b, senses)`, 1 where a sense is there.
        """
        raise NotImplementedError

    def losses(self, tokens: Tensor, valid: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        """Unweighted terms by name; 1 is as bad as the mean token, 0 also where nothing is judged.

        In training mode the statistics learn from the batch first.

        Args:
            tokens: as in `forward`; the targets too, so no gradient flows back into them.
            valid: as in `forward`.
            hidden: `(b, senses)`, 1 where a sense is hidden on purpose; see `hide`.
        """
        tokens = present(tokens.detach(), valid)
        if self.training:
            self.statistics.learn(tokens, valid)
        return self._terms(tokens, valid, valid * (1.0 - hidden))

    def _terms(self, tokens: Tensor, valid: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """As `losses`; `seen` `(b, senses)` is 1 where a sense is there and not hidden."""
        raise NotImplementedError


def hide(valid: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Which senses to hide `(b, senses)`, each with a probability of `share`, there or not."""
    return (torch.rand(valid.shape, generator=rng) < share).to(valid)


def bottleneck(inputs: int, outputs: int, config: NetConfig) -> nn.Sequential:
    """An encoder down to a code, and a decoder from it."""
    hidden, code = config.imputer_hidden, config.imputer_code
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, code), nn.ReLU(),
        nn.Linear(code, hidden), nn.ReLU(), nn.Linear(hidden, outputs),
    )  # fmt: skip


def any_of(flags: Tensor) -> Tensor:
    """Whether any sense is there `(b, 1, 1)`, 0 or 1, of flags `(b, n)` that are 0 or 1."""
    return flags.amax(-1).reshape(-1, 1, 1)
