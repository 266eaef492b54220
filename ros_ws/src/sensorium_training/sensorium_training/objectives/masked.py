"""Masked autoencoding of one sense: hide an event, encode the rest, tell what was hidden.

Sources: He et al. 2022 (MAE: loss only on what is hidden, patches normalised), Xie et al. 2022
(SimMIM: a learned value stands where the input is hidden, so that any encoder will do). For force
the hidden part is a whole event, see `masking`. What is hidden is replaced before the encoder.
"""

import torch
from pydantic import Field, model_validator
from sensorium_core.errors import ShapeError
from torch import Tensor, nn

from sensorium_training.objectives.decoder import PlaceDecoder
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Shapes,
    Terms,
    exact,
    mean_over,
)
from sensorium_training.objectives.masking import Hidden, mask_patches, mask_window

_NOISE = 4.0
"""Added to the deviation of a patch, in grey levels, so that a flat one is not blown up."""


class MaskedConfig(ObjectiveConfig):
    """What is hidden of which sense. Windows are told from images by their shape."""

    sense: str
    fingers: int = Field(default=1, gt=0)
    """Of a window; channels are grouped by finger, force first."""
    threshold_n: float = Field(default=0.5, gt=0)
    """Above it a finger, or the wrist, is in contact."""
    scale_n: float = Field(default=2.0, gt=0)
    """Forces are compared after asinh(x / scale): small ones count too."""
    least: float = Field(default=0.15, gt=0, lt=1)
    most: float = Field(default=0.6, gt=0, lt=1)
    """Share of the window that a span or a contact may take."""
    patch: int = Field(default=8, gt=0)
    """Edge of an image patch in pixels."""
    share: float = Field(default=0.75, gt=0, lt=1)
    """Of the patches that are hidden."""

    @model_validator(mode="after")
    def _ordered(self) -> "MaskedConfig":
        if self.least > self.most:
            raise ValueError("least may not exceed most")
        return self


class Masked(Objective):
    """Mean square error on what was hidden."""

    def __init__(self, config: MaskedConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config = config
        shape = shapes.of(config.sense)
        self.sample = shape.sample
        self.is_image = len(shape.sample) == 3
        if len(shape.sample) not in (2, 3) or not self._divides():
            raise ShapeError(
                f"masked autoencoding of {config.sense}", shape.sample,
                f"(steps, channels) in {config.fingers} equal fingers, or (h, w, 3) in patches "
                f"of {config.patch} pixels",
            )  # fmt: skip
        channels = shape.sample[-1]
        middle = 127.5 if self.is_image else 0.0
        self.fill = nn.Parameter(middle + 0.1 * torch.randn(channels))
        edge = config.patch
        places = self.sample[0] * self.sample[1] // edge**2 if self.is_image else self.sample[0]
        out = 3 * edge**2 if self.is_image else channels
        self.decoder = PlaceDecoder(shape.width, places, out)

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs samples and the encoder of the sense."""
        rows = batch.rows(self.config.sense)
        sample = exact(batch.sample(self.config.sense, rows))
        drawn = self.mask(sample, generator)
        hidden = drawn.where
        latent = batch.encoder(self.config.sense)(self.hide(sample, hidden))
        told = exact(self.decoder(latent))
        truth, places = self._truth(sample, hidden)
        square = (told - truth).square() * places
        loss = mean_over(square, int(places.sum()))
        blank = mean_over(truth.square() * places, int(places.sum()))
        share = mean_over(hidden.float(), hidden.numel())
        logs = {"error": loss.detach(), "error_of_zero": blank.detach(), "hidden": share}
        for event, flags in drawn.rows.items():
            logs[f"hidden_{event}"] = mean_over(flags.float(), len(flags))
        return Terms(loss, logs)

    def mask(self, sample: Tensor, generator: torch.Generator) -> Hidden:
        """What is hidden: of `(b, steps, channels)`, or `(b, h, w, 1)` of an image."""
        c = self.config
        if not self.is_image:
            return mask_window(sample, c.fingers, c.threshold_n, c.least, c.most, generator)
        rows, cols = self.sample[0] // c.patch, self.sample[1] // c.patch
        patches = mask_patches(len(sample), rows * cols, c.share, generator).to(sample.device)
        grid = patches.reshape(-1, rows, cols, 1)
        return Hidden(grid.repeat_interleave(c.patch, 1).repeat_interleave(c.patch, 2))

    def hide(self, sample: Tensor, hidden: Tensor) -> Tensor:
        """What the encoder sees: the learned fill stands where something is hidden."""
        return torch.where(hidden, self.fill.to(sample.dtype), sample)

    def _truth(self, sample: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """What should be told `(b, places, out)`, and 1 where it was hidden, same shape."""
        if not self.is_image:
            return torch.asinh(sample / self.config.scale_n), hidden.to(sample.dtype)
        patches = _patches(sample, self.config.patch)
        centred = patches - patches.mean(-1, keepdim=True)
        truth = centred / (centred.square().mean(-1, keepdim=True).sqrt() + _NOISE)
        return truth, _patches(hidden.to(sample.dtype).expand_as(sample), self.config.patch)

    def _divides(self) -> bool:
        if len(self.sample) == 3:
            return self.sample[2] == 3 and not any(n % self.config.patch for n in self.sample[:2])
        return self.sample[-1] % self.config.fingers == 0


def _patches(image: Tensor, edge: int) -> Tensor:
    """`(b, h, w, 3)` to `(b, patches, 3 edge²)`, row by row."""
    b, h, w, channels = image.shape
    rows, cols = h // edge, w // edge
    split = image.reshape(b, rows, edge, cols, edge, channels).transpose(2, 3)
    return split.reshape(b, rows * cols, channels * edge**2)
