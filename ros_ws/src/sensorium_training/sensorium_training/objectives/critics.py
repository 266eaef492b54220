"""Kernel critics: how alike two embeddings are, `(n, w)` and `(m, w)` to scores `(n, m)`.

They take the place of the dot product in InfoNCE, as coordination functions in the sense of Liang,
Zadeh and Morency 2022 ("Foundations and trends in multimodal machine learning", section 3.2).
All but the bilinear one are positive definite kernels with k(x, x) = 1.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from sensorium_core.errors import UnknownNameError
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium_training.objectives.interface import exact, plain_arithmetic

CriticName = Literal["cosine", "linear", "polynomial", "exponential", "rbf"]
_DEGREE = 3


class Critic(nn.Module, ABC):
    """Scores of all pairs, in at least float32 under autocast too."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """`(n, m)`; larger means more alike."""
        with plain_arithmetic(a):
            return self.score(exact(a), exact(b))

    @abstractmethod
    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """`(n, m)` of full-precision embeddings."""


class Cosine(Critic):
    """<a, b> / |a| |b|."""

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """In -1..1."""
        return F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T


class Linear(Critic):
    """a' W b, bilinear; W starts as the identity, so that it starts as the dot product."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(width))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """Divided by the root of the width, so that the scale does not grow with it."""
        return a @ self.weight.to(a.dtype) @ b.T / math.sqrt(a.shape[-1])


class Polynomial(Critic):
    """((<a, b> + c) / (1 + c))^3 of unit vectors, c > 0 learned; odd, so that it is monotone."""

    def __init__(self) -> None:
        super().__init__()
        self.log_offset = nn.Parameter(torch.zeros(()))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """At most 1."""
        offset = self.log_offset.to(a.dtype).exp()
        cosine = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
        return ((cosine + offset) / (1 + offset)) ** _DEGREE


class Exponential(Critic):
    """exp(g (<a, b> - 1)) of unit vectors, g > 0 learned."""

    def __init__(self) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(()))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """In 0..1."""
        cosine = F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T
        return (self.log_gain.to(a.dtype).exp() * (cosine - 1)).exp()


class RBF(Critic):
    """exp(-g |a - b|² / w), g > 0 learned; sees lengths too, unlike the exponential kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.log_gain = nn.Parameter(torch.zeros(()))

    def score(self, a: Tensor, b: Tensor) -> Tensor:
        """In 0..1. Embeddings should be of order one: far apart, the kernel is flat."""
        square = (a.unsqueeze(1) - b.unsqueeze(0)).square().mean(-1)
        return (-self.log_gain.to(a.dtype).exp() * square).exp()


def make_critic(name: str, width: int) -> Critic:
    """A critic by name; raises `UnknownNameError`."""
    if name == "linear":
        return Linear(width)
    makers = {"cosine": Cosine, "polynomial": Polynomial, "exponential": Exponential, "rbf": RBF}
    if name not in makers:
        raise UnknownNameError("critic", name, sorted([*makers, "linear"]))
    return makers[name]()
