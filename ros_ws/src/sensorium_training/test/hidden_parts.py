"""Weights that no optimizer and no file sees, for tests that there are none."""

import torch
from torch import nn

REGISTERED = frozenset(vars(nn.Module()))
"""Where torch itself keeps what is registered; every other attribute is looked into."""


def hidden_parts(network: nn.Module) -> list[str]:
    """Weights and layers beside what is registered, alone or in plain lists, tuples or dicts."""
    return [
        f"{place}.{name}"
        for place, module in network.named_modules()
        for name, held in vars(module).items()
        if name not in REGISTERED
        for one in _parts(held)
        if isinstance(one, (torch.Tensor, nn.Module))
    ]


def _parts(held: object) -> list[object]:
    if isinstance(held, dict):
        return list(held.values())
    return list(held) if isinstance(held, (list, tuple)) else [held]
