"""Every fusion operator in the network of contract version 2, and in its exported file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.codebook import SLOTS
from sensorium_core.contract import touch
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import Policy, output_names, unreadable_policy
from sensorium_training.export import _Deployed, example_inputs, export, parity
from sensorium_training.fusion.interface import SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.network import PolicyNet
from sensorium_training.recipe import Recipe
from sensorium_training.stages import network

WORDS = len(SLOTS)


def net_of(fusion: str) -> PolicyNet:
    torch.manual_seed(3)
    return PolicyNet(replace(network(Recipe("touch")), fusion=fusion)).eval()


@pytest.fixture(scope="module", params=FUSIONS)
def exported(request, tmp_path_factory) -> tuple[str, Path]:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.mktemp(request.param) / "policy.onnx"
    assert export(net_of(request.param), touch(), path) <= 1e-4
    return request.param, path


def test_the_exported_file_is_accepted_and_computes_what_torch_does_with_any_senses_missing(
    exported: tuple[str, Path],
) -> None:
    fusion, path = exported
    assert Policy(path).contract.senses == SENSES
    deployed = _Deployed(net_of(fusion), tuple(example_inputs(touch(), words=WORDS)))
    assert parity(deployed, touch(), path, trials=40) <= 1e-4
    session = open_session(path, unreadable_policy).session
    here = {i.name for i in session.get_inputs()}
    tensors = example_inputs(touch(), 5, WORDS)
    feed = {name: tensor.numpy() for name, tensor in tensors.items() if name in here}
    feed["valid"] = np.zeros((1, 6), np.float32)
    answers = session.run(list(output_names(touch())), feed)
    assert all(np.isfinite(value).all() for value in answers)
