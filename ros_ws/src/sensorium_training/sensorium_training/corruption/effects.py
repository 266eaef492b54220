"""What ails a sense, done to one tensor. Rows are independent, amounts are in physical units.

Nothing is changed in place. Random numbers come from the generator alone, as many at any amount,
so that the same seed at another amount gives the same disturbance, larger or smaller.
"""

import torch
from torch import Tensor

_COLOUR = slice(3, 6)


def noisy(values: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    """Readings `(b, ..., channels)` with normal noise of `sigma` `(b, channels)` on each."""
    noise = torch.randn(values.shape, generator=rng)
    return values + noise * _per_channel(sigma, values)


def biased(values: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Forces or torques `(b, ..., 3 n)`: each vector of three has one of length `amount` added.

    The direction is random, the same for all of a row; `amount` is `(b, n)`.
    """
    direction = torch.randn(len(values), amount.shape[1], 3, generator=rng)
    offset = amount.unsqueeze(-1) * direction / direction.norm(dim=-1, keepdim=True)
    return values + _per_channel(offset.flatten(1), values)


def shifted(values: Tensor, amount: Tensor, rng: torch.Generator) -> Tensor:
    """Joints `(b, ..., channels)`, each off by its `amount` `(b, channels)`, to a random side."""
    sides = torch.randint(0, 2, amount.shape, generator=rng) * 2 - 1
    return values + _per_channel(amount * sides, values)


def saturated(values: Tensor, limit: Tensor) -> Tensor:
    """Readings that end at plus or minus a `limit` `(b, channels)`."""
    rail = _per_channel(limit, values)
    return torch.minimum(torch.maximum(values, -rail), rail)


def delayed(window: Tensor, samples: Tensor) -> Tensor:
    """A window `(b, steps, channels)` as it was some samples `(b,)` ago.

    What lies before the window is unknown: its first sample stands for it.
    """
    place = torch.arange(window.shape[1]).unsqueeze(0) - samples.unsqueeze(1)
    return _pick(window, place.clamp(min=0))


def held(window: Tensor, samples: Tensor) -> Tensor:
    """A window `(b, steps, channels)` of a sensor that has repeated itself for some samples."""
    last = (window.shape[1] - 1 - samples).clamp(min=0).unsqueeze(1)
    place = torch.arange(window.shape[1]).unsqueeze(0)
    return _pick(window, torch.minimum(place, last))


def noisy_picture(pictures: Tensor, sigma: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures `(b, rows, columns, 3)` uint8 with noise of `sigma` `(b,)`, of 255."""
    noise = torch.randn(pictures.shape, generator=rng) * _per_row(sigma, pictures)
    return (pictures.float() + noise).round().clamp(0, 255).to(torch.uint8)


def bright_picture(pictures: Tensor, gain: Tensor) -> Tensor:
    """Pictures `gain` `(b,)` times as bright; what is beyond 255 is 255."""
    bright = pictures.float() * _per_row(gain, pictures)
    return bright.round().clamp(0, 255).to(torch.uint8)


def moved_picture(pictures: Tensor, pixels: Tensor, rng: torch.Generator) -> Tensor:
    """Pictures moved by some pixels `(b,)` in a random direction; edges are repeated."""
    angle = torch.rand(len(pictures), generator=rng) * 2 * torch.pi
    down, right = (pixels * torch.sin(angle)).round(), (pixels * torch.cos(angle)).round()
    rows = _moved(pictures.shape[1], down)[:, :, None]
    columns = _moved(pictures.shape[2], right)[:, None, :]
    return pictures[torch.arange(len(pictures))[:, None, None], rows, columns]


def noisy_cloud(cloud: Tensor, sigma_m: Tensor, rng: torch.Generator) -> Tensor:
    """A cloud `(b, points, 7)` whose points have noise of `sigma_m` `(b,)` on each axis."""
    noise = torch.randn(*cloud.shape[:2], 3, generator=rng) * _per_row(sigma_m, cloud)
    return torch.cat([cloud[..., :3] + noise * cloud[..., 6:], cloud[..., 3:]], -1)


def moved_cloud(cloud: Tensor, metres: Tensor, rng: torch.Generator) -> Tensor:
    """A cloud moved by `metres` `(b,)` in a random direction: a camera that was knocked."""
    places = biased(cloud[..., :3], metres.unsqueeze(1), rng)
    places = torch.where(cloud[..., 6:] > 0, places, cloud[..., :3])
    return torch.cat([places, cloud[..., 3:]], -1)


def dazzled_cloud(cloud: Tensor, brightest: Tensor) -> Tensor:
    """A cloud without what is brighter than `brightest` `(b,)` 0..1; points are first rows still.

    A depth camera with a projector of its own reads nothing off what is too bright.
    """
    kept = (cloud[..., 6] > 0) & (cloud[..., _COLOUR].mean(-1) <= brightest.unsqueeze(1))
    order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)
    packed = _pick(cloud, order)
    there = torch.gather(kept, 1, order).unsqueeze(-1)
    return torch.where(there, packed, torch.zeros_like(packed))


def recoloured(cloud: Tensor, colours: Tensor) -> Tensor:
    """A cloud whose points have these colours `(b, points, 3)`, kept within 0..1."""
    bounded = colours.clamp(0.0, 1.0) * cloud[..., 6:]
    return torch.cat([cloud[..., :3], bounded, cloud[..., 6:]], -1)


def _pick(rows: Tensor, place: Tensor) -> Tensor:
    """Of each `(n, channels)` in a batch, the rows at `place` `(b, n)`."""
    return torch.gather(rows, 1, place.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))


def _moved(size: int, pixels: Tensor) -> Tensor:
    """Where each of `size` rows or columns comes from `(b, size)`."""
    place = torch.arange(size).unsqueeze(0) - pixels.long().unsqueeze(1)
    return place.clamp(0, size - 1)


def _per_channel(amount: Tensor, values: Tensor) -> Tensor:
    """Amounts `(b, channels)` shaped to meet values `(b, ..., channels)`."""
    return amount.reshape(len(values), *([1] * (values.dim() - 2)), -1)


def _per_row(amount: Tensor, values: Tensor) -> Tensor:
    """Amounts `(b,)` shaped to meet values `(b, ...)`."""
    return amount.reshape(-1, *([1] * (values.dim() - 1)))
