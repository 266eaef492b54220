"""Image augmentation for pretraining: RandAugment less all that would make a label or a pose lie.

RandAugment (Cubuk et al. 2020) draws a few operations per image at one magnitude. ViLT leaves out
colour inversion, because language names colours, and cutout, because small things vanish (Kim et
al. 2021). Left out here besides: solarising, equalising, hue turns and large colour changes, which
turn one colour word into another; and everything that moves pixels (flip, rotation, shear, shift),
because the scene would move and the action not. Clouds are augmented in `batches.Augmentation`.
"""

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from sensorium_core.errors import ShapeError
from torch import Tensor
from torch.nn import functional as F

Operation = Callable[[Tensor, Tensor], Tensor]
"""Images `(b, 3, h, w)` in 0..1 and strengths `(b, 1, 1, 1)` in -1..1, to images."""

_LUMA = (0.299, 0.587, 0.114)


class ImageAugmentationConfig(BaseModel):
    """How strongly images are changed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    operations: int = Field(default=2, ge=0, le=3)
    """Drawn for each image, with replacement."""
    magnitude: float = Field(default=0.9, ge=0, le=1)
    """Of 1: at 1, and two operations, each nominal colour is still nearest to its own word."""


def brightness(image: Tensor, strength: Tensor) -> Tensor:
    """A lamp up to 12 % brighter or darker."""
    return image * (1 + 0.12 * strength)


def contrast(image: Tensor, strength: Tensor) -> Tensor:
    """Up to 15 % away from, or towards, the mean grey of the image."""
    mean = _grey(image).mean((2, 3), keepdim=True)
    return mean + (image - mean) * (1 + 0.15 * strength)


def saturation(image: Tensor, strength: Tensor) -> Tensor:
    """Up to 15 % away from, or towards, the grey of each pixel."""
    grey = _grey(image)
    return grey + (image - grey) * (1 + 0.15 * strength)


def warmth(image: Tensor, strength: Tensor) -> Tensor:
    """White balance: red up and blue down by up to 6 %, or the other way round."""
    gain = torch.tensor([0.06, 0.0, -0.06], device=image.device, dtype=image.dtype)
    return image * (1 + gain.reshape(1, 3, 1, 1) * strength)


def gamma(image: Tensor, strength: Tensor) -> Tensor:
    """Exposure curve: exponents of 0.87 to 1.15."""
    return image.clamp(min=0) ** (1.15**strength)


def sharpness(image: Tensor, strength: Tensor) -> Tensor:
    """Up to half way towards a 3 x 3 average, or as far beyond."""
    soft = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return image + (image - soft) * (0.5 * strength)


def posterise(image: Tensor, strength: Tensor) -> Tensor:
    """256 to 16 levels of each channel, to the nearest."""
    levels = 255 - 240 * strength.abs()
    return (image * levels).round() / levels


def stretch(image: Tensor, strength: Tensor) -> Tensor:
    """Up to 15 % of the way to autocontrast, with one range for all channels, so hues stay."""
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    full = (image - low) / (high - low).clamp(min=0.05)
    return image + (full - image) * (0.15 * strength.abs())


OPERATIONS: tuple[Operation, ...] = (
    brightness, contrast, saturation, warmth, gamma, sharpness, posterise, stretch,
)  # fmt: skip


class ImageAugmentation:
    """Draws operations for each image of a batch. Neither shape nor place of anything changes."""

    def __init__(self, config: ImageAugmentationConfig) -> None:
        self.config = config

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Uint8 `(b, h, w, 3)` to a new batch of the same; chance from a generator on the CPU.

        Raises:
            ShapeError: these are not uint8 images.
        """
        if images.dim() != 4 or images.shape[-1] != 3 or images.dtype != torch.uint8:
            got = f"{tuple(images.shape)} {images.dtype}"
            raise ShapeError("images to augment", got, "(b, h, w, 3) torch.uint8")
        return self.apply(images, *self.plan(len(images), generator))

    def plan(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Which operations `(count, operations)` and how strongly -1..1, before there are images.

        So processes that hold a share of the images each can draw for all of them alike.
        """
        which, strength = [], []
        for _ in range(self.config.operations):
            which.append(torch.randint(len(OPERATIONS), (count,), generator=generator))
            sign = torch.rand(count, generator=generator) * 2 - 1
            strength.append(sign * self.config.magnitude)
        if not which:
            return torch.zeros(count, 0, dtype=torch.long), torch.zeros(count, 0)
        return torch.stack(which, 1), torch.stack(strength, 1)

    def apply(self, images: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        """The images after what `plan` drew for them; the arguments are as it gives them."""
        x = images.permute(0, 3, 1, 2).float() / 255
        for at in range(which.shape[1]):
            x = self._layer(x, which[:, at], strength[:, at].to(x.device))
        return (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def _layer(self, x: Tensor, which: Tensor, strength: Tensor) -> Tensor:
        """One operation on each image; the result stays within 0..1."""
        changed = x.clone()
        for at, operation in enumerate(OPERATIONS):
            rows = (which == at).nonzero().squeeze(1).to(x.device)
            if len(rows):
                changed[rows] = operation(x[rows], strength[rows].reshape(-1, 1, 1, 1))
        return changed.clamp(0, 1)


def _grey(image: Tensor) -> Tensor:
    """`(b, 1, h, w)`."""
    weight = torch.tensor(_LUMA, device=image.device, dtype=image.dtype)
    return (image * weight.reshape(1, 3, 1, 1)).sum(1, keepdim=True)
