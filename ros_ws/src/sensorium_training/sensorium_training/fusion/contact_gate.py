"""Contact gate: force is heard only in contact, and shifts the fused token by a bounded amount.

As in MAG (Rahman et al. 2020, Multimodal Adaptation Gate): a gated displacement,
computed from wrench and pads, is added to the fused token z and is at most beta |z| long. On top
of it stands a hard gate per force sense: in free space the displacement is exactly zero.

The gate compares newtons, measured, with a threshold; it has no parameter and wants no gradient.
A learned gate with a straight-through estimate would send a gradient from rows in which the force
had no effect, and could learn to stay open in free space, which is what it is there to rule out.
"""

import torch
from sensorium_core.felt import LOAD_N, PRESS_N
from sensorium_core.inputs import PRESS_SCALE_N
from sensorium_core.memory import WIDTH
from torch import Tensor, nn

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import (
    FORCE_SENSES,
    SENSES,
    Fused,
    Fusion,
    masked_softmax,
    present,
    shares,
)
from sensorium_training.fusion.weighted import scorer, with_text

_FREE = tuple(i for i in range(len(SENSES)) if i not in FORCE_SENSES)
_SHORT = 5
"""Numbers of the memory of contract version 1."""
_REMEMBERED_N = {
    4: PRESS_SCALE_N,
    **dict.fromkeys((11, 12, 13, 14), PRESS_N),
    **dict.fromkeys((21, 29), LOAD_N),
}
"""By the places of wrist forces in the memory, of presses and weights, what one is in newtons."""


class ContactGate(Fusion):
    """`z + open min(1, beta |z| / |h|) h`; z mixes the other senses, h comes from the forces.

    The head also sees the other senses' tokens squeezed, as in `weighted`, and never the force
    tokens; nor, of the memory, a force that the dead band and the threshold would not let through.
    In contact, and in contract version 2 alone, it hears the wrench besides, which beta does not
    bound (`recall.felt_wrench`).
    """

    stand_ins = _FREE
    squeezed = _FREE

    def __init__(self, config: NetConfig) -> None:
        super().__init__()
        width = config.width
        self.score = nn.Sequential(*scorer(config))
        self.rest = nn.Parameter(torch.randn(width) * 0.1)
        self.gains = nn.ModuleList(nn.Linear(2 * width, width) for _ in FORCE_SENSES)
        self.shifts = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in FORCE_SENSES)
        self.limit = config.shift_limit
        bands = torch.tensor([config.wrench_band_n, config.pads_band_n])
        self.register_buffer("bands_n", bands, persistent=False)
        contact = torch.tensor([config.wrench_contact_n, config.pads_contact_n])
        self.register_buffer("contact_n", contact, persistent=False)
        places = range(_SHORT if config.version == 1 else WIDTH)
        one_n = torch.tensor([_REMEMBERED_N.get(place, 0.0) for place in places])
        self.register_buffer("one_n", one_n, persistent=False)

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """See `Fusion.forward`.

        Weights: those of the mix, and beside them the lengths of the force senses' displacements
        in parts of |z| plus these lengths. All 0 where no other sense is valid and no gate open.
        """
        free, there = tokens[:, list(_FREE)], valid[:, list(_FREE)]
        free = present(free, there)
        mix = masked_softmax(self.score(with_text(free, text)).squeeze(-1), there)
        base = self.rest + (mix.unsqueeze(-1) * free).sum(1)
        pieces = self._pieces(base, tokens[:, list(FORCE_SENSES)], self.open(valid, forces))
        scale = self._scale(base, pieces.sum(1))
        lengths = torch.sqrt(pieces.detach().square().sum(-1)) * scale
        weights = shares(torch.cat([mix * _length(base), lengths], 1))
        return Fused(base + scale * pieces.sum(1), weights[:, _in_contract_order()])

    def open(self, valid: Tensor, forces: Tensor) -> Tensor:
        """Whether wrench and pads feel contact `(b, 2)`, 0 or 1: valid, and above the threshold.

        The dead band is taken off first: it is what sensor noise alone may read.
        """
        return valid[:, list(FORCE_SENSES)] * self._touches(forces).to(valid.dtype)

    def remembered(self, memory: Tensor) -> Tensor:
        """The memory; forces of the wrist, presses and weights, are 0 unless a contact's.

        A weight is taken again and again while a thing hangs still, a press ends a while after its
        contact: both would tell noise. What else is remembered of force changes in contact alone,
        by `sensorium_core.felt`: the wrist feels more than this there, or a pad is squeezed.
        """
        felt = (memory * self.one_n).abs() > self.bands_n[0] + self.contact_n[0]
        return torch.where(felt | (self.one_n == 0), memory, torch.zeros_like(memory))

    def heard(self, felt: Tensor, forces: Tensor) -> Tensor:
        """What the wrist feels, 0 without contact: of a missing wrench both are 0."""
        return torch.where(self._touches(forces)[:, :1], felt, torch.zeros_like(felt))

    def _touches(self, forces: Tensor) -> Tensor:
        """Whether wrench and pads read more than a contact's least `(b, 2)`."""
        return torch.relu(forces - self.bands_n) > self.contact_n

    def _pieces(self, base: Tensor, tokens: Tensor, opened: Tensor) -> Tensor:
        """Displacement by each force sense `(b, 2, width)`; without a bias, so 0 where shut."""
        felt = present(tokens, opened)
        pieces = [
            torch.relu(gain(torch.cat([base, felt[:, i]], -1))) * shift(felt[:, i])
            for i, (gain, shift) in enumerate(zip(self.gains, self.shifts, strict=True))
        ]
        return torch.stack(pieces, 1)

    def _scale(self, base: Tensor, displacement: Tensor) -> Tensor:
        """Factor `(b, 1)` that shortens a displacement to at most beta |z|."""
        return torch.clamp(self.limit * _length(base) / _length(displacement), max=1.0)


def _length(vectors: Tensor) -> Tensor:
    """Euclidean length over the last axis, kept as an axis of 1; a hair long, never 0."""
    return torch.sqrt(vectors.square().sum(-1, keepdim=True) + 1e-12)


def _in_contract_order() -> list[int]:
    """Where each sense stands once the force senses are put behind the others."""
    order = [*_FREE, *FORCE_SENSES]
    return [order.index(i) for i in range(len(SENSES))]
