"""The curriculum of FACTR (Liu et al. 2025): vision starts out blurred, so that force is heard.

Pictures are blurred by a Gaussian in pixels. The cloud loses points instead: those that stay keep
their place and colour, which the words name, but too few are left to tell a shape or a millimetre
by. Both come back to full detail over the first share of the training.
"""

import math
from dataclasses import dataclass

import torch
from sensorium_core.errors import GateConfigError
from torch import Tensor

IMAGES = ("scene_rgb", "wrist_rgb")
_FEWEST = 0.125
"""Share of the cloud's points that stay at full strength: 64 of 512."""


@dataclass(frozen=True)
class BlurCurriculum:
    """How strongly vision is blurred at which part of the training."""

    start_px: float = 0.0
    """Standard deviation of the blur at the start, in the network's pixels; 0: no curriculum."""
    share: float = 0.5
    """Part of the training after which vision is sharp."""

    def __post_init__(self) -> None:
        if not 0 <= self.start_px < math.inf:
            raise GateConfigError(
                "start_px", self.start_px, "a finite number from 0", "curriculum"
            )
        if not 0 < self.share <= 1:
            raise GateConfigError("share", self.share, "above 0 and at most 1", "curriculum")

    def strength(self, progress: float) -> float:
        """From 1 at the start, by a cosine, to 0 at `share` of the training and after it."""
        done = min(max(progress / self.share, 0.0), 1.0)
        return 0.5 * (1.0 + math.cos(math.pi * done)) if done < 1.0 else 0.0

    def apply(self, inputs: dict[str, Tensor], progress: float) -> dict[str, Tensor]:
        """Inputs of the network, batch first, as seen at a part 0..1 of the training; a copy."""
        strength = self.strength(progress)
        if self.start_px == 0.0 or strength == 0.0:
            return dict(inputs)
        seen = {name: blur_images(inputs[name], self.start_px * strength) for name in IMAGES}
        return {**inputs, **seen, "cloud": thin_cloud(inputs["cloud"], strength)}


def blur_images(images: Tensor, sigma_px: float) -> Tensor:
    """Pictures `(b, rows, columns, 3)` uint8, blurred by a Gaussian and rounded."""
    if sigma_px == 0.0:
        return images
    return blur(images.float(), sigma_px).round_().to(torch.uint8)


def blur(images: Tensor, sigma_px: float) -> Tensor:
    """Pictures `(b, rows, columns, channels)` blurred with a standard deviation in pixels.

    The mean of each channel stays; edges are mirrored. Every spatial frequency loses the more, the
    higher it is and the wider the blur.
    """
    if sigma_px == 0.0:
        return images
    size, rows, columns, channels = images.shape
    from_rows, to_rows = (part.to(images) for part in _gaussian(rows, sigma_px))
    from_columns, to_columns = (part.to(images) for part in _gaussian(columns, sigma_px))
    waves = (from_rows @ images.reshape(size, rows, -1)).unflatten(-1, (columns, channels))
    lines = waves.transpose(2, 3).reshape(-1, columns) @ (to_columns @ from_columns).T
    waves = lines.reshape(size, -1, channels, columns).transpose(2, 3).flatten(2)
    return (to_rows @ waves).unflatten(-1, (columns, channels))


def thin_cloud(cloud: Tensor, strength: float) -> Tensor:
    """A cloud `(b, points, 7)` with an even stride of its points, first rows first; rest zeros.

    At strength 0 all stay, at 1 an eighth, and at least one where there was one.
    """
    if strength == 0.0:
        return cloud
    count = cloud[..., 6].sum(1, keepdim=True)
    kept = torch.ceil(count * (1.0 - strength * (1.0 - _FEWEST)))
    place = torch.arange(cloud.shape[1], device=cloud.device, dtype=cloud.dtype)
    rows = torch.floor(place * count / kept.clamp(min=1.0)).long().clamp(max=cloud.shape[1] - 1)
    thinned = torch.gather(cloud, 1, rows.unsqueeze(-1).expand(-1, -1, cloud.shape[-1]))
    return torch.where((place < kept).unsqueeze(-1), thinned, torch.zeros_like(cloud))


def _gaussian(size: int, sigma_px: float) -> tuple[Tensor, Tensor]:
    """Lindeberg's discrete Gaussian (1990) on a mirrored signal, as two factors.

    It is the heat kernel of the grid, `exp(-s^2 (1 - cos w))` at frequency w, which the cosine
    transform makes diagonal. The first factor `(n, size)` gives the n waves of which more than a
    millionth is left, thus few for a wide blur; the second `(size, n)` puts them together.
    """
    place = torch.arange(size, dtype=torch.float64)
    frequency = torch.pi * place / size
    left = torch.exp(-(sigma_px**2) * (1.0 - torch.cos(frequency)))
    kept = int((left > 1e-6).sum())
    waves = torch.cos(torch.outer(frequency[:kept], place + 0.5)) * math.sqrt(2.0 / size)
    waves[0] *= math.sqrt(0.5)
    return waves, waves.T * left[:kept]
