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
from sensorium_training.imputation.interface import Imputer, any_of, bottleneck

SOURCES = tuple(SENSES.index(name) for name in ("scene_rgb", "cloud", "wrist_rgb"))
"""The senses that see."""


class CyclicTranslation(Imputer):
    """Wrench and pads from what is seen; neither a force nor the joints are looked at."""

    guessed = FORCE_SENSES

    def __init__(self, config: NetConfig) -> None:
        super().__init__(config)
        seen, felt = len(SOURCES) * config.width, len(FORCE_SENSES) * config.width
        self.there = bottleneck(seen + len(SOURCES), felt, config)
        self.back = bottleneck(felt, seen, config)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """See `Imputer.forward`."""
        return self.statistics.back(self._forces(tokens, valid), FORCE_SENSES)

    def _forces(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """Wrench and pads `(b, 2, width)`, about 0 and 1, of what is seen; 0 where nothing is."""
        flags = (valid[:, list(SOURCES)] > 0.5).to(tokens.dtype)
        seen = present(self.statistics.plain(tokens, SOURCES), flags)
        forces = self.there(torch.cat([seen.flatten(1), flags], -1))
        return any_of(flags) * forces.unflatten(1, (len(FORCE_SENSES), -1))

    def _terms(self, tokens: Tensor, valid: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """`translation`: of valid forces; `cycle`: of the sources that they came from.

        Hidden sources stay out of both, so that the translation learns to do with less.
        """
        forces, statistics = self._forces(tokens, seen), self.statistics
        again = self.back(forces.flatten(1)).unflatten(1, (len(SOURCES), -1))
        sources, felt = seen[:, list(SOURCES)], valid[:, list(FORCE_SENSES)]
        judged = felt * (sources > 0.5).any(-1, keepdim=True)
        return {
            "translation": statistics.error(
                statistics.back(forces, FORCE_SENSES), tokens, judged, list(FORCE_SENSES)
            ),
            "cycle": statistics.error(
                statistics.back(again, SOURCES), tokens, sources, list(SOURCES)
            ),
        }
