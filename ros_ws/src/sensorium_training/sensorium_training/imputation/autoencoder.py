"""Missing-modality autoencoder: residual autoencoders in a row complete the set of tokens.

As Tran et al. 2017 (Missing Modalities Imputation via Cascaded Residual Autoencoder), and as MMIN
(Zhao et al. 2021) has it on latent vectors: each autoencoder sees the set as completed so far and
gives the change that is still wanted. Different here: what is missing begins as a learned token
and not as zeros; each autoencoder is told which senses are there; those are left as they are.
"""

import torch
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.imputation.interface import Imputer, bottleneck, placed, relative_error


class CascadedAutoencoder(Imputer):
    """`x_k+1 = x_k + missing * A_k(x_k, there)` over the senses for which something may stand in.

    It hears no other sense: with `contact_gate`, whose stand-ins leave force out, no force.
    """

    def __init__(self, config: NetConfig, senses: tuple[int, ...]) -> None:
        super().__init__()
        self.senses = senses
        channels = len(senses) * config.width
        self.stages = nn.ModuleList(
            bottleneck(channels + len(senses), channels, config) for _ in range(config.cascade)
        )

    def forward(self, tokens: Tensor, valid: Tensor, learned: Tensor) -> Tensor:
        """See `Imputer.forward`."""
        senses = list(self.senses)
        here = valid[:, senses] > 0.5
        there, flags = here.unsqueeze(-1), here.to(tokens.dtype)
        guesses = torch.where(there, tokens[:, senses], learned[senses])
        for stage in self.stages:
            change = stage(torch.cat([guesses.flatten(1), flags], -1))
            change = change.unflatten(1, (len(senses), -1))
            guesses = torch.where(there, guesses, guesses + change)
        return placed(guesses, self.senses, learned)

    def losses(
        self, tokens: Tensor, valid: Tensor, hidden: Tensor, learned: Tensor
    ) -> dict[str, Tensor]:
        """`reconstruction`: relative error of the senses that were hidden though they are there."""
        tokens, senses = tokens.detach(), list(self.senses)
        guesses = self(tokens, valid * (1.0 - hidden), learned)
        error = relative_error(
            guesses[:, senses], tokens[:, senses], hidden[:, senses], valid[:, senses]
        )
        return {"reconstruction": error}
