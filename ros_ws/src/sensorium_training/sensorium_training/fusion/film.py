"""Feature-wise modulation: the command scales what every sense says before it is put together.

FiLM (Perez et al. 2018) of each token by the command, then concatenation; and beside the geometry,
which holds what was felt and is remembered, the same numbers times gains that the command sets.
What a word means for what is felt is a product: a block that gave way 3 mm is to be lifted for
"soft" and put down for "hard". Of words that are merely put beside it, as in `concatenation`, a
network learns that late or not at all.
"""

from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.concatenation import Concatenation
from sensorium_training.fusion.interface import Fused


class Film(Concatenation):
    """`W [(1 + s_i(text)) token_i + b_i(text)]_i + b`, and `gain(text) * geometry`.

    A learned token stands for an absent sense.
    """

    modulates = True

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        self.film = nn.Linear(config.text_channels, 2 * config.senses * config.width)
        self.gain = nn.Linear(config.text_channels, config.geometry)

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`. Weights: as of `Concatenation`, of the modulated tokens."""
        scale, shift = self.film(text).unflatten(-1, (tokens.shape[1], -1)).chunk(2, -1)
        return super().forward(tokens * (1 + scale) + shift, valid, text, forces)

    def modulated(self, geometry: Tensor, text: Tensor) -> list[Tensor]:
        """See `Fusion.modulated`."""
        return [geometry * self.gain(text)]
