"""Force from vision, and back: a translation whose way back must find what was seen.

As MCTN (Pham et al. 2019, Found in Translation): an encoder and a decoder translate the source
into the target over a common embedding; the translation is translated back and compared with the
source (cyclic loss); only the source is needed once trained. Different here: tokens instead of
sequences; several sources and targets at once, so the way back has weights of its own; the policy
acts on the translation and not on the embedding.
"""

import torch
from torch import Tensor

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import FORCE_SENSES, SENSES, present
from sensorium_training.imputation.interface import Imputer, bottleneck, placed, relative_error

SOURCES = tuple(SENSES.index(name) for name in ("scene_rgb", "cloud", "wrist_rgb"))
"""The senses that see."""


class CyclicTranslation(Imputer):
    """`learned + T(vision, there)` for wrench and pads; learned tokens for all else.

    Where no sense sees there is nothing to translate: force has its learned token then, too.
    """

    def __init__(self, config: NetConfig, senses: tuple[int, ...]) -> None:
        super().__init__()
        seen, felt = len(SOURCES) * config.width, len(FORCE_SENSES) * config.width
        self.there = bottleneck(seen + len(SOURCES), felt, config)
        self.back = bottleneck(felt, seen, config)

    def forward(self, tokens: Tensor, valid: Tensor, learned: Tensor) -> Tensor:
        """See `Imputer.forward`. Neither a force nor the joints are looked at."""
        return placed(self._forces(tokens, valid, learned), FORCE_SENSES, learned)

    def _forces(self, tokens: Tensor, valid: Tensor, learned: Tensor) -> Tensor:
        """Tokens of wrench and pads `(b, 2, width)` from what is seen."""
        flags = (valid[:, list(SOURCES)] > 0.5).to(tokens.dtype)
        seen = present(tokens[:, list(SOURCES)], flags)
        change = self.there(torch.cat([seen.flatten(1), flags], -1))
        any_seen = flags.amax(-1, keepdim=True).unsqueeze(-1)
        return learned[list(FORCE_SENSES)] + any_seen * change.unflatten(1, (2, -1))

    def losses(
        self, tokens: Tensor, valid: Tensor, hidden: Tensor, learned: Tensor
    ) -> dict[str, Tensor]:
        """`translation`: relative error of valid forces; `cycle`: of the sources they came from.

        Hidden sources stay out of both, so that the translation learns to do with less.
        """
        tokens, seen = tokens.detach(), (valid * (1.0 - hidden))[:, list(SOURCES)]
        forces = self._forces(tokens, valid * (1.0 - hidden), learned)
        again = self.back(forces.flatten(1)).unflatten(1, (len(SOURCES), -1))
        any_seen = seen.amax(-1, keepdim=True)
        felt = valid[:, list(FORCE_SENSES)]
        return {
            "translation": relative_error(forces, tokens[:, list(FORCE_SENSES)], any_seen, felt),
            "cycle": relative_error(
                again, tokens[:, list(SOURCES)], seen, valid[:, list(SOURCES)]
            ),
        }
