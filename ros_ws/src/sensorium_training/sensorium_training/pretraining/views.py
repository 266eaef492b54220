"""How the samples of a batch are changed before they are encoded, in physical units.

Images as in `objectives.augmentation`; clouds as in `batches`; forces and joints by what their
sensors do anyway. All is drawn for the whole batch and applied to a share of it, so that the rows
of a batch are changed alike however many processes it is spread over.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sensorium_training.batches import Augmentation
from sensorium_training.objectives.augmentation import ImageAugmentation, ImageAugmentationConfig


@dataclass(frozen=True)
class ViewConfig:
    """Standard deviations and ranges."""

    gain: float = 0.1
    """Forces are scaled by up to this, up or down."""
    force_n: float = 0.05
    torque_nm: float = 0.005
    pads_n: float = 0.02
    joints: float = 0.002
    """rad, m and per second."""
    images: ImageAugmentationConfig = field(default_factory=ImageAugmentationConfig)


class Views:
    """Draws changed samples."""

    def __init__(self, config: ViewConfig | None = None) -> None:
        self.config = config or ViewConfig()
        self._images = ImageAugmentation(self.config.images)
        self._cloud = Augmentation()

    def __call__(
        self, samples: Mapping[str, Tensor], total: int, share: slice, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """New samples by sense; those given are `share` of a batch of `total` rows."""
        draw = _Draw(total, share, generator)
        return {sense: self._changed(sense, samples[sense], draw) for sense in sorted(samples)}

    def _changed(self, sense: str, sample: Tensor, draw: "_Draw") -> Tensor:
        c = self.config
        if sense.endswith("_rgb"):
            which, strength = self._images.plan(draw.total, draw.generator)
            return self._images.apply(sample, which[draw.share], strength[draw.share])
        if sense == "cloud":
            return self._moved(sample, draw)
        if sense == "joints":
            return sample + c.joints * draw.normal(sample)
        noise = torch.full(sample.shape[-1:], c.pads_n)
        if sense == "wrench":
            noise = torch.tensor([c.force_n] * 3 + [c.torque_nm] * 3)
        gain = 1 + c.gain * draw.uniform(1, 1).to(sample.device)
        return sample * gain + noise.to(sample.device) * draw.normal(sample)

    def _moved(self, cloud: Tensor, draw: "_Draw") -> Tensor:
        """Points jittered and their colours brighter or darker; padding stays zero."""
        shift = draw.normal(cloud[..., :3]) * self._cloud.point_m * cloud[..., 6:]
        gain = 1 + self._cloud.brightness * draw.uniform(1, 3).to(cloud.device)
        colour = (cloud[..., 3:6] * gain).clamp(0, 1)
        return torch.cat([cloud[..., :3] + shift, colour, cloud[..., 6:]], -1)


@dataclass(frozen=True)
class _Draw:
    """Random numbers for a whole batch, of which a share is kept."""

    total: int
    share: slice
    generator: torch.Generator

    def normal(self, like: Tensor) -> Tensor:
        drawn = torch.randn(self.total, *like.shape[1:], generator=self.generator)
        return drawn[self.share].to(like.device)

    def uniform(self, *shape: int) -> Tensor:
        """From -1 to 1."""
        return torch.rand(self.total, *shape, generator=self.generator)[self.share] * 2 - 1
