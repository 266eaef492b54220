"""Every sense is bound to one anchor sense, and so to every other (ImageBind, Girdhar 2023).

The anchor has one projection for all. A sense that is missing in a row, or a row without the
anchor, takes no part in that sense's InfoNCE.
"""

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from sensorium_training.objectives.critics import CriticName
from sensorium_training.objectives.infonce import LEAST, MOST, PairContrast
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Senses,
    Shapes,
    Terms,
)


class BindingConfig(ObjectiveConfig):
    """What is bound to what."""

    anchor: str
    senses: Senses
    """Without the anchor."""
    width: int = Field(default=64, gt=0)
    critic: CriticName = "cosine"
    temperature: float = Field(default=0.07, gt=LEAST, lt=MOST)
    instruction: str | None = None
    """The sense whose tokens are words, if it is among these: rows that were told the same words
    are not each other's negatives."""

    @model_validator(mode="after")
    def _not_to_itself(self) -> "BindingConfig":
        if self.anchor in self.senses:
            raise ValueError("the anchor may not be among the senses that are bound to it")
        return self


class Binding(Objective):
    """Mean of InfoNCE between the anchor and each sense."""

    def __init__(self, config: BindingConfig, shapes: Shapes) -> None:
        super().__init__()
        self.anchor, self.senses = config.anchor, config.senses
        self.instruction = shapes.known(config.instruction)
        self.project = nn.ModuleDict(
            {
                sense: nn.Linear(shapes.of(sense).width, config.width)
                for sense in (config.anchor, *config.senses)
            }
        )
        self.contrasts = nn.ModuleDict(
            {
                sense: PairContrast(config.critic, config.width, config.temperature)
                for sense in config.senses
            }
        )

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings of the anchor and of every sense."""
        losses: list[Tensor] = []
        logs: dict[str, Tensor] = {}
        for sense in self.senses:
            rows = batch.rows(self.anchor, sense)
            anchor = self.project[self.anchor](batch.embedding(self.anchor, rows))
            bound = self.project[sense](batch.embedding(sense, rows))
            told = self.instruction in (self.anchor, sense)
            found = self.contrasts[sense](anchor, bound, batch.strangers(rows) if told else None)
            losses.append(found.loss)
            logs |= self.contrasts[sense].logs(f"{self.anchor}~{sense}", len(rows), found)
        return Terms(torch.stack(losses).mean(), logs)
