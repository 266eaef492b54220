"""What every imputer takes and gives, and the sums that they share.

An imputer guesses the tokens of missing senses from those that are there. It never changes the
token of a sense that is there, and it computes the same whatever stands in place of a missing one.
Its losses train its own weights and the learned tokens that it starts from, never an encoder: what
a token says is for the policy's losses to decide.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import present

_TINY = 1e-6


class Imputer(nn.Module):
    """A way of guessing; made of a `NetConfig` and the senses for which something may stand in."""

    def forward(self, tokens: Tensor, valid: Tensor, learned: Tensor) -> Tensor:
        """What stands in place of each sense `(b, senses, width)`; only missing ones are asked.

        Args:
            tokens: `(b, senses, width)` as encoded, before the senses' identities are added.
            valid: `(b, senses)`, 1 where a sense is there.
            learned: `(senses, width)`, the learned tokens; what stands in where there is no guess.
        """
        raise NotImplementedError

    def losses(
        self, tokens: Tensor, valid: Tensor, hidden: Tensor, learned: Tensor
    ) -> dict[str, Tensor]:
        """Unweighted terms by name, 0 where nothing can be judged.

        Args:
            tokens: as in `forward`; the targets too, so no gradient flows back into them.
            valid: as in `forward`.
            hidden: `(b, senses)`, 1 where a sense is hidden on purpose; see `hide`.
            learned: as in `forward`.
        """
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


def placed(guesses: Tensor, senses: tuple[int, ...], learned: Tensor) -> Tensor:
    """Guesses `(b, n, width)` in the places of their senses, learned tokens in the others."""
    if len(senses) == len(learned):
        return guesses
    rows = list(learned.unsqueeze(0).expand(len(guesses), -1, -1).unbind(1))
    for row, sense in enumerate(senses):
        rows[sense] = guesses[:, row]
    return torch.stack(rows, 1)


def relative_error(guesses: Tensor, tokens: Tensor, asked: Tensor, valid: Tensor) -> Tensor:
    """Mean square error of the tokens asked for, in parts of their sense's mean square.

    Args:
        guesses: `(b, n, width)`.
        tokens: `(b, n, width)`, the truth where valid.
        asked: `(b, n)`, 1 where a guess is judged; not where the token is missing, in any case.
        valid: `(b, n)`; the mean square is taken over the valid tokens of the batch.
    """
    here = (valid > 0.5).to(tokens.dtype)
    judged = here * (asked > 0.5)
    tokens = present(tokens, here)
    power = tokens.square().mean(-1).sum(0) / here.sum(0).clamp(min=1.0)
    error = present(guesses - tokens, judged).square().mean(-1) / (power + _TINY)
    return error.sum() / judged.sum().clamp(min=1.0)
