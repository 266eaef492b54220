"""Properties of every imputer on its own: deaf to the missing, trained, and no better than honest."""

import pytest
import torch
from sensorium_core.errors import GateConfigError, UnknownNameError
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.choice import fusion_class
from sensorium_training.fusion.interface import FORCE_SENSES, SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.imputation.choice import imputer_of
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import Imputer, hide, relative_error
from sensorium_training.imputation.names import IMPUTATIONS, fusions_of
from sensorium_training.imputation.translation import SOURCES
from torch import Tensor

WIDTH, SIZE = 16, 24
ALL, FREE = tuple(range(6)), (0, 1, 2, 5)
SUBSETS = torch.tensor([[int(bit) for bit in f"{mask:06b}"] for mask in range(64)]).float()
CASES = (("autoencoder", ALL), ("autoencoder", FREE), ("translation", ALL))
TERMS = {"autoencoder": {"reconstruction"}, "translation": {"translation", "cycle"}}
each = pytest.mark.parametrize(("name", "senses"), CASES)


def imputer(name: str, senses: tuple[int, ...]) -> Imputer:
    torch.manual_seed(0)
    found = imputer_of(NetConfig(width=WIDTH, imputation=name), senses)
    assert found is not None
    return found


def case(size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens, all senses valid, and learned tokens."""
    rng = torch.Generator().manual_seed(seed)
    tokens = torch.randn(size, len(SENSES), WIDTH, generator=rng)
    return tokens, torch.ones(size, 6), torch.randn(6, WIDTH, generator=rng)


def filled(tokens: Tensor, valid: Tensor, fill: float) -> Tensor:
    """Tokens with anything in place of the missing ones."""
    return torch.where(valid.unsqueeze(-1) > 0.5, tokens, torch.full_like(tokens, fill))


def test_unknown_names_and_illegal_settings_are_refused_with_what_is_legal() -> None:
    with pytest.raises(UnknownNameError, match=", ".join(IMPUTATIONS)):
        NetConfig(imputation="mean")
    for field in ("imputer_hidden", "imputer_code", "cascade"):
        with pytest.raises(GateConfigError, match=field):
            NetConfig(**{field: 0})
    with pytest.raises(GateConfigError, match="hide"):
        ImputationConfig(hide=0.0)
    with pytest.raises(GateConfigError, match="cycle"):
        ImputationConfig(cycle=float("nan"))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_what_would_break_the_promise_of_an_operator_is_refused(fusion: str) -> None:
    stand_ins = fusion_class(fusion).stand_ins
    legal = {
        "learned": True,
        "autoencoder": bool(stand_ins),
        "translation": set(FORCE_SENSES) <= set(stand_ins),
    }
    for name in IMPUTATIONS:
        assert (fusion in fusions_of(name)) is legal[name]
        if legal[name]:
            assert NetConfig(fusion=fusion, imputation=name).imputation == name
            continue
        with pytest.raises(GateConfigError, match=rf"{name}.*learned.*{fusion}.*weighted"):
            NetConfig(fusion=fusion, imputation=name)


def test_learned_tokens_need_no_module() -> None:
    assert NetConfig().imputation == "learned"
    assert imputer_of(NetConfig(), ALL) is None


@each
def test_any_subset_gives_finite_guesses_and_losses_that_ignore_the_bytes_of_the_others(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, _, learned) = imputer(name, senses), case(64)
    hidden = hide(SUBSETS, 0.3, torch.Generator().manual_seed(0))

    def told(fill: float) -> list[Tensor]:
        module.zero_grad(set_to_none=True)
        given = filled(tokens, SUBSETS, fill)
        terms = module.losses(given, SUBSETS, hidden, learned)
        torch.stack(list(terms.values())).sum().backward()
        gradients = [p.grad for p in module.parameters()]
        return [filled(module(given, SUBSETS, learned), 1 - SUBSETS, 0.0), *terms.values(),
                *gradients]  # fmt: skip

    clean = told(0.0)
    assert all(bool(torch.isfinite(value).all()) for value in clean)
    for fill in (torch.nan, torch.inf, 1e30):
        for ours, theirs in zip(clean, told(fill), strict=True):
            assert torch.equal(ours, theirs)


@each
def test_every_parameter_is_registered_gets_a_gradient_of_its_losses_and_changes(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, valid, learned) = imputer(name, senses), case()
    before = {key: value.detach().clone() for key, value in module.named_parameters()}
    assert set(before) == set(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    hidden = hide(valid, 0.3, torch.Generator().manual_seed(0))
    terms = module.losses(tokens, valid, hidden, learned)
    assert set(terms) == TERMS[name]
    assert set(terms) <= set(ImputationConfig().weights())
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()
    for key, parameter in module.named_parameters():
        assert bool((parameter.grad != 0).any()), key
        assert not torch.equal(before[key], parameter), key


@each
def test_losses_teach_the_imputer_and_the_learned_tokens_but_not_the_encoders(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, valid, learned) = imputer(name, senses), case()
    tokens.requires_grad_()
    learned.requires_grad_()
    hidden = hide(valid, 0.3, torch.Generator().manual_seed(0))
    torch.stack(list(module.losses(tokens, valid, hidden, learned).values())).sum().backward()
    assert tokens.grad is None
    guessed = set(FORCE_SENSES) if name == "translation" else set(senses)
    assert {i for i in ALL if bool((learned.grad[i] != 0).any())} == guessed


@each
def test_nothing_to_judge_costs_exactly_nothing(name: str, senses: tuple[int, ...]) -> None:
    module, (tokens, valid, learned) = imputer(name, senses), case()
    terms = module.losses(tokens, torch.zeros_like(valid), torch.ones_like(valid), learned)
    torch.stack(list(terms.values())).sum().backward()
    assert all(float(term.detach()) == 0 for term in terms.values())
    assert all(not bool(p.grad.any()) for p in module.parameters())


def test_the_autoencoder_among_some_senses_hears_no_other_and_guesses_no_other() -> None:
    module, (tokens, valid, learned) = imputer("autoencoder", FREE), case()
    valid[:, 0] = 0.0
    told = module(tokens, valid, learned)
    tokens[:, list(FORCE_SENSES)] += 5.0
    assert torch.equal(told, module(tokens, valid, learned))
    valid[:, list(FORCE_SENSES)] = 0.0
    assert torch.equal(told, module(tokens, valid, learned))
    assert torch.equal(told[:, 3], learned[3].expand(SIZE, -1))


def test_the_autoencoder_guesses_from_every_sense_that_is_there() -> None:
    module, (tokens, valid, learned) = imputer("autoencoder", ALL), case()
    valid[:, 3] = 0.0
    told = module(tokens, valid, learned)[:, 3]
    for sense in (0, 1, 2, 4, 5):
        changed = tokens.clone()
        changed[:, sense] += 1.0
        assert not torch.equal(told, module(changed, valid, learned)[:, 3]), SENSES[sense]


def test_a_translation_needs_vision_alone() -> None:
    module, (tokens, valid, learned) = imputer("translation", ALL), case()
    told = module(tokens, valid, learned)
    blind = valid.clone()
    blind[:, [3, 4, 5]] = 0.0
    assert torch.equal(told, module(filled(tokens, blind, torch.nan), blind, learned))
    others = [i for i in ALL if i not in FORCE_SENSES]
    assert torch.equal(told[:, others], learned[others].expand(SIZE, -1, -1))
    for sense in SOURCES:
        dark = valid.clone()
        dark[:, sense] = 0.0
        assert not torch.equal(told, module(tokens, dark, learned)), SENSES[sense]


def test_where_nothing_is_seen_force_has_its_learned_token() -> None:
    module, (tokens, valid, learned) = imputer("translation", ALL), case()
    valid[:, list(SOURCES)] = 0.0
    assert torch.equal(module(tokens, valid, learned), learned.expand(SIZE, -1, -1))


def test_the_way_back_teaches_the_way_there_and_needs_no_force() -> None:
    module, (tokens, valid, learned) = imputer("translation", ALL), case()
    valid[:, list(FORCE_SENSES)] = 0.0
    terms = module.losses(tokens, valid, torch.zeros_like(valid), learned)
    assert float(terms["translation"].detach()) == 0.0
    terms["cycle"].backward()
    for parameter in module.there.parameters():
        assert bool((parameter.grad != 0).any())


def test_the_error_is_in_parts_of_the_mean_square_of_the_sense() -> None:
    tokens, valid, _ = case()
    tokens = tokens * torch.tensor([1.0, 10.0, 0.1, 1.0, 1.0, 100.0]).reshape(1, 6, 1)
    zeros, asked = torch.zeros_like(tokens), torch.ones_like(valid)
    assert float(relative_error(tokens, tokens, asked, valid)) == 0.0
    assert float(relative_error(zeros, tokens, asked, valid)) == pytest.approx(1.0, abs=1e-3)
    assert float(relative_error(zeros, tokens, 0 * asked, valid)) == 0.0
    one = asked * torch.eye(6)[5]
    assert float(relative_error(2 * tokens, tokens, one, valid)) == pytest.approx(1.0, abs=1e-3)


def test_senses_are_hidden_as_often_as_asked_and_the_same_for_the_same_generator() -> None:
    valid = torch.ones(4000, 6)
    hidden = hide(valid, 0.3, torch.Generator().manual_seed(1))
    assert torch.allclose(hidden.mean(0), torch.full((6,), 0.3), atol=0.03)
    assert torch.equal(hidden, hide(0 * valid, 0.3, torch.Generator().manual_seed(1)))


def learnable(size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Tokens in which the wrench follows from what is seen, and the pads from nothing."""
    rng = torch.Generator().manual_seed(seed)
    tokens = 1.0 + torch.randn(size, 6, WIDTH, generator=rng)
    turn = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(9)) / WIDTH**0.5
    tokens[:, 3] = 1.0 + (tokens[:, 0] - 1.0) @ turn
    return tokens, torch.ones(size, 6)


@pytest.mark.parametrize("name", ["autoencoder", "translation"])
def test_what_follows_from_other_senses_is_guessed_and_what_does_not_is_no_worse_than_the_mean(
    name: str,
) -> None:
    module = imputer_of(NetConfig(width=WIDTH, imputation=name, cascade=2), ALL)
    assert module is not None
    learned = torch.nn.Parameter(torch.zeros(6, WIDTH))
    optimizer = torch.optim.Adam([*module.parameters(), learned], 3e-3)
    weights, rng = ImputationConfig().weights(), torch.Generator().manual_seed(2)
    for step in range(400):
        tokens, valid = learnable(128, 100 + step)
        terms = module.losses(tokens, valid, hide(valid, 0.3, rng), learned)
        optimizer.zero_grad()
        torch.stack([weights[key] * term for key, term in terms.items()]).sum().backward()
        optimizer.step()
    tokens, valid = learnable(512, 1)
    dead = valid.clone()
    dead[:, list(FORCE_SENSES)] = 0.0
    with torch.no_grad():
        guesses = module(filled(tokens, dead, torch.nan), dead, learned)
    left = (guesses - tokens).square().mean((0, 2)) / tokens.var(0).mean(-1)
    assert float(left[3]) < 0.4
    assert 0.9 < float(left[4]) < 1.3
