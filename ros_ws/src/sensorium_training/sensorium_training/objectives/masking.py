"""Which part of an input is hidden: whole events, never single samples.

A neighbouring sample gives a lone hidden one away, so that nothing is learned from filling it in.
Masks are bool, True where hidden. All chance comes from the generator; the same one, in the same
state, hides the same. Shapes: windows `(b, steps, channels)`, images `(b, patches)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

EVENTS = ("contact", "finger", "span")
"""What of a window may be hidden."""


@dataclass(frozen=True)
class Hidden:
    """What is hidden of some rows, and as what."""

    where: Tensor
    """True where hidden."""
    rows: Mapping[str, Tensor] = field(default_factory=dict)
    """`(b,)` bool by event: in which rows it was hidden, one event in each; none of images."""


def contact_strength(window: Tensor, fingers: int) -> Tensor:
    """Largest force on any finger `(b, steps)` [N] of a window `(b, steps, channels)`.

    Channels are grouped by finger; the first three of each are the force, the rest torque.
    """
    split = window.unflatten(2, (fingers, -1))[..., :3]
    return split.norm(dim=-1).amax(-1)


def runs(above: Tensor) -> Tensor:
    """Number every run of True in `(b, steps)`: 1, 2, ... by row; 0 outside of runs."""
    before = torch.cat([torch.zeros_like(above[:, :1]), above[:, :-1]], 1)
    starts = (above & ~before).long().cumsum(1)
    return starts * above.long()


def mask_contact(
    strength: Tensor, threshold: float, most: float, generator: torch.Generator
) -> Tensor:
    """Hide one whole contact in each row `(b, steps)`; nothing where there is none.

    A contact is a run of strength above the threshold. One that fills more than `most` of the
    window is left alone: hidden in part it would give itself away, hidden as a whole it would
    leave nothing to tell it from.
    """
    number = runs(strength > threshold)
    b, steps = strength.shape
    length = torch.zeros(b, steps + 1, dtype=torch.long, device=number.device)
    length.scatter_add_(1, number, torch.ones_like(number))
    eligible = (length > 0) & (length <= most * steps)
    eligible[:, 0] = False
    draw = torch.rand(b, steps + 1, generator=generator).to(strength.device)
    chosen = torch.where(eligible, draw, -1.0).argmax(1, keepdim=True)
    return (number == chosen) & eligible.any(1, keepdim=True)


def mask_finger(b: int, channels: int, fingers: int, generator: torch.Generator) -> Tensor:
    """Hide all channels of one finger in each row `(b, channels)`."""
    chosen = torch.randint(fingers, (b, 1), generator=generator)
    finger = torch.arange(channels) // (channels // fingers)
    return finger.unsqueeze(0) == chosen


def mask_span(b: int, steps: int, least: float, most: float, generator: torch.Generator) -> Tensor:
    """Hide one span of `least` to `most` of the steps in each row `(b, steps)`, two at least."""
    low, high = max(2, round(least * steps)), max(2, int(most * steps))
    length = torch.randint(low, max(low, high) + 1, (b, 1), generator=generator)
    room = steps - length + 1
    start = (torch.rand(b, 1, generator=generator) * room).long()
    at = torch.arange(steps).unsqueeze(0)
    return (at >= start) & (at < start + length)


def mask_window(
    window: Tensor,
    fingers: int,
    threshold: float,
    least: float,
    most: float,
    generator: torch.Generator,
) -> Hidden:
    """Hide one event of each row `(b, steps, channels)`: a contact, a finger or a span.

    Each row draws its kind, each as likely; where there is no whole contact, or only one finger,
    it is a span.
    """
    b, steps, channels = window.shape
    kind = torch.randint(3, (b,), generator=generator)
    contact = mask_contact(contact_strength(window, fingers), threshold, most, generator).cpu()
    finger = mask_finger(b, channels, fingers, generator)
    span = mask_span(b, steps, least, most, generator)
    of_contact = (kind == 0) & contact.any(1)
    of_finger = (kind == 1) & (fingers > 1)
    in_time = torch.where(of_contact.unsqueeze(1), contact, span).unsqueeze(2)
    hidden = torch.where(of_finger.reshape(-1, 1, 1), finger.unsqueeze(1), in_time)
    rows = dict(zip(EVENTS, (of_contact, of_finger, ~of_contact & ~of_finger), strict=True))
    device = window.device
    return Hidden(
        hidden.expand(b, steps, channels).to(device),
        {event: flags.to(device) for event, flags in rows.items()},
    )


def mask_patches(b: int, patches: int, share: float, generator: torch.Generator) -> Tensor:
    """Hide the same number of random patches in each row `(b, patches)`; one at least stays."""
    count = min(max(round(share * patches), 1), patches - 1)
    order = torch.rand(b, patches, generator=generator).argsort(1).argsort(1)
    return order < count
