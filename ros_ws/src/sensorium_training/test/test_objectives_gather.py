"""Two processes that gather their rows have the loss and the gradients of one with all rows.

Run as a script this file is one process: rank, number of processes, folder.
"""

import os
import subprocess
import sys
from math import prod
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sensorium_core.errors import ShapeError
from sensorium_training.objectives.compose import Composition
from sensorium_training.objectives.gather import gather
from sensorium_training.objectives.interface import Batch, Future, SenseShape, Shapes
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

ROWS = 12
SAMPLES = {"sight": (16, 32, 3), "touch": (10, 6)}
"""Of each sense: a picture, a window of ten readings."""
SHAPES = Shapes({s: SenseShape(8, shape) for s, shape in SAMPLES.items()}, action=3, motion=3)
CONFIG = {
    "infonce": {"objective": "infonce", "pairs": [["sight", "touch"]]},
    "binding": {"objective": "binding", "anchor": "sight", "senses": ["touch"]},
    "vse": {"objective": "vse", "pairs": [["sight", "touch"]]},
    "factorcl": {"objective": "factorcl", "pair": ["sight", "touch"]},
    "matching": {"objective": "matching", "instruction": "touch", "senses": ["sight"]},
    "transport": {"objective": "transport", "words": "touch", "patches": "sight"},
    "alignment": {"objective": "alignment", "pair": ["sight", "touch"]},
    "motion": {"objective": "motion", "senses": ["sight", "touch"], "scale": [1, 1, 1]},
    "flow": {"objective": "flow", "image": "sight", "senses": ["sight", "touch"]},
    "contact": {"objective": "contact", "senses": ["sight", "touch"], "touch": "touch"},
    "masked": {"objective": "masked", "sense": "touch"},
}


class Pretraining(nn.Module):
    """Encoders and objectives in one module, as a trainer would wrap them."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoders = nn.ModuleDict(
            {s: nn.Sequential(nn.Flatten(), nn.Linear(prod(x), 8)) for s, x in SAMPLES.items()}
        )
        self.objectives = Composition(CONFIG, SHAPES)

    def forward(self, first, last):
        return self.objectives(gather(self.encode(first, last)), seeded(9)).loss

    def encode(self, first, last):
        """Some rows of one fixed batch, of which some are invalid."""
        draw, rows = seeded(1), slice(first, last)
        samples, later = (
            {s: torch.randn(ROWS, *shape, generator=draw)[rows] for s, shape in SAMPLES.items()}
            for _ in range(2)
        )
        valid = {s: (torch.rand(ROWS, generator=draw) > 0.2)[rows] for s in self.encoders}
        action = torch.randn(2, ROWS, 3, generator=draw)[:, rows]
        there = (torch.arange(ROWS) % 5 > 0)[rows]
        return Batch(
            embeddings={s: self.encoders[s](x) for s, x in samples.items()},
            views={s: self.encoders[s](x + 0.1) for s, x in samples.items()},
            valid=valid,
            samples=samples,
            encoders=dict(self.encoders.items()),
            future=Future(there, action[0], action[1], later, valid),
            instruction=(torch.arange(ROWS) // 2)[rows],
            episode=(torch.arange(ROWS) // 6)[rows],
            time_s=(torch.arange(ROWS) * 0.5)[rows],
        )


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def gradients(net):
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def process(rank, world, folder):
    """Leave the loss and the averaged gradients in a file, and what odd numbers of rows bring."""
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=world
    )
    net, share = Pretraining(), ROWS // world
    parallel = DistributedDataParallel(net)
    loss = parallel(rank * share, (rank + 1) * share)
    loss.backward()
    save_file({"loss": loss.detach(), **gradients(net)}, folder / f"{rank}.safetensors")
    try:
        gather(net.encode(0, 5 - rank))
    except ShapeError as error:
        (folder / f"{rank}.refused").write_text(str(error))
    distributed.barrier()
    distributed.destroy_process_group()


def test_one_process_gathers_nothing():
    batch = Pretraining().encode(0, ROWS)
    assert gather(batch) is batch


def test_two_processes_have_the_loss_and_the_gradients_of_one(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    commands = [[sys.executable, __file__, str(rank), "2", str(tmp_path)] for rank in range(2)]
    running = [subprocess.Popen(command, env=environment) for command in commands]
    assert [process.wait(timeout=200) for process in running] == [0, 0]
    net = Pretraining()
    loss = net(0, ROWS)
    loss.backward()
    for rank in range(2):
        found = load_file(tmp_path / f"{rank}.safetensors")
        assert float(found["loss"]) == pytest.approx(float(loss.detach()), abs=1e-5)
        for name, expected in gradients(net).items():
            torch.testing.assert_close(found[name], expected, rtol=1e-4, atol=1e-6)
        refused = (tmp_path / f"{rank}.refused").read_text()
        assert "got [5, 4], expected the same number in all" in refused


if __name__ == "__main__":
    process(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
