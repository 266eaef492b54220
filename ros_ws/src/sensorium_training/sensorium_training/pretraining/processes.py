"""The processes of one run: torchrun starts them and says to each which it is.

Each takes the same number of rows of every batch; the first alone writes.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import torch
from sensorium_core.errors import LoaderError
from torch import distributed

_PATIENCE = timedelta(hours=12)
"""The others wait this long while the first makes the rows of new bags."""


@dataclass(frozen=True)
class Processes:
    """Which process this is, of how many."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this process writes files and speaks to the person."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """This process's rows of a batch; raises `LoaderError` when they cannot be equal."""
        if total % self.world:
            raise LoaderError(
                f"a batch of {total} for {self.world} processes", f"a multiple of {self.world}"
            )
        size = total // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def wait(self) -> None:
        """Until all are here."""
        if self.world > 1:
            distributed.barrier()


@contextmanager
def processes(device: str) -> Iterator[Processes]:
    """Join the others, if torchrun started several, and leave them in the end.

    Args:
        device: cpu, cuda or auto.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(device=torch.device(device))
        return
    local = int(os.environ.get("LOCAL_RANK", "0"))
    on_gpu = device.startswith("cuda")
    place = torch.device("cuda", local) if on_gpu else torch.device(device)
    if on_gpu:
        torch.cuda.set_device(place)
    distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    try:
        yield Processes(distributed.get_rank(), world, place)
        distributed.barrier()  # A thread of gloo that still holds tensors at the end aborts.
    finally:
        distributed.destroy_process_group()
