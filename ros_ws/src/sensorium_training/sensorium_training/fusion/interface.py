"""What every fusion operator takes and gives, and the small sums that several of them share."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

SENSES = ("scene_rgb", "cloud", "wrist_rgb", "wrench", "pads", "joints")
"""The order of tokens and validity flags, which is the contract's."""
FORCE_SENSES = (SENSES.index("wrench"), SENSES.index("pads"))
_FAR_BELOW = -1e4


class Fused(NamedTuple):
    """One token for all senses, and the part that each had in it."""

    token: Tensor
    """`(b, width)`."""
    weights: Tensor
    """`(b, senses)`, from 0 to 1; what 1 is shared among, the operator says."""


class Fusion(nn.Module):
    """A fusion operator.

    An operator must compute the same whatever stands in the tokens of an absent sense, NaN
    included, unless it lists that sense in `stand_ins`: the network then puts a learned token
    there.
    """

    stand_ins: tuple[int, ...] = ()
    """Senses in whose place a learned token stands while they are absent."""
    squeezed: tuple[int, ...] = ()
    """Senses whose tokens the head also sees each on its own, squeezed to a few channels."""
    modulates = False
    """Whether the head also sees the geometry as `modulated` gives it."""

    def forward(self, tokens: Tensor, valid: Tensor, text: Tensor, forces: Tensor) -> Fused:
        """Fuse one batch.

        Args:
            tokens: `(b, senses, width)`, each marked with the learned identity of its sense.
            valid: `(b, senses)`, 1 where a sense is there.
            text: `(b, c)`, the command tokens, flattened.
            forces: `(b, 2)`, largest force in the windows of wrench and pads [N], raw.
        """
        raise NotImplementedError

    def remembered(self, memory: Tensor) -> Tensor:
        """What of the memory `(b, 5)`, in version 2 `(b, 32)`, the head may see.

        All of it, unless an operator objects.
        """
        return memory

    def heard(self, felt: Tensor, forces: Tensor) -> Tensor:
        """What of `recall.felt_wrench` `(b, n)` the head may see, beside `forces` as in `forward`.

        All of it, unless an operator objects.
        """
        return felt

    def modulated(self, geometry: Tensor, text: Tensor) -> list[Tensor]:
        """The geometry `(b, n)` in terms of the command `(b, c)`: once `(b, n)`, or nothing."""
        return []


def present(tokens: Tensor, valid: Tensor) -> Tensor:
    """Tokens with zeros in place of absent senses, whatever stood there."""
    return torch.where(valid.unsqueeze(-1) > 0.5, tokens, torch.zeros_like(tokens))


def masked_softmax(logits: Tensor, valid: Tensor) -> Tensor:
    """Softmax over the last axis among valid entries; exactly 0 elsewhere, or all 0 if none is.

    Logits of valid entries must be well above -1e4.
    """
    here = valid > 0.5
    shares = torch.softmax(torch.where(here, logits, logits.new_tensor(_FAR_BELOW)), -1)
    return torch.where(here, shares, torch.zeros_like(shares))


def shares(amounts: Tensor) -> Tensor:
    """Amounts of at least 0 `(b, senses)` as parts of their sum; all 0 where the sum is.

    A report, not a path: no gradient flows back through it.
    """
    amounts = amounts.detach()
    total = amounts.sum(-1, keepdim=True)
    return amounts / torch.where(total > 0, total, torch.ones_like(total))


def peak_forces(wrench: Tensor, pads: Tensor) -> Tensor:
    """Largest force of each window `(b, 2)` [N].

    Args:
        wrench: `(b, steps, 6)` [N, Nm]; the torque is not looked at.
        pads: `(b, steps, 6)` [N]; three axes of the left pad, then three of the right one.
    """
    wrist = wrench[..., :3].square().sum(-1).amax(1)
    left, right = pads[..., :3].square().sum(-1), pads[..., 3:].square().sum(-1)
    return torch.sqrt(torch.stack([wrist, torch.maximum(left, right).amax(1)], -1))
