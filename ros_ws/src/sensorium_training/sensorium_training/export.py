"""From trained weights to one self-describing ONNX file, checked against torch."""

from pathlib import Path

import numpy as np
import onnx
import torch
from sensorium_core.codebook import TABLETOP_SLOTS, TOKEN_SIZE
from sensorium_core.contract import Contract
from sensorium_core.errors import ParityError
from sensorium_core.memory import memory_width
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import METADATA_KEY, UNHEARD_KEY, output_names, unreadable_policy
from torch import Tensor, nn

from sensorium_training.forgetting import silenced
from sensorium_training.network import PolicyNet
from sensorium_training.onnx_file import traced

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime that is accepted (fp32)."""


class _Deployed(nn.Module):
    """The network as the runtime calls it: named tensors in order, probabilities out.

    It does not hear senses that it was trained without.
    """

    def __init__(self, net: PolicyNet, names: tuple[str, ...], dead: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.net, self.names, self.dead = net, names, dead

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        out = self.net(**silenced(dict(zip(self.names, tensors, strict=True)), self.dead))
        present, done = torch.sigmoid(out.present), torch.sigmoid(out.done)
        answer = out.chunk, out.target, present, done, out.weights
        return answer if self.net.config.version == 1 else (*answer, out.intent)


def example_inputs(
    contract: Contract, seed: int = 0, words: int = len(TABLETOP_SLOTS)
) -> dict[str, Tensor]:
    """Random tensors of the contract's shapes, batch 1, for tracing and parity.

    `words` is how many of a command's tokens there are.
    """
    rng = torch.Generator().manual_seed(seed)
    tensors: dict[str, Tensor] = {}
    for modality in contract.modalities:
        if modality.kind == "image":
            shape = (1, *modality.shape)
            tensors[modality.name] = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
    points = contract.cloud.points
    cloud = torch.rand(1, points, 7, generator=rng)
    cloud[..., :3] *= 0.3
    count = int(torch.randint(points // 2, points, (1,), generator=rng))
    cloud[..., 6] = (torch.arange(points) < count).float()
    tensors["cloud"] = cloud
    for modality in contract.modalities:
        if modality.kind in ("vector", "joints"):
            tensors[modality.name] = torch.randn(1, *modality.shape, generator=rng)
    tensors["reference"] = torch.rand(1, 5, generator=rng)
    tensors["memory"] = torch.rand(1, memory_width(contract), generator=rng)
    tensors["text"] = torch.randn(1, words, TOKEN_SIZE, generator=rng)
    valid = (torch.rand(1, len(contract.senses), generator=rng) > 0.2).float()
    tensors["valid"] = valid if seed else torch.ones_like(valid)
    return tensors


def export(net: PolicyNet, contract: Contract, path: Path, dead: tuple[str, ...] = ()) -> float:
    """Write the policy file; returns the largest difference from torch over 20 random inputs.

    Senses that are `dead`, since the network was trained without them, change nothing that the
    file computes. Raises `ParityError` above 1e-4 and leaves no file then.
    """
    net = net.eval()
    tensors = example_inputs(contract, words=net.config.words)
    deployed = _Deployed(net, tuple(tensors), dead)
    unheard = {UNHEARD_KEY: ",".join(dead)} if dead else {}
    told = {METADATA_KEY: contract.to_json(), **unheard}
    model = traced(deployed, list(tensors.values()), list(tensors), output_names(contract), told)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    onnx.save(model, partial)
    worst = parity(deployed, contract, partial)
    if not worst <= TOLERANCE:
        partial.unlink()
        raise ParityError(worst, TOLERANCE)
    partial.replace(path)
    return worst


@torch.no_grad()
def parity(deployed: _Deployed, contract: Contract, path: Path, trials: int = 20) -> float:
    """Largest absolute difference of any output between torch and the file."""
    session = open_session(path, unreadable_policy).session
    worst = 0.0
    for seed in range(trials):
        tensors = example_inputs(contract, seed, deployed.net.config.words)
        feed = {i.name: tensors[i.name].numpy() for i in session.get_inputs()}
        ours = session.run(list(output_names(contract)), feed)
        theirs = deployed(*tensors.values())
        for a, b in zip(ours, theirs, strict=True):
            worst = max(worst, float(np.abs(a - b.numpy()).max()))
    return worst
