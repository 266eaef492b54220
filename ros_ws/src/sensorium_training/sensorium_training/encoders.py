"""One small encoder per sense, each from contract tensors to a token `(batch, width)`.

Coordinates are metres in base_link, relative to the commanded tool where a name says `rel`.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from sensorium_core.codebook import SLOTS, TABLETOP_SLOTS, TOKEN_SIZE
from sensorium_core.contract import Contract, tabletop, touch
from sensorium_core.errors import GateConfigError, UnknownNameError
from torch import Tensor, nn

from sensorium_training.fusion.names import DEFAULT_FUSION, FUSIONS
from sensorium_training.imputation.names import IMPUTATIONS, fusions_of
from sensorium_training.recall import FELT_GEOMETRY, FELT_WRENCH

_REL_SCALE = 10.0
"""Relative metres to network units: 10 cm is one."""
_NEAR_M = 0.035
"""Points of a group lie within this of its anchor."""
_NEIGHBOURS = {1: 16, 2: 32}
"""By version: where touch decides, the middle of a thing is to be found more finely."""
_HEAD = {1: 320, 2: 640}
"""By version: nine families ask more of the head than three."""


@dataclass(frozen=True)
class NetConfig:
    """What the policy network is made of; travels with its weights. Raises at once if illegal."""

    width: int = 96
    """Channels of every token."""
    anchors: int = 40
    """Cloud points around which neighbours are grouped."""
    neighbours: int = 16
    point_channels: int = 32
    head: int = 320
    horizon: int = 8
    senses: int = 6
    text_channels: int = 128
    """Command tokens of 32 each, flattened: the first four, or 224 for those of every slot."""
    version: int = 1
    """Of the contract: 2 has a longer memory, bowls and wells, and says what to feel."""
    fusion: str = DEFAULT_FUSION[1]
    """How the senses' tokens become one: a name in `fusion.names`."""
    attention_layers: int = 2
    """Of `merge_attention`, as are the heads."""
    attention_heads: int = 4
    rank: int = 4
    """Of `low_rank_tensor`."""
    shift_limit: float = 1.0
    """Of `contact_gate`, as is all below: beta, longest shift by force in lengths of the token."""
    wrench_band_n: float = 0.5
    """Dead band of the wrist's force: six standard deviations of its noise."""
    wrench_contact_n: float = 0.2
    """Force beyond the dead band that is contact."""
    pads_band_n: float = 0.2
    pads_contact_n: float = 0.1
    imputation: str = IMPUTATIONS[0]
    """How the token of a missing sense is made: a name in `imputation.names`."""
    imputer_hidden: int = 96
    """Of all but `learned`: widths of an autoencoder's or translator's layers, and of its code."""
    imputer_code: int = 48
    cascade: int = 3
    """Of `autoencoder`: how many follow each other."""

    def __post_init__(self) -> None:
        if self.fusion not in FUSIONS:
            raise UnknownNameError("fusion operator", self.fusion, FUSIONS)
        if self.imputation not in IMPUTATIONS:
            raise UnknownNameError("imputation", self.imputation, IMPUTATIONS)
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, str) and not 0 < value < float("inf"):
                raise GateConfigError(field.name, value, "a finite number above 0", "network")
        if self.version not in (1, 2):
            raise GateConfigError("version", self.version, "1 or 2", "network")
        sizes = tuple(TOKEN_SIZE * len(slots) for slots in (TABLETOP_SLOTS, SLOTS))
        if self.text_channels not in sizes:
            allowed = " or ".join(map(str, sizes))
            raise GateConfigError("text_channels", self.text_channels, allowed, "network")
        if self.width % self.attention_heads:
            allowed = f"a divisor of the width {self.width}"
            raise GateConfigError("attention_heads", self.attention_heads, allowed, "network")
        fusions = fusions_of(self.imputation)
        if self.fusion not in fusions:
            allowed = f"'learned' with fusion {self.fusion!r}, which promises that what is absent "
            allowed += f"goes unheard; {self.imputation!r} goes with {', '.join(fusions)}"
            raise GateConfigError("imputation", self.imputation, allowed, "network")

    @property
    def geometry(self) -> int:
        """How many numbers tell the head where things are, and in version 2 what was felt."""
        return 26 if self.version == 1 else 26 + FELT_GEOMETRY + FELT_WRENCH

    @property
    def shapes(self) -> int:
        """Kinds of things that an anchor may lie on, the last of them nothing."""
        return 5 if self.version == 1 else 8

    @property
    def words(self) -> int:
        """How many of a command's tokens it takes."""
        return self.text_channels // TOKEN_SIZE

    @classmethod
    def of(cls, values: dict[str, Any]) -> "NetConfig":
        """From plain data, such as `dataclasses.asdict` gives. Unknown names are rejected."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise UnknownNameError("setting of the network", name, known)
        return cls(**values)

    @classmethod
    def for_contract(cls, contract: Contract, **settings: Any) -> "NetConfig":
        """The network of a contract: of its version, reading as many words as that has slots."""
        slots = TABLETOP_SLOTS if contract.version == 1 else SLOTS
        text = TOKEN_SIZE * len(slots)
        version = contract.version
        sizes = {
            "text_channels": text, "neighbours": _NEIGHBOURS[version], "head": _HEAD[version],
            "fusion": DEFAULT_FUSION[version],
        }  # fmt: skip
        return cls(version=version, **{**sizes, **settings})


def contract_of(net: NetConfig) -> Contract:
    """What a network is made for: its inputs and outputs."""
    return tabletop() if net.version == 1 else touch()


class Coarse(nn.Module):
    """A block that may compute in bfloat16: features of pixels and points, never metres."""

    is_coarse = False
    """Set by training in mixed precision; never in what is exported."""

    def coarsely(self, block: nn.Module, x: Tensor) -> Tensor:
        """The block of `x`, in float32."""
        if not self.is_coarse:
            return block(x)
        with torch.autocast(x.device.type, torch.bfloat16):
            return block(x).float()


class ImageEncoder(Coarse):
    """Convolutions and a spatial soft-argmax (Levine et al. 2016) over an image.

    Takes `(batch, 96, 128, 3)` uint8. Every other pixel is enough: the cloud carries the geometry.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 24, 5, stride=4, padding=2, bias=False),
            nn.ReLU(),
            nn.Conv2d(24, 32, 3, padding=1),
            nn.ReLU(),
        )
        rows, cols = torch.meshgrid(
            torch.linspace(-1, 1, 12), torch.linspace(-1, 1, 16), indexing="ij"
        )
        self.register_buffer("grid", torch.stack([rows, cols], -1).reshape(-1, 2))
        self.project = nn.Linear(32 * 3, width)

    def forward(self, image: Tensor) -> Tensor:
        """Token `(batch, width)`."""
        return self.summary(self.maps(image))

    def maps(self, image: Tensor) -> Tensor:
        """Feature maps `(batch, 32, 12, 16)`."""
        weight = self.convolutions[0].weight
        every_other = image[:, ::2, ::2].permute(0, 3, 1, 2).to(weight.dtype)
        first = self.coarsely(self.convolutions[0], every_other)
        return self.coarsely(self.convolutions[1:], first * (1.0 / 128.0))

    def summary(self, maps: Tensor) -> Tensor:
        """Token `(batch, width)` of the maps."""
        maps = maps.flatten(2)
        where = torch.softmax(maps, -1) @ self.grid
        return self.project(torch.cat([where.flatten(1), maps.mean(-1)], -1))

    def places(self, maps: Tensor) -> Tensor:
        """Tokens `(batch, 48, width)` of 2 x 2 cells, for pretraining.

        Each is what the image's token would be if all there is were in that cell.
        """
        features = nn.functional.avg_pool2d(maps, 2).flatten(2).transpose(1, 2)
        grid = self.grid.T.reshape(1, 2, 12, 16)
        centres = nn.functional.avg_pool2d(grid, 2).flatten(2).transpose(1, 2)
        where = centres.repeat(1, 1, maps.shape[1]).expand(len(maps), -1, -1)
        return self.project(torch.cat([where.to(features.dtype), features], -1))


class WindowEncoder(nn.Module):
    """Causal 1-D convolutions over a force window `(batch, steps, channels)`; newest step out."""

    def __init__(self, channels: int, width: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.first = nn.Conv1d(channels * 2, 32, 3, stride=2)
        self.second = nn.Conv1d(32, 32, 3, stride=2)
        self.project = nn.Linear(64, width)

    def forward(self, window: Tensor) -> Tensor:
        """Token `(batch, width)`. Large forces are compressed by asinh, small ones kept."""
        scaled = window / self.scale
        x = torch.cat([scaled.clamp(-3, 3), torch.asinh(scaled * 10)], -1).transpose(1, 2)
        x = torch.relu(self.first(nn.functional.pad(x, (2, 0))))
        x = torch.relu(self.second(nn.functional.pad(x, (2, 0))))
        return self.project(torch.cat([x[..., -1], x.amax(-1)], -1))


class CloudEncoder(Coarse):
    """PointNet++-style grouping (Qi et al. 2017) of a coloured cloud `(batch, points, 7)`.

    Anchors are an even stride over the valid points; each pools its nearest neighbours through a
    shared MLP on centroid-relative coordinates and colour, by mean and maximum.
    """

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        self.config = config
        c = config.point_channels
        self.points = nn.Sequential(nn.Linear(8, c), nn.ReLU(), nn.Linear(c, c), nn.ReLU())
        self.project = nn.Sequential(
            nn.Linear(2 * c + 7, config.width), nn.ReLU(), nn.Linear(config.width, config.width)
        )

    def forward(self, cloud: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Anchor positions `(b, a, 3)`, features `(b, a, width)` and mask `(b, a)`, 1 = real."""
        anchors = self._anchors(cloud)
        groups, near = self._groups(cloud, anchors)
        centre = (groups[..., :3] * near).sum(2) / near.sum(2).clamp(min=1.0)
        colour = (groups[..., 3:6] * near).sum(2) / near.sum(2).clamp(min=1.0)
        local = (groups[..., :3] - centre.unsqueeze(2)) * (1.0 / _NEAR_M)
        height = groups[..., 2:3] * _REL_SCALE
        inputs = torch.cat([local, height, groups[..., 3:6], near], -1)
        features = self.coarsely(self.points, inputs)
        share = near / near.sum(2, keepdim=True).clamp(min=1.0)
        mean = (share.transpose(2, 3) @ features).squeeze(2)
        peak = features.amax(2)
        offset = (anchors[..., :3] - centre) * (1.0 / _NEAR_M)
        pooled = torch.cat([mean, peak, offset, colour, centre[..., 2:3] * _REL_SCALE], -1)
        return centre, self.project(pooled), anchors[..., 6]

    def _anchors(self, cloud: Tensor) -> Tensor:
        count = cloud[..., 6].sum(1, keepdim=True)
        stride = torch.arange(self.config.anchors, device=cloud.device, dtype=torch.float32) + 0.5
        rows = (stride * count / self.config.anchors).long()
        return torch.gather(cloud, 1, rows.unsqueeze(-1).expand(-1, -1, 7))

    def _groups(self, cloud: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
        """Neighbours `(b, a, k, 7)` of each anchor and whether each is near `(b, a, k, 1)`."""
        p, a = cloud[..., :3], anchors[..., :3]
        square = (p * p).sum(-1).unsqueeze(1) + (a * a).sum(-1).unsqueeze(2)
        square = square - 2 * a @ p.transpose(1, 2) + (1 - cloud[..., 6]).unsqueeze(1) * 9.0
        distance, rows = torch.topk(square, self.config.neighbours, dim=-1, largest=False)
        flat = rows.flatten(1).unsqueeze(-1).expand(-1, -1, 7)
        groups = torch.gather(cloud, 1, flat).unflatten(1, rows.shape[1:])
        return groups, (distance < _NEAR_M**2).to(cloud.dtype).unsqueeze(-1)
