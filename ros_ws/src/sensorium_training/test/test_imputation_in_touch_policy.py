"""Every imputer inside the network of contract version 2, in training and in the exported file."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.codebook import SLOTS
from sensorium_core.contract import touch
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import OUTPUTS, unreadable_policy
from sensorium_training.encoders import NetConfig
from sensorium_training.export import _Deployed, example_inputs, export
from sensorium_training.fusion.interface import SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import hide
from sensorium_training.imputation.names import IMPUTATIONS, fusions_of
from sensorium_training.losses import policy_losses, total
from sensorium_training.network import PolicyNet
from torch import Tensor

from .test_recall import MODALITIES, batch, labels

COMBINATIONS = [
    (fusion, name)
    for name, fusion in product(IMPUTATIONS[1:], FUSIONS)
    if fusion in fusions_of(name)
]
each = pytest.mark.parametrize(("fusion", "name"), COMBINATIONS)


def net_of(fusion: str, name: str) -> PolicyNet:
    torch.manual_seed(3)
    config = NetConfig.for_contract(touch(), fusion=fusion, imputation=name)
    return PolicyNet(config).eval()


def lost(net: PolicyNet, tensors: dict[str, Tensor]) -> Tensor:
    """The whole loss of training, with the same senses hidden each time."""
    out, valid = net(**tensors), tensors["valid"]
    hidden = hide(valid, 0.3, torch.Generator().manual_seed(0))
    besides = net.imputation_losses(out.tokens, valid, hidden)
    assert besides
    return total(policy_losses(out, labels()) | besides, ImputationConfig().weights())


def lacking() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Eight rows: each sense missing in one, all in one, none in one; and other bytes in them."""
    tensors = batch(8)
    tensors["valid"] = torch.cat([1 - torch.eye(6), torch.zeros(1, 6), torch.ones(1, 6)])
    garbage = dict(tensors)
    for row, sense in [*enumerate(SENSES), *((6, sense) for sense in SENSES)]:
        for name in MODALITIES[sense]:
            garbage[name] = garbage[name].clone()
            image = garbage[name].dtype == torch.uint8
            garbage[name][row] = 255 - garbage[name][row] if image else torch.nan
    return tensors, garbage


@each
def test_bytes_of_a_missing_sense_change_neither_action_nor_loss_nor_gradients(
    fusion: str, name: str
) -> None:
    told = []
    for tensors in lacking():
        net = net_of(fusion, name)
        torch.manual_seed(5)
        loss = lost(net, tensors)
        loss.backward()
        gradients = [p.grad for p in net.parameters()]
        told.append([*vars(net(**tensors)).values(), loss, *gradients])
    for ours, theirs in zip(*told, strict=True):
        assert torch.equal(ours, theirs)
        assert bool(torch.isfinite(ours).all())


@each
def test_every_parameter_trains_and_the_imputers_losses_train_no_encoder(
    fusion: str, name: str
) -> None:
    net, tensors = net_of(fusion, name), lacking()[0]
    out = net(**tensors)
    hidden = hide(tensors["valid"], 0.3, torch.Generator().manual_seed(0))
    terms = net.imputation_losses(out.tokens, tensors["valid"], hidden)
    torch.stack(list(terms.values())).sum().backward()
    taught = {key.split(".")[0] for key, p in net.named_parameters() if p.grad is not None}
    assert taught == {"imputer"}
    before = {key: value.detach().clone() for key, value in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    optimizer.zero_grad()
    lost(net, tensors).backward()
    optimizer.step()
    for key, parameter in net.named_parameters():
        assert bool((parameter.grad != 0).any()), key
        assert not torch.equal(before[key], parameter), key


@pytest.mark.parametrize(
    ("fusion", "name"),
    [("weighted", "autoencoder"), ("weighted", "translation"), ("contact_gate", "autoencoder"),
     ("film", "autoencoder"), ("film", "translation")],
)  # fmt: skip
def test_the_exported_file_computes_what_torch_does_with_any_sense_missing(
    fusion: str, name: str, tmp_path: Path
) -> None:
    net, path = net_of(fusion, name), tmp_path / "policy.onnx"
    assert export(net, touch(), path) <= 1e-4
    deployed = _Deployed(net, tuple(example_inputs(touch(), 0, len(SLOTS))))
    session, worst = open_session(path, unreadable_policy).session, 0.0
    names = [one.name for one in session.get_outputs()]
    assert set(names) >= set(OUTPUTS) | {"intent"}
    for mask in range(0, 64, 3):
        tensors = example_inputs(touch(), mask, len(SLOTS))
        tensors["valid"] = torch.tensor([[float(bit) for bit in f"{mask:06b}"]])
        ours = session.run(names, {key: value.numpy() for key, value in tensors.items()})
        with torch.no_grad():
            theirs = [value.numpy() for value in deployed(*tensors.values())]
        worst = max(
            worst, *(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
        )
    assert worst <= 1e-4
