"""What every objective takes and gives: a batch of encoded rows in, a loss and its logs out.

A row that is not valid is selected away before anything is computed from it, so that its bytes,
NaN included, can reach neither the loss nor a gradient. Losses are computed in at least float32
whatever autocast says. An objective over no valid row is exactly zero, and so are its gradients.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sensorium_core.errors import ShapeError, UnknownNameError
from torch import Tensor, nn

T = TypeVar("T")


def _once(senses: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(senses)) < len(senses):
        raise ValueError("each sense may be named once")
    return senses


Senses = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_once)]
"""One sense at least, none of them twice."""
Pair = Annotated[tuple[str, str], AfterValidator(_once)]
"""Two different senses."""


class ObjectiveConfig(BaseModel):
    """Settings of one objective; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True)
class SenseShape:
    """Sizes of one sense."""

    width: int
    """Channels of its embedding and of its tokens."""
    sample: tuple[int, ...] = ()
    """Shape of what its encoder takes, without the batch: `(steps, channels)` or `(h, w, 3)`."""


@dataclass(frozen=True)
class Shapes:
    """Sizes of a batch, from which an objective is built."""

    senses: Mapping[str, SenseShape]
    action: int = 0
    """Numbers of the commanded action of one step."""
    motion: int = 0
    """Numbers of the measured motion of the tool in one step."""
    always_ahead: tuple[str, ...] = ()
    """Senses without which nothing is known of a row's next step: there wherever that is told."""

    def of(self, sense: str) -> SenseShape:
        """Sizes of a sense; raises `UnknownNameError`."""
        return _named(self.senses, "sense", sense)

    def known(self, sense: str | None) -> str | None:
        """The same name, after a check that there is such a sense; None stays."""
        if sense is not None:
            self.of(sense)
        return sense


@dataclass(frozen=True)
class Future:
    """What came one policy step after each row."""

    there: Tensor
    """`(b,)` bool: the episode went on."""
    action: Tensor
    """`(b, k)` commanded in between."""
    motion: Tensor
    """`(b, m)` measured motion of the tool in between [m, rad]."""
    samples: Mapping[str, Tensor] = field(default_factory=dict)
    valid: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b,)` bool by sense, at that later time."""


@dataclass(frozen=True)
class Batch:
    """Rows of several senses after encoding, batch first. Objectives take from it what they need.

    Raises `UnknownNameError` or `ShapeError` where an objective asks for what is not there.
    """

    embeddings: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b, width)` by sense."""
    valid: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b,)` bool by sense."""
    views: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b, width)`: embeddings of the same rows, differently augmented."""
    tokens: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b, n, width)` by sense; a sense without tokens has one, its embedding."""
    token_mask: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b, n)` bool; False is padding."""
    samples: Mapping[str, Tensor] = field(default_factory=dict)
    """What the encoders were given, in the contract's units."""
    encoders: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    """From samples to embeddings, for objectives that encode a changed input."""
    future: Future | None = None
    instruction: Tensor | None = None
    """`(b,)` int64: equal numbers mean the same words."""
    episode: Tensor | None = None
    """`(b,)` int64."""
    time_s: Tensor | None = None
    """`(b,)` capture time within the episode."""

    def rows(self, *senses: str) -> Tensor:
        """Indices `(n,)` of the rows in which all these senses are valid."""
        flags = [_named(self.valid, "sense with validity", sense).bool() for sense in senses]
        return torch.stack(flags).all(0).nonzero().squeeze(1)

    def embedding(self, sense: str, rows: Tensor) -> Tensor:
        """`(n, width)` of some rows, in at least float32."""
        return exact(_named(self.embeddings, "sense with an embedding", sense)[rows])

    def view(self, sense: str, rows: Tensor) -> Tensor:
        """`(n, width)` of the second view of some rows."""
        return exact(_named(self.views, "sense with a second view", sense)[rows])

    def token_set(self, sense: str, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens `(n, k, width)` with zeros for padding, and their mask `(n, k)`."""
        if sense not in self.tokens:
            tokens = self.embedding(sense, rows).unsqueeze(1)
            return tokens, torch.ones_like(tokens[..., 0], dtype=torch.bool)
        tokens = exact(self.tokens[sense][rows])
        mask = torch.ones_like(tokens[..., 0], dtype=torch.bool)
        if sense in self.token_mask:
            mask = self.token_mask[sense][rows].bool()
        return wiped(tokens, mask), mask

    def sample(self, sense: str, rows: Tensor) -> Tensor:
        """What the encoder of a sense was given in some rows."""
        return _named(self.samples, "sense with samples", sense)[rows]

    def encoder(self, sense: str) -> Callable[[Tensor], Tensor]:
        """The encoder of a sense."""
        return _named(self.encoders, "sense with an encoder", sense)

    def strangers(self, rows: Tensor) -> Tensor:
        """Which of some rows `(n, n)` were told other words; raises `ShapeError` without ids."""
        ids = needed(self.instruction, "instruction")[rows]
        return ids.unsqueeze(0) != ids.unsqueeze(1)

    def needed_future(self) -> Future:
        """The next step; raises `ShapeError` when the batch has none."""
        return needed(self.future, "future")


@dataclass(frozen=True)
class Terms:
    """What an objective says of a batch."""

    loss: Tensor
    """Scalar; zero when no row was valid."""
    logs: dict[str, Tensor]
    """Detached scalars by name."""


class Objective(nn.Module, ABC):
    """One self-supervised task. It owns the heads that exist only for pretraining."""

    @abstractmethod
    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Loss and logs; all chance comes from the generator, which lives on the CPU."""


def needed(value: T | None, name: str) -> T:
    """A part of the batch that an objective cannot do without; raises `ShapeError`."""
    if value is None:
        raise ShapeError(f"pretraining batch, {name}", "nothing", f"a value for `{name}`")
    return value


def exact(x: Tensor) -> Tensor:
    """At least float32; float64 stays."""
    return x if x.dtype == torch.float64 else x.float()


def plain_arithmetic(x: Tensor) -> torch.autocast:
    """A block without autocast on the device of a tensor."""
    return torch.autocast(device_type=x.device.type, enabled=False)


def wiped(x: Tensor, keep: Tensor) -> Tensor:
    """Zeros where `keep` is False, whatever stood there; `keep` has the leading axes of `x`."""
    keep = keep.bool().reshape(*keep.shape, *([1] * (x.dim() - keep.dim())))
    return torch.where(keep, x, torch.zeros_like(x))


def mean_over(values: Tensor, count: int) -> Tensor:
    """Sum over everything by `count`; zero, and still part of the graph, when there is nothing."""
    return values.sum() / max(count, 1)


def _named(mapping: Mapping[str, T], kind: str, name: str) -> T:
    if name not in mapping:
        raise UnknownNameError(kind, name, sorted(mapping))
    return mapping[name]
