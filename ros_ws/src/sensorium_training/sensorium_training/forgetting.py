"""Inputs of the network as they are when a sense has been dead since the instruction was given.

The layout of memories is that of `sensorium_core.memory.FeltMemory.vector`; contract version 1 has
its first five numbers.
"""

import torch
from sensorium_core.memory import TOLD_BY
from torch import Tensor

from sensorium_training.fusion.interface import SENSES

TELLING = tuple(TOLD_BY)
"""Senses without which a memory holds less."""
_GREY = 0.5


def forget(memory: Tensor, sense: str, rows: Tensor) -> None:
    """Wipe what a sense tells from some rows `(b,)` of memories `(b, 5 or 32)`, in place.

    A sense of which memories hold nothing changes nothing.
    """
    told = TOLD_BY.get(sense, ())
    places = torch.tensor([place in told for place in range(memory.shape[1])])
    memory[rows[:, None] & places] = 0.0


def silenced(inputs: dict[str, Tensor], senses: tuple[str, ...]) -> dict[str, Tensor]:
    """A copy of the inputs, batch first, in which some senses were never there in any row.

    Flags fall, nothing is remembered by them, and a cloud without the scene picture is grey.
    """
    if not senses:
        return inputs
    memory = inputs["memory"]
    there = torch.tensor([float(sense not in senses) for sense in SENSES])
    told = {place for sense in senses for place in TOLD_BY.get(sense, ())}
    kept = torch.tensor([float(place not in told) for place in range(memory.shape[1])])
    cloud = inputs["cloud"]
    if "scene_rgb" in senses:
        colours = _GREY * cloud[..., 6:].expand(-1, -1, 3)
        cloud = torch.cat([cloud[..., :3], colours, cloud[..., 6:]], -1)
    return {**inputs, "valid": inputs["valid"] * there, "memory": memory * kept, "cloud": cloud}
