"""Action-conditional flow from the fused latent, learned from the next image alone.

Lee et al. 2019 regress flow that they compute from a known camera and known shapes. A recording
has neither, and labels are what pretraining does without, so the flow is judged by what it does:
it warps the image now towards the next one, and what differs is the loss (Yu et al. 2016, "Back to
basics"; Charbonnier penalty and smoothness). A latent can only do well if it knows what the action
will move. Where there is no texture only the smoothness decides.
"""

import torch
from pydantic import Field
from sensorium_core.errors import ShapeError
from torch import Tensor
from torch.nn import functional as F

from sensorium_training.objectives.decoder import PlaceDecoder
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Senses,
    Shapes,
    Terms,
    exact,
    mean_over,
    plain_arithmetic,
)
from sensorium_training.objectives.lee import Fusion

_EPSILON = 0.01


class FlowConfig(ObjectiveConfig):
    """Of which image, from which senses."""

    image: str
    senses: Senses
    stride: int = Field(default=2, gt=0)
    """Every so many pixels of the image are compared."""
    cell: int = Field(default=8, gt=0)
    """Edge of a cell of flow, in compared pixels; in between it is interpolated."""
    reach_px: float = Field(default=8.0, gt=0)
    """Largest flow, in compared pixels."""
    smoothness: float = Field(default=0.02, ge=0)
    width: int = Field(default=64, gt=0)


def warp(image: Tensor, flow_px: Tensor) -> tuple[Tensor, Tensor]:
    """`(b, c, h, w)` seen through a flow `(b, 2, h, w)`: out(x) = image(x + flow(x)).

    Flow is x (right), y (down) in pixels. Also 1 where the place lies within the image
    `(b, 1, h, w)`. Bilinear; zero flow is the identity.
    """
    h, w = image.shape[-2:]
    options = {"device": image.device, "dtype": image.dtype}
    rows, cols = torch.meshgrid(
        torch.arange(h, **options), torch.arange(w, **options), indexing="ij"
    )
    x, y = cols + flow_px[:, 0], rows + flow_px[:, 1]
    inside = (x >= 0) & (x <= w - 1) & (y >= 0) & (y <= h - 1)
    grid = torch.stack([2 * x / (w - 1) - 1, 2 * y / (h - 1) - 1], -1)
    moved = F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)
    return moved, inside.unsqueeze(1).to(image.dtype)


def photometric(now: Tensor, later: Tensor, flow_px: Tensor) -> Tensor:
    """Charbonnier difference `(b,)` of the next image and the warped one, places inside only."""
    moved, inside = warp(now, flow_px)
    each = ((moved - later).square() + _EPSILON**2).sqrt() - _EPSILON
    weight = inside.expand_as(each)
    return (each * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp(min=1)


class LatentFlow(Objective):
    """Photometric error of the flow that a latent and an action foretell."""

    def __init__(self, config: FlowConfig, shapes: Shapes) -> None:
        super().__init__()
        self.config = config
        step = config.stride * config.cell
        shape = shapes.of(config.image).sample
        if len(shape) != 3 or shape[0] % step or shape[1] % step:
            raise ShapeError(
                f"flow of {config.image}", shape,
                f"(h, w, 3) whose edges are multiples of stride x cell = {step}",
            )  # fmt: skip
        self.grid = (shape[0] // step, shape[1] // step)
        self.fusion = Fusion(config.senses, shapes, config.width, always=config.image)
        self.decoder = PlaceDecoder(config.width, self.grid[0] * self.grid[1], 2)

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs embeddings, samples of the image now and in `future`."""
        c, future = self.config, batch.needed_future()
        seen = Batch(valid=future.valid, samples=future.samples)
        rows = self.fusion.rows(batch)
        both = torch.isin(rows, seen.rows(c.image)) & torch.isin(rows, batch.rows(c.image))
        rows = rows[both]
        coarse = self.coarse_flow(batch, rows, future.action[rows])
        with plain_arithmetic(coarse):
            now, later = (
                self._small(batch.sample(c.image, rows)).to(coarse.dtype),
                self._small(seen.sample(c.image, rows)).to(coarse.dtype),
            )
            flow = F.interpolate(coarse, now.shape[-2:], mode="bilinear", align_corners=False)
            error = mean_over(photometric(now, later, flow), len(rows))
            loss = error + c.smoothness * mean_over(_roughness(coarse), len(rows))
            still = mean_over(photometric(now, later, torch.zeros_like(flow)), len(rows))
            logs = {
                "error": error.detach(),
                "error_of_stillness": still,
                "flow_px": mean_over(coarse.detach().norm(dim=1), coarse[:, 0].numel()),
                "rows": torch.tensor(float(len(rows))),
            }
        return Terms(loss, logs)

    def coarse_flow(self, batch: Batch, rows: Tensor, action: Tensor) -> Tensor:
        """Flow of each cell `(n, 2, rows, cols)` in compared pixels."""
        latent = self.fusion(batch, rows, action)
        flow = exact(self.decoder(latent)).transpose(1, 2).unflatten(2, self.grid)
        return self.config.reach_px * torch.tanh(flow)

    def _small(self, image: Tensor) -> Tensor:
        """`(b, h, w, 3)` in 0..255 to `(b, 3, h', w')` in 0..1, averaged over the stride."""
        scaled = exact(image).permute(0, 3, 1, 2) / 255
        return F.avg_pool2d(scaled, self.config.stride)


def _roughness(flow: Tensor) -> Tensor:
    """Mean difference of neighbouring cells `(b,)` [px]."""
    across = (flow[..., 1:] - flow[..., :-1]).abs().flatten(1)
    down = (flow[..., 1:, :] - flow[..., :-1, :]).abs().flatten(1)
    return torch.cat([across, down], 1).mean(1)
