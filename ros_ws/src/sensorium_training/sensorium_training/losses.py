"""What the policy is trained to do: imitate, point, name, and know when it is done.

Terms of an imputer, where there is one, stand beside these: `PolicyNet.imputation_losses`.

All terms are means over the rows they apply to. `Labels` says which rows those are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sensorium_training.network import NetOutput
from sensorium_training.pointing import COLOUR_CLASSES

_MOTION_SCALE = (0.02, 0.02, 0.02, 0.1, 0.25)
"""An error of this size costs one: m, m, m, rad, open fraction."""
_FAR_M = 0.04
"""Where touch decides, errors of motions shorter than this weigh more, in proportion..."""
_FINEST = 0.15
"""...down to this share of the scale: 3 mm. A search is a matter of less."""
_CLOSE = 0.15
"""Where touch decides, misses beyond this share of 2 cm cost in proportion, not squared."""
_ANOTHER = 4.0
"""What misses by more times 2 cm is at another thing: attention is to be mended, not the place."""
_INTENT_SCALE = (3.0, 0.5)
"""The same of the intent: N, and yielding."""
_MEMBER = 0.62
"""A point belongs to an object within this many sizes of its centre, along each axis."""


@dataclass(frozen=True)
class Labels:
    """What was right, batch first."""

    chunk: Tensor
    """`(b, n, 5)` in the tool's yaw frame."""
    target: Tensor
    """`(b, 3)` centre of the object meant [m]."""
    extent: Tensor
    """`(b,)` its size [m]."""
    present: Tensor
    """`(b,)` 1: the object meant is there; 0: it is not; 0.5: there but hidden from view."""
    done: Tensor
    heading: Tensor
    """`(b, 3)`: cos and sin of four times its yaw, and whether it has one."""
    things: Tensor
    """`(b, n, 4)` centre and size of every object, button and, in version 2, well and bowl [m];
    size 0 = none. There are 7 rows in version 1 and `touch_labels.TOUCH_THINGS` in version 2."""
    classes: Tensor
    """`(b, n, 2)` colour and shape index of each."""
    intent: Tensor | None = None
    """`(b, 2)` force downwards [N] and yielding; contract version 2 alone has it."""


WEIGHTS = {
    "chunk": 1.0,
    "target": 1.0,
    "attention": 0.3,
    "present": 0.3,
    "done": 0.2,
    "heading": 0.3,
    "colour": 0.15,
    "shape": 0.3,
    "intent": 0.3,
}


def policy_losses(out: NetOutput, labels: Labels) -> dict[str, Tensor]:
    """Unweighted terms by name; their weights are `WEIGHTS`."""
    here = (labels.present > 0.25).float()
    plain = (labels.present > 0.75).float()
    count, seen_count = here.sum().clamp(min=1.0), plain.sum().clamp(min=1.0)
    scale = out.chunk.new_tensor(_MOTION_SCALE)
    error = ((out.chunk - labels.chunk) / (scale * _fineness(labels))).abs().mean((1, 2))
    miss = (out.target - labels.target).abs().sum(-1) / 0.02
    member = _inside(out.anchors, labels.target, labels.extent) * out.anchor_mask
    seen = plain * (member.sum(1) > 0)
    log_attention = torch.log_softmax(out.attention, -1)
    mass = torch.logsumexp(log_attention + torch.log(member + 1e-9), -1)
    turned = labels.heading[:, 2] * plain
    heading = (out.heading - labels.heading[:, :2]).abs().sum(-1)
    colour, shape = _naming(out, labels)
    felt = {} if labels.intent is None else {"intent": _intent(out, labels.intent, here)}
    return {
        "chunk": (error * here).sum() / count,
        "target": (_missing(miss, labels) * _located(labels, here, plain)).sum() / seen_count,
        "attention": -(mass * seen).sum() / seen.sum().clamp(min=1.0),
        "present": _masked_bce(out.present, plain, 1 - here + plain),
        "done": _masked_bce(out.done, labels.done, here),
        "heading": (heading * turned).sum() / turned.sum().clamp(min=1.0),
        "colour": colour,
        "shape": shape,
        **felt,
    }


def _fineness(labels: Labels) -> Tensor:
    """`(b, 1, 5)` or `(1, 1, 1)`: share of the scales of motion at which an error costs one."""
    if labels.intent is None:
        return labels.chunk.new_ones(1, 1, 1)
    reach = labels.chunk[..., :3].norm(dim=-1).amax(1) / _FAR_M
    fine = reach.clamp(_FINEST, 1.0).reshape(-1, 1, 1)
    return torch.cat([fine.expand(-1, 1, 3), torch.ones_like(fine).expand(-1, 1, 2)], -1)


def _located(labels: Labels, here: Tensor, plain: Tensor) -> Tensor:
    """`(b,)` weight of where the thing meant is: half where touch decides and the hand hides it.

    A well is under the peg when it matters; what can be seen of the block says where.
    """
    return plain if labels.intent is None else 0.5 * (here + plain)


def _missing(miss: Tensor, labels: Labels) -> Tensor:
    """Cost of missing the thing meant by so many times 2 cm."""
    if labels.intent is None:
        return F.huber_loss(miss, torch.zeros_like(miss), reduction="none")
    cost = F.smooth_l1_loss(miss, torch.zeros_like(miss), reduction="none", beta=_CLOSE)
    return cost * (miss < _ANOTHER)


def _intent(out: NetOutput, truth: Tensor, here: Tensor) -> Tensor:
    """How wrong is what is to be felt, over the rows whose object is there."""
    assert out.intent is not None
    miss = ((out.intent - truth) / truth.new_tensor(_INTENT_SCALE)).abs().mean(1)
    return (miss * here).sum() / here.sum().clamp(min=1.0)


def total(terms: dict[str, Tensor], besides: Mapping[str, float] | None = None) -> Tensor:
    """Weighted sum of the terms; `besides` has the weights of those that are not the policy's."""
    weights = {**WEIGHTS, **(besides or {})}
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


def _inside(points: Tensor, centre: Tensor, extent: Tensor) -> Tensor:
    """1 where a point `(b, a, 3)` lies within the box around a centre `(b, 3)`."""
    reach = (extent * _MEMBER + 0.004).reshape(-1, 1, 1)
    return ((points - centre.unsqueeze(1)).abs() < reach).all(-1).float()


def _naming(out: NetOutput, labels: Labels) -> tuple[Tensor, Tensor]:
    """Cross entropies of each anchor's colour and shape; anchors on nothing are class none."""
    offset = (out.anchors.unsqueeze(2) - labels.things[:, None, :, :3]).abs()
    reach = labels.things[:, None, :, 3:] * _MEMBER + 0.004 * (labels.things[:, None, :, 3:] > 0)
    hit = (offset < reach).all(-1)
    thing = hit.float().argmax(-1)
    colours = torch.gather(labels.classes[..., 0], 1, thing)
    shapes = torch.gather(labels.classes[..., 1], 1, thing)
    on = hit.any(-1)
    nothing = out.classes.shape[-1] - COLOUR_CLASSES - 1
    colours, shapes = torch.where(on, colours, 6), torch.where(on, shapes, nothing)
    weight = out.anchor_mask.flatten()
    terms = []
    for logits, truth in (
        (out.classes[..., :COLOUR_CLASSES], colours),
        (out.classes[..., COLOUR_CLASSES:], shapes),
    ):
        loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), reduction="none")
        terms.append((loss * weight).sum() / weight.sum().clamp(min=1.0))
    return terms[0], terms[1]


def _masked_bce(logits: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (loss * mask).sum() / mask.sum().clamp(min=1.0)
