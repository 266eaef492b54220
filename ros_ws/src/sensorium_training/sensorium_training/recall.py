"""What the network makes of the memory of contract version 2: places become relative to the tool.

The layout of the memory is that of `sensorium_core.memory.FeltMemory.vector`.
"""

import torch
from torch import Tensor, nn

FELT_GEOMETRY = 44
"""Numbers of `felt_geometry`."""
FELT_WRENCH = 54
"""Numbers of `felt_wrench`."""
_WRENCH_SCALE = (5.0, 5.0, 10.0, 0.2, 0.2, 0.2)
"""N and Nm that are one there: what a peg feels that searches."""
_MOST, _LATEST, _EACH = 6.0, 5, 4
_NEAR_M = 0.03
_PRESS_PLACE, _PRESS_KNOWN = slice(7, 10), slice(10, 11)
_TOUCHING, _FORCES = slice(5, 7), slice(11, 15)
_HOLDING = slice(15, 16)
_THINGS = (16, 24)
_SINK = 6
"""Of the numbers of a thing."""
_LOAD_N = 3.0
"""Of one unit of load."""
_FINE = 50.0
"""A search is a matter of millimetres: 2 cm is one."""
_SMALL_M = 0.001


class Recall(nn.Module):
    """Lets pointing depend on what was felt: which of two alike is meant, and what comes next."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.about = nn.Sequential(nn.Linear(27, 48), nn.ReLU(), nn.Linear(48, 2 * width))
        self.near = nn.Linear(5, width)

    def forward(self, memory: Tensor) -> Tensor:
        """Scale and shift for the features of anchors `(b, 2 width)`, of a memory `(b, 32)`."""
        return self.about(memory[:, 5:])

    def at(self, centres: Tensor, memory: Tensor, tool: Tensor) -> Tensor:
        """What is added to the features of anchors `(b, a, width)`, by where they are.

        Args:
            centres: of the anchors `(b, a, 3)` [m, base frame].
            memory: `(b, 32)`, see `sensorium_core.memory.FeltMemory.vector`.
            tool: where the tool is commanded to be, x and y first `(b, 2)` or wider [m].

        That is: near things that were grasped, how much heavier than the other the thing there
        hung and how far it gave way, and how far from the tool, for "the nearer one" of
        two that look alike. How far from what was meant at first would tell whether it was found:
        training has no such place for what is absent, so presence would be learnt from that.
        """
        shares = []
        for first in _THINGS:
            known, place = memory[:, first : first + 1], memory[:, first + 1 : first + 3]
            away = (centres[..., :2] - place.unsqueeze(1)).square().sum(-1)
            shares.append(known * torch.exp(-away / _NEAR_M**2))
        latest, before = shares
        heavier = (latest - before) * _heavier(memory)
        sinks = (memory[:, first + _SINK : first + _SINK + 1] for first in _THINGS)
        sink = sum(share * depth for share, depth in zip(shares, sinks, strict=True))
        away = (centres[..., :2] - tool[:, :2].unsqueeze(1)).norm(dim=-1)
        return self.near(torch.stack([latest, before, 10.0 * away, heavier, sink], -1))


def _heavier(memory: Tensor) -> Tensor:
    """By how much the latest thing hung heavier than the one before `(b, 1)` [N]; 0: not known."""
    latest, before = (memory[:, first + 4 : first + 6] for first in _THINGS)
    return _LOAD_N * (latest[:, 1:] - before[:, 1:]) * latest[:, :1] * before[:, :1]


def polar(flat: Tensor) -> Tensor:
    """Direction, length, curvature `(b, 4)` of `(b, 2)` [m]: what a search around zero turns on.

    From x and y alone a network has to learn to divide by their length. Length ends at 2 cm; the
    direction fades within a tenth of a millimetre of zero.
    """
    length = flat.square().sum(-1, keepdim=True).sqrt()
    away = length + 0.1 * _SMALL_M
    return torch.cat(
        [flat / away, (length * _FINE).clamp(max=1.0), _SMALL_M / (length + _SMALL_M)], -1
    )


def felt_geometry(memory: Tensor, tool: Tensor, target: Tensor) -> Tensor:
    """Where things were felt, from the tool and from what is meant now, and how `(b, 44)`.

    Takes the memory `(b, 32)`, and tool and target `(b, 3)` [m, base frame].
    """
    known = memory[:, _PRESS_KNOWN]
    from_press = (tool - memory[:, _PRESS_PLACE]) * known
    parts = [
        from_press * 10.0, from_press * _FINE, memory[:, _TOUCHING], 4.0 * memory[:, _FORCES],
        memory[:, _HOLDING], tool[:, :2] * 10.0,
    ]  # fmt: skip
    for first in _THINGS:
        thing = memory[:, first : first + 8]
        place, there = thing[:, 1:4], thing[:, :1]
        parts += [there, (place - tool) * 10.0 * there, (place - target) * 10.0 * there]
        parts.append((place - tool)[:, 2:] * _FINE * there)
        parts.append(thing[:, 4:])
    return torch.cat([*parts, _heavier(memory), polar(from_press[:, :2]) * known], -1)


def felt_wrench(wrench: Tensor) -> Tensor:
    """Force and torque of the last 0.32 s `(b, 54)`, of a window `(b, 32, 6)` [N, Nm], tool frame.

    The readings are 10 ms apart: the mean of the latest five, and every fourth. Where on its tip
    a peg is pressed is a torque of some 0.05 Nm about the tool beside forces of 10 N: in one token
    for all that the wrist feels it goes unheard.
    """
    scaled = wrench / wrench.new_tensor(_WRENCH_SCALE)
    latest = scaled[:, -_LATEST:].mean(1, keepdim=True)
    return torch.cat([latest, scaled[:, ::_EACH]], 1).clamp(-_MOST, _MOST).flatten(1)
