"""The small decoder of pretraining: one latent and a learned place give what stands there."""

import torch
from torch import Tensor, nn


class PlaceDecoder(nn.Module):
    """A latent `(b, width)` to `(b, places, out)`, each place asked for by a learned query."""

    def __init__(self, width: int, places: int, out: int, hidden: int = 128) -> None:
        super().__init__()
        self.latent = nn.Linear(width, hidden)
        self.places = nn.Parameter(torch.randn(places, hidden) * 0.5)
        self.rest = nn.Sequential(
            nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, out)
        )

    def forward(self, latent: Tensor) -> Tensor:
        """`(b, places, out)`."""
        told = self.latent(latent).unsqueeze(1)
        return self.rest(told + self.places)
