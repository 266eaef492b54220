"""Properties of every fusion operator on its own: trained, finite, deaf to the absent."""

import pytest
import torch
from sensorium_core.codebook import TABLETOP_SLOTS, slot_codes
from sensorium_core.errors import GateConfigError, UnknownNameError
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.choice import fusion_class
from sensorium_training.fusion.interface import FORCE_SENSES, SENSES, Fused, Fusion, peak_forces
from sensorium_training.fusion.names import FUSIONS
from torch import Tensor

from .hidden_parts import hidden_parts

WIDTH, SIZE = 24, 16
FREE = [i for i in range(6) if i not in FORCE_SENSES]
SUBSETS = [[int(bit) for bit in f"{mask:06b}"] for mask in range(64)]
SHARING = [name for name in FUSIONS if name != "weighted"]
"""Operators whose weights are shared among valid senses only."""


def operator(name: str, seed: int = 0, **settings: float) -> Fusion:
    torch.manual_seed(seed)
    return fusion_class(name)(NetConfig(width=WIDTH, fusion=name, **settings))


def case(size: int = SIZE, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens, all senses valid, text, and forces that are contact."""
    rng = torch.Generator().manual_seed(seed)
    tokens = torch.randn(size, len(SENSES), WIDTH, generator=rng)
    forces = 3.0 + torch.rand(size, 2, generator=rng)
    return tokens, torch.ones(size, 6), torch.randn(size, 128, generator=rng), forces


def commands(size: int, seed: int) -> Tensor:
    """Tokens of random commands `(size, 128)`."""
    rng = torch.Generator().manual_seed(seed)
    codes = [torch.tensor(slot_codes(slot)) for slot in TABLETOP_SLOTS]
    drawn = [code[torch.randint(len(code), (size,), generator=rng)] for code in codes]
    return torch.cat(drawn, -1)


def absent(fusion: Fusion, tokens: Tensor, valid: Tensor, fill: float) -> Tensor:
    """Tokens as the network gives them: anything for absent senses, unless a token stands in."""
    there = valid.clone()
    there[:, list(fusion.stand_ins)] = 1.0
    return torch.where(there.unsqueeze(-1) > 0.5, tokens, torch.full_like(tokens, fill))


def test_an_unknown_name_is_rejected_and_the_legal_ones_are_listed() -> None:
    for make in (lambda: NetConfig(fusion="mean"), lambda: fusion_class("mean")):
        with pytest.raises(UnknownNameError, match=", ".join(FUSIONS)):
            make()
    with pytest.raises(UnknownNameError, match="fusions"):
        NetConfig.of({"fusions": "weighted"})
    with pytest.raises(GateConfigError, match="shift_limit"):
        NetConfig(shift_limit=-1.0)
    assert {fusion_class(name).__name__ for name in FUSIONS} > {"Weighted", "ContactGate"}


@pytest.mark.parametrize("name", FUSIONS)
def test_every_parameter_is_registered_gets_a_gradient_and_changes(name: str) -> None:
    fusion = operator(name)
    before = {key: value.detach().clone() for key, value in fusion.named_parameters()}
    assert before
    assert set(before) <= set(fusion.state_dict())
    optimizer = torch.optim.SGD(fusion.parameters(), 0.1)
    tokens, valid, text, forces = case()
    seen = fusion(tokens, valid, text, forces).token.square().sum()
    for more in fusion.modulated(torch.ones(SIZE, 26), text):
        seen = seen + more.square().sum()
    seen.backward()
    optimizer.step()
    for key, parameter in fusion.named_parameters():
        assert parameter.grad is not None, key
        assert bool((parameter.grad != 0).any()), key
        assert not torch.equal(before[key], parameter), key


@pytest.mark.parametrize("name", FUSIONS)
def test_every_tensor_of_an_operator_is_a_parameter_or_a_buffer(name: str) -> None:
    assert hidden_parts(operator(name)) == []


def test_weights_in_a_plain_list_are_found() -> None:
    """The defect of MultiBench's low-rank fusion, which a private name must not hide."""
    fusion = operator("low_rank_tensor")
    fusion._factors = [torch.nn.Parameter(torch.zeros(3))]
    assert hidden_parts(fusion) == ["._factors"]


@pytest.mark.parametrize("name", FUSIONS)
def test_any_subset_of_senses_gives_a_finite_token_that_ignores_the_bytes_of_the_others(
    name: str,
) -> None:
    fusion, (tokens, _, text, forces) = operator(name), case(len(SUBSETS))
    valid = torch.tensor(SUBSETS, dtype=torch.float32)
    clean = fusion(absent(fusion, tokens, valid, 0.0), valid, text, forces)
    assert bool(torch.isfinite(clean.token).all())
    assert clean.token.shape == (64, WIDTH)
    for fill in (torch.nan, torch.inf, 1e30):
        dirty = fusion(absent(fusion, tokens, valid, fill), valid, text, forces)
        assert torch.equal(clean.token, dirty.token)
        assert torch.equal(clean.weights, dirty.weights)


@pytest.mark.parametrize("name", FUSIONS)
def test_a_valid_sense_matters(name: str) -> None:
    fusion, (tokens, valid, text, forces) = operator(name), case()
    whole = fusion(tokens, valid, text, forces)
    for sense in range(6):
        changed = tokens.clone()
        changed[:, sense] += 0.5
        other = fusion(changed, valid, text, forces).token
        assert not bool((other == whole.token).all(-1).any()), SENSES[sense]


@pytest.mark.parametrize("name", SHARING)
def test_weights_share_1_among_valid_senses_and_leave_none_to_the_others(name: str) -> None:
    fusion, (tokens, _, text, forces) = operator(name), case(len(SUBSETS))
    valid = torch.tensor(SUBSETS, dtype=torch.float32)
    weights = fusion(tokens, valid, text, forces).weights
    assert bool((weights >= 0).all())
    assert bool((weights[valid < 0.5] == 0).all())
    assert torch.allclose(weights.sum(1), (valid.sum(1) > 0).float(), atol=1e-5)


def test_film_scales_what_was_felt_by_the_command_and_leaves_what_was_not_at_zero() -> None:
    film, (_, _, text, _) = operator("film"), case()
    felt = torch.zeros(SIZE, 26)
    felt[:, 3] = 0.5
    (once,) = film.modulated(felt, text)
    (twice,) = film.modulated(2.0 * felt, text)
    assert torch.equal(twice, 2.0 * once)
    assert bool((once[:, 3] != 0).all())
    assert len(once[:, 3].unique()) == SIZE
    assert bool((once[:, [i for i in range(26) if i != 3]] == 0).all())


@pytest.mark.parametrize(("name", "least", "most"), [("film", 0, 0.1), ("concatenation", 0.8, 2)])
def test_film_alone_tells_a_linear_readout_what_a_word_means_for_what_was_felt(
    name: str, least: float, most: float
) -> None:
    """The label is what was felt for one half of the colours, its negative for the other."""
    fusion, rng = operator(name), torch.Generator().manual_seed(3)
    codes = torch.tensor(slot_codes("colour"))
    readout = torch.nn.Linear(26 * (1 + fusion.modulates) + 128, 1)
    optimizer = torch.optim.Adam([*fusion.parameters(), *readout.parameters()], 0.01)
    for _ in range(300):
        felt, text = torch.randn(128, 26, generator=rng), commands(128, 0)
        colour = torch.randint(len(codes), (128,), generator=rng)
        text[:, 32:64] = codes[colour]
        label = felt[:, 7] * torch.where(colour % 2 == 0, 1.0, -1.0)
        seen = torch.cat([felt, text, *fusion.modulated(felt, text)], -1)
        error = (readout(seen).squeeze(-1) - label).square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
    assert least <= float(error.detach()) <= most


def test_weighted_weighs_stand_ins_like_senses() -> None:
    weights = operator("weighted")(*case()).weights
    assert torch.allclose(weights.sum(1), torch.ones(SIZE), atol=1e-6)


@pytest.mark.parametrize("name", FUSIONS)
def test_the_order_of_a_batch_does_not_matter(name: str) -> None:
    fusion, (tokens, valid, text, forces) = operator(name), case()
    valid = (torch.rand(SIZE, 6, generator=torch.Generator().manual_seed(1)) > 0.3).float()
    order = torch.randperm(SIZE, generator=torch.Generator().manual_seed(2))
    straight = fusion(tokens, valid, text, forces)
    mixed = fusion(tokens[order], valid[order], text[order], forces[order])
    for a, b in zip(straight, mixed, strict=True):
        assert torch.allclose(a[order], b, atol=1e-6)


@pytest.mark.parametrize("beta", [0.1, 0.5, 2.0])
def test_force_shifts_the_token_by_no_more_than_beta_lengths_of_it(beta: float) -> None:
    fusion = operator("contact_gate", shift_limit=beta)
    tokens, valid, text, forces = case(256)
    base = fusion(tokens, valid, text, torch.zeros_like(forces)).token
    for size in (0.1, 1.0, 100.0):
        loud = tokens.clone()
        loud[:, list(FORCE_SENSES)] *= size
        shift = (fusion(loud, valid, text, forces).token - base).norm(dim=-1)
        assert bool((shift <= beta * base.norm(dim=-1) * (1 + 1e-5)).all())
        assert bool((shift > 0).all())


@pytest.mark.parametrize("felt", [0.0, 0.4, 0.69, torch.nan])
def test_in_free_space_the_force_tokens_change_nothing(felt: float) -> None:
    fusion, (tokens, valid, text, _) = operator("contact_gate"), case()
    forces = torch.tensor([felt, felt / 3]).expand(SIZE, 2)
    still = fusion(tokens, valid, text, forces)
    noisy = tokens.clone()
    noisy[:, list(FORCE_SENSES)] = torch.randn(SIZE, 2, WIDTH) * 10
    other = fusion(noisy, valid, text, forces)
    assert torch.equal(still.token, other.token)
    assert torch.equal(still.weights, other.weights)
    assert bool((still.weights[:, list(FORCE_SENSES)] == 0).all())


def test_each_force_sense_has_a_gate_of_its_own() -> None:
    fusion, (tokens, valid, text, _) = operator("contact_gate"), case()
    quiet = tokens.clone()
    quiet[:, SENSES.index("wrench")] = 0.0
    only_pads = torch.tensor([0.1, 5.0]).expand(SIZE, 2)
    a, b = (fusion(t, valid, text, only_pads) for t in (tokens, quiet))
    assert torch.equal(a.token, b.token)
    assert bool((a.weights[:, SENSES.index("pads")] > 0).all())
    assert bool((a.weights[:, SENSES.index("wrench")] == 0).all())


def test_an_experts_precision_pulls_the_token_to_its_mean_and_an_absent_one_has_none() -> None:
    fusion, (tokens, _, text, forces) = operator("product_of_experts"), case()
    nobody = fusion(tokens, torch.zeros(SIZE, 6), text, forces).token
    assert torch.allclose(nobody, fusion.prior_mean.expand_as(nobody), atol=1e-6)
    one = torch.zeros(SIZE, 6)
    one[:, 3] = 1.0
    torch.nn.init.constant_(fusion.precision.bias, 1e4)
    believed = fusion(tokens, one, text, forces).token
    assert torch.allclose(believed, fusion.mean(tokens[:, 3]), atol=1e-3)


def test_the_product_is_that_of_the_gaussians_of_the_senses_that_are_there() -> None:
    fusion, (tokens, _, text, forces) = operator("product_of_experts"), case()
    there = [0, 3, 5]
    valid = torch.zeros(SIZE, 6)
    valid[:, there] = 1.0
    told = torch.cat([tokens, text.unsqueeze(1).expand(-1, 6, -1)], -1)
    precision = torch.nn.functional.softplus(fusion.precision(told))[:, there]
    variance = 1 / (precision.sum(1) + fusion.prior_log_precision.exp())
    prior = fusion.prior_log_precision.exp() * fusion.prior_mean
    mean = ((precision * fusion.mean(tokens[:, there])).sum(1) + prior) * variance
    fused = fusion(tokens, valid, text, forces)
    assert torch.allclose(fused.token, mean, atol=1e-5)
    assert torch.allclose(fused.weights[:, there].sum(1), torch.ones(SIZE), atol=1e-5)


@pytest.mark.parametrize("there", [range(6), [0, 3, 5], [4]])
def test_the_low_rank_product_is_that_of_the_full_tensor_over_the_senses_there(
    there: list[int],
) -> None:
    fusion, (tokens, _, text, forces) = operator("low_rank_tensor", rank=2), case(4)
    with torch.no_grad():
        fusion.offsets += torch.randn(fusion.offsets.shape) * 0.3
    valid, full = torch.zeros(4, 6), torch.ones(4, 2 * WIDTH)
    for sense in there:
        valid[:, sense] = 1.0
        full = full * (tokens[:, sense] @ fusion.factors[sense] + fusion.offsets[sense])
    expected = full.reshape(4, 2, WIDTH).transpose(1, 2) @ fusion.mix[:, 0] + fusion.bias
    assert torch.allclose(fusion(tokens, valid, text, forces).token, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["merge_attention", "product_of_experts"])
@pytest.mark.parametrize("there", [[0, 3, 5], [4], []])
def test_an_absent_sense_is_as_if_it_had_no_place_at_all(name: str, there: list[int]) -> None:
    fusion, (tokens, valid, text, forces) = operator(name), case()
    flags = torch.zeros_like(valid)
    flags[:, there] = 1.0
    masked = fusion(tokens, flags, text, forces)
    alone = fusion(tokens[:, there], valid[:, there], text, forces)
    assert torch.allclose(masked.token, alone.token, atol=1e-5)
    assert torch.allclose(masked.weights[:, there], alone.weights, atol=1e-5)


def test_a_shift_within_the_limit_is_added_as_it_is() -> None:
    fusion, (tokens, valid, text, forces) = operator("contact_gate", shift_limit=1e6), case()
    base = fusion(tokens, valid, text, torch.zeros_like(forces)).token
    shift = torch.zeros_like(base)
    for i, sense in enumerate(FORCE_SENSES):
        gain = fusion.gains[i](torch.cat([base, tokens[:, sense]], -1))
        shift = shift + torch.relu(gain) * fusion.shifts[i](tokens[:, sense])
    assert torch.allclose(fusion(tokens, valid, text, forces).token, base + shift, atol=1e-5)


def test_the_largest_force_is_that_of_any_sample_and_any_pad_in_newtons() -> None:
    wrench, pads = torch.zeros(1, 32, 6), torch.zeros(1, 16, 6)
    wrench[0, 5, :3] = torch.tensor([3.0, 0.0, 4.0])
    wrench[0, 6, 3:] = 100.0
    pads[0, 3, 3:] = torch.tensor([0.0, 2.0, 0.0])
    assert peak_forces(wrench, pads).tolist() == [[5.0, 2.0]]


def train(name: str, force_valid: float) -> float:
    """Share of a label's variance that is left after training on it; the wrench alone tells it."""
    fusion = operator(name)
    readout = torch.nn.Linear(WIDTH, 1)
    identity = torch.nn.Parameter(torch.randn(6, WIDTH))
    parameters = [*fusion.parameters(), *readout.parameters(), identity]
    optimizer = torch.optim.Adam(parameters, 0.02)
    truth = torch.randn(WIDTH, generator=torch.Generator().manual_seed(9)) / WIDTH**0.5

    def error(seed: int, size: int = 128) -> Tensor:
        tokens, valid, _, forces = case(size, seed)
        text = commands(size, seed)
        label = torch.tanh(2 * tokens[:, 3] @ truth)
        valid[:, 3] = force_valid
        heard = torch.where(valid.unsqueeze(-1) > 0.5, tokens, torch.zeros_like(tokens))
        fused: Fused = fusion(heard + identity, valid, text, forces)
        return (readout(fused.token).squeeze(-1) - label).square().mean() / label.var()

    for step in range(150):
        optimizer.zero_grad()
        error(100 + step).backward()
        optimizer.step()
    with torch.no_grad():
        return float(error(1, 1024))


@pytest.mark.parametrize("name", FUSIONS)
def test_an_operator_learns_to_listen_to_force_where_the_label_depends_on_it(name: str) -> None:
    assert train(name, 1.0) < 0.4
    assert train(name, 0.0) > 0.9
