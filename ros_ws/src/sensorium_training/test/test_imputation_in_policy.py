"""Every imputer inside the policy network, in training and in the exported file."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import OUTPUTS, Policy, unreadable_policy
from sensorium_training.encoders import NetConfig
from sensorium_training.export import _Deployed, example_inputs, export
from sensorium_training.fusion.interface import SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import hide
from sensorium_training.imputation.names import IMPUTATIONS, fusions_of
from sensorium_training.losses import policy_losses, total
from sensorium_training.network import PolicyNet
from sensorium_training.train import Trainer
from torch import Tensor

from .test_fusion_in_policy import BYTES_OF, free_space
from .test_network import batch, labels
from .test_train import Random, config

COMBINATIONS = [
    (fusion, name)
    for name, fusion in product(IMPUTATIONS[1:], FUSIONS)
    if fusion in fusions_of(name)
]
each = pytest.mark.parametrize(("fusion", "name"), COMBINATIONS)


def net_of(fusion: str, name: str) -> PolicyNet:
    torch.manual_seed(3)
    return PolicyNet(NetConfig(fusion=fusion, imputation=name)).eval()


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
        for name in BYTES_OF[sense]:
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
        loss = lost(net, tensors)
        loss.backward()
        gradients = [p.grad for p in net.parameters()]
        told.append([*vars(net(**tensors)).values(), loss, *gradients])
    for ours, theirs in zip(*told, strict=True):
        assert torch.equal(ours, theirs)
        assert bool(torch.isfinite(ours).all())


@each
def test_with_all_senses_there_no_bit_of_any_output_is_the_imputers(
    fusion: str, name: str
) -> None:
    plain, net, tensors = net_of(fusion, "learned"), net_of(fusion, name), batch(8)
    tensors["valid"] = torch.ones(8, 6)
    assert net.imputer is not None
    told = {k: v for k, v in plain.state_dict().items() if k != "missing"}
    assert set(told) == {
        k for k in net.state_dict() if k != "missing" and not k.startswith("imputer.")
    }
    net.load_state_dict(told, strict=False)
    with torch.no_grad():
        for parameter in net.imputer.parameters():
            parameter.mul_(50.0)
    for ours, theirs in zip(vars(plain(**tensors)).values(), vars(net(**tensors)).values(),
                            strict=True):  # fmt: skip
        assert torch.equal(ours, theirs)
    tensors["valid"] = torch.tensor([1.0, 1.0, 0.0, 0.0, 0.0, 1.0]).expand(8, 6)
    assert not torch.equal(plain(**tensors).chunk, net(**tensors).chunk)


@each
def test_with_no_sense_there_the_action_is_finite_and_the_imputer_has_nothing_to_learn(
    fusion: str, name: str
) -> None:
    net, tensors = net_of(fusion, name), batch(8)
    tensors["valid"] = torch.zeros(8, 6)
    out = net(**tensors)
    assert all(bool(torch.isfinite(value).all()) for value in vars(out).values())
    terms = net.imputation_losses(out.tokens, tensors["valid"], torch.zeros(8, 6))
    assert all(float(term.detach()) == 0 for term in terms.values())
    lost(net, tensors).backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in net.parameters() if p.grad is not None)


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


def test_behind_the_contact_gate_noise_on_the_forces_stays_exactly_unheard() -> None:
    net = net_of("contact_gate", "autoencoder")
    for missing in (0, 2, 5):
        answers = []
        for seed in (1, 2):
            tensors = free_space(seed, 8)
            tensors["valid"][:, missing] = 0.0
            answers.append(net(**tensors))
        one, other = (vars(answer) for answer in answers)
        heard = [key for key in one if not torch.equal(one[key], other[key])]
        assert heard == ["tokens"], SENSES[missing]
    numb = free_space(1, 8)
    whole = net(**numb).chunk
    numb["valid"][:, [3, 4]] = 0.0
    assert torch.equal(whole, net(**numb).chunk)


@pytest.mark.parametrize(
    ("fusion", "name"),
    [("weighted", "autoencoder"), ("weighted", "translation"), ("contact_gate", "autoencoder")],
)
def test_the_exported_file_computes_what_torch_does_with_any_subset_of_senses(
    fusion: str, name: str, tmp_path: Path
) -> None:
    net, path = net_of(fusion, name), tmp_path / "policy.onnx"
    assert export(net, tabletop(), path) <= 1e-4
    assert Policy(path).contract.senses == SENSES
    deployed = _Deployed(net, tuple(example_inputs(tabletop())))
    session, worst = open_session(path, unreadable_policy).session, 0.0
    for mask in range(64):
        tensors = example_inputs(tabletop(), mask)
        tensors["valid"] = torch.tensor([[float(bit) for bit in f"{mask:06b}"]])
        ours = session.run(list(OUTPUTS), {key: value.numpy() for key, value in tensors.items()})
        with torch.no_grad():
            theirs = [value.numpy() for value in deployed(*tensors.values())]
        worst = max(
            worst, *(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))
        )
    assert worst <= 1e-4


def test_a_run_logs_the_terms_of_its_imputer_by_name_and_a_plain_one_draws_nothing_for_it(
    tmp_path: Path,
) -> None:
    rows = Random()
    for name, terms in (
        ("learned", set()),
        ("autoencoder", {"reconstruction"}),
        ("translation", {"translation", "cycle"}),
    ):
        chosen = replace(config(0.01), net=NetConfig(imputation=name))
        trainer = Trainer([rows], [rows], tmp_path / name, chosen)
        state = trainer._rng.get_state()
        step, watched = trainer._one_step(0.0), trainer.validate(1)
        known = {"reconstruction", "translation", "cycle"}
        assert set(step) & known == set(watched) & known == terms
        assert torch.equal(state, trainer._rng.get_state()) is (name == "learned")


def test_a_weight_of_0_takes_a_loss_away_from_training(tmp_path: Path) -> None:
    rows = Random()
    chosen = replace(config(0.01), net=NetConfig(imputation="translation"))
    silent = replace(chosen, imputation=ImputationConfig(translation=0.0, cycle=0.0))
    heard, unheard = (
        Trainer([rows], [], tmp_path / str(i), one) for i, one in enumerate((chosen, silent))
    )
    for trainer in (heard, unheard):
        trainer._one_step(0.0)
    back = [[p.grad for p in t.net.imputer.back.parameters()] for t in (heard, unheard)]
    assert all(bool(gradient.any()) for gradient in back[0])
    assert not any(bool(gradient.any()) for gradient in back[1])
