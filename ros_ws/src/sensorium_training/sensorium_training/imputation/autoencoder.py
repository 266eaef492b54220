"""Missing-modality autoencoder: residual autoencoders in a row complete the set of tokens.

As Tran et al. 2017 (Missing Modalities Imputation via Cascaded Residual Autoencoder), and as MMIN
(Zhao et al. 2021) has it on latent vectors: each autoencoder sees the set as completed so far,
at first with zeros, and gives the change that is still wanted. Different here: each autoencoder is
told which senses are there, and those are left as they are; all are trained at once.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import present
from sensorium_training.imputation.interface import Imputer, any_of, bottleneck


class CascadedAutoencoder(Imputer):
    """`x_k+1 = x_k + missing * A_k(x_k, there)` over the senses for which something may stand in.

    It hears no other sense: with `contact_gate`, whose stand-ins leave force out, no force.
    """

    def __init__(self, config: NetConfig, senses: tuple[int, ...]) -> None:
        super().__init__(config)
        self.guessed = senses
        channels = len(senses) * config.width
        self.stages = nn.ModuleList(
            bottleneck(channels + len(senses), channels, config) for _ in range(config.cascade)
        )

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """See `Imputer.forward`."""
        flags = (valid[:, list(self.guessed)] > 0.5).to(tokens.dtype)
        known = present(self.statistics.plain(tokens, self.guessed), flags)
        guesses, missing = known, any_of(flags) * (1.0 - flags.unsqueeze(-1))
        for stage in self.stages:
            change = stage(torch.cat([guesses.flatten(1), flags], -1))
            guesses = guesses + missing * change.unflatten(1, (len(self.guessed), -1))
        return self.statistics.back(guesses, self.guessed)

    def _terms(self, tokens: Tensor, valid: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """`reconstruction`: of the senses that were hidden though they are there."""
        senses = list(self.guessed)
        judged = (valid - seen)[:, senses]
        error = self.statistics.error(self(tokens, seen), tokens, judged, senses)
        return {"reconstruction": error}
