"""Properties of every imputer on its own: deaf to the missing, trained, not clairvoyant."""

import pytest
import torch
from sensorium_core.errors import GateConfigError, UnknownNameError
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.choice import fusion_class
from sensorium_training.fusion.interface import FORCE_SENSES, SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.imputation.choice import imputer_of
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import Imputer, Statistics, hide
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


def case(size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Tokens, all senses valid."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(size, len(SENSES), WIDTH, generator=rng), torch.ones(size, 6)


def somewhat_hidden(valid: Tensor) -> Tensor:
    return hide(valid, 0.3, torch.Generator().manual_seed(0))


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
    tokens, _ = case(64)

    def told(fill: float) -> list[Tensor]:
        module, given = imputer(name, senses), filled(tokens, SUBSETS, fill)
        terms = module.losses(given, SUBSETS, somewhat_hidden(SUBSETS))
        torch.stack(list(terms.values())).sum().backward()
        missing = 1 - SUBSETS[:, list(module.guessed)]
        guesses = filled(module(given, SUBSETS), missing, 0.0)
        gradients = [p.grad for p in module.parameters()]
        return [guesses, *terms.values(), *gradients, *module.buffers()]

    clean = told(0.0)
    assert all(bool(torch.isfinite(value).all()) for value in clean)
    for fill in (torch.nan, torch.inf, 1e30):
        for ours, theirs in zip(clean, told(fill), strict=True):
            assert torch.equal(ours, theirs)


@each
def test_every_parameter_is_registered_gets_a_gradient_of_its_losses_and_changes(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, valid) = imputer(name, senses), case()
    before = {key: value.detach().clone() for key, value in module.named_parameters()}
    buffers = {key for key, _ in module.named_buffers()}
    assert set(before) | buffers == set(module.state_dict())
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    terms = module.losses(tokens, valid, somewhat_hidden(valid))
    assert set(terms) == TERMS[name]
    assert set(terms) <= set(ImputationConfig().weights())
    torch.stack(list(terms.values())).sum().backward()
    optimizer.step()
    for key, parameter in module.named_parameters():
        assert bool((parameter.grad != 0).any()), key
        assert not torch.equal(before[key], parameter), key


@each
def test_losses_teach_no_encoder_neither_as_source_nor_as_target(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, valid) = imputer(name, senses), case()
    tokens.requires_grad_()
    terms = module.losses(tokens, valid, somewhat_hidden(valid))
    torch.stack(list(terms.values())).sum().backward()
    assert tokens.grad is None
    module(tokens, valid * torch.tensor([1.0, 1, 0, 0, 0, 1])).sum().backward()
    assert bool((tokens.grad != 0).any())


@each
def test_nothing_to_judge_costs_exactly_nothing(name: str, senses: tuple[int, ...]) -> None:
    module, (tokens, valid) = imputer(name, senses), case()
    before = [buffer.clone() for buffer in module.buffers()]
    terms = module.losses(tokens, torch.zeros_like(valid), torch.ones_like(valid))
    torch.stack(list(terms.values())).sum().backward()
    assert all(float(term.detach()) == 0 for term in terms.values())
    assert all(not bool(p.grad.any()) for p in module.parameters())
    assert all(map(torch.equal, before, module.buffers()))


@each
def test_where_nothing_is_there_to_guess_from_the_guess_is_the_mean_token(
    name: str, senses: tuple[int, ...]
) -> None:
    module, (tokens, valid) = imputer(name, senses), case()
    module.losses(tokens, valid, 0 * valid)
    listened = list(SOURCES) if name == "translation" else list(senses)
    valid[:, listened] = 0.0
    mean = tokens.mean(0)[list(module.guessed)].expand(SIZE, -1, -1)
    assert torch.allclose(module(tokens, valid), mean, atol=1e-5)


def test_the_autoencoder_among_some_senses_hears_no_other_and_guesses_no_other() -> None:
    module, (tokens, valid) = imputer("autoencoder", FREE), case()
    assert module.guessed == FREE
    valid[:, 0] = 0.0
    told = module(tokens, valid)
    tokens[:, list(FORCE_SENSES)] += 5.0
    assert torch.equal(told, module(tokens, valid))
    valid[:, list(FORCE_SENSES)] = 0.0
    assert torch.equal(told, module(tokens, valid))


def test_the_autoencoder_guesses_from_every_sense_that_is_there() -> None:
    module, (tokens, valid) = imputer("autoencoder", ALL), case()
    valid[:, 3] = 0.0
    told = module(tokens, valid)[:, 3]
    for sense in (0, 1, 2, 4, 5):
        changed = tokens.clone()
        changed[:, sense] += 1.0
        assert not torch.equal(told, module(changed, valid)[:, 3]), SENSES[sense]


def test_a_translation_needs_vision_alone() -> None:
    module, (tokens, valid) = imputer("translation", ALL), case()
    assert module.guessed == FORCE_SENSES
    told = module(tokens, valid)
    dumb = valid.clone()
    dumb[:, [3, 4, 5]] = 0.0
    assert torch.equal(told, module(filled(tokens, dumb, torch.nan), dumb))
    for sense in SOURCES:
        dark = valid.clone()
        dark[:, sense] = 0.0
        assert not torch.equal(told, module(tokens, dark)), SENSES[sense]


def test_the_way_back_teaches_the_way_there_and_needs_no_force() -> None:
    module, (tokens, valid) = imputer("translation", ALL), case()
    valid[:, list(FORCE_SENSES)] = 0.0
    terms = module.losses(tokens, valid, torch.zeros_like(valid))
    assert float(terms["translation"].detach()) == 0.0
    terms["cycle"].backward()
    for parameter in module.there.parameters():
        assert bool((parameter.grad != 0).any())


def test_the_error_is_in_parts_of_that_of_the_mean_token_whatever_the_size_of_tokens() -> None:
    tokens, valid = case()
    tokens = 3.0 + tokens * torch.tensor([1.0, 10.0, 0.1, 1.0, 1.0, 100.0]).reshape(1, 6, 1)
    statistics = Statistics(WIDTH)
    statistics.learn(tokens, valid)
    mean, places = tokens.mean(0).expand_as(tokens), list(ALL)
    assert float(statistics.error(tokens, tokens, valid, places)) == 0.0
    assert float(statistics.error(mean, tokens, valid, places)) == pytest.approx(1.0, abs=1e-3)
    assert float(statistics.error(mean, tokens, 0 * valid, places)) == 0.0
    one = statistics.error(mean[:, 5:], tokens, valid[:, 5:], [5])
    assert float(one) == pytest.approx(1.0, abs=1e-3)
    again = statistics.back(statistics.plain(tokens, FREE), FREE)
    assert torch.allclose(again, tokens[:, list(FREE)], atol=1e-3)


def test_statistics_are_of_valid_tokens_only_follow_them_and_rest_outside_training() -> None:
    tokens, valid = case(512)
    valid[::2, 1] = 0.0
    statistics = Statistics(WIDTH)
    statistics.learn(filled(tokens, valid, torch.nan), valid)
    assert torch.allclose(statistics.mean[1], tokens[1::2, 1].mean(0), atol=1e-5)
    for _ in range(300):
        statistics.learn(5.0 + 2.0 * tokens, valid)
    assert torch.allclose(statistics.mean, torch.full((6, WIDTH), 5.0), atol=0.5)
    assert torch.allclose(statistics.variance.mean(-1), torch.full((6,), 4.0), atol=0.5)
    for name in TERMS:
        module = imputer(name, ALL).eval()
        before = [buffer.clone() for buffer in module.buffers()]
        module.losses(tokens, valid, somewhat_hidden(valid))
        assert all(map(torch.equal, before, module.buffers()))


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
    optimizer = torch.optim.Adam(module.parameters(), 3e-3)
    weights, rng = ImputationConfig().weights(), torch.Generator().manual_seed(2)
    for step in range(400):
        tokens, valid = learnable(128, 100 + step)
        terms = module.losses(tokens, valid, hide(valid, 0.3, rng))
        optimizer.zero_grad()
        torch.stack([weights[key] * term for key, term in terms.items()]).sum().backward()
        optimizer.step()
    tokens, valid = learnable(512, 1)
    dead = valid.clone()
    dead[:, list(FORCE_SENSES)] = 0.0
    with torch.no_grad():
        guesses = module(filled(tokens, dead, torch.nan), dead)
    places = list(module.guessed)
    wrong = (guesses - tokens[:, places]).square().mean((0, 2))
    left = wrong / tokens[:, places].var(0).mean(-1)
    wrench, pads = (float(left[places.index(sense)]) for sense in FORCE_SENSES)
    assert wrench < 0.4
    assert 0.9 < pads < 1.3
