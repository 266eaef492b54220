"""InfoNCE, binding, VSE and the kernel critics: known values, bounds, and what they learn."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sensorium_core.errors import UnknownNameError
from sensorium_training.objectives.binding import Binding, BindingConfig
from sensorium_training.objectives.critics import make_critic
from sensorium_training.objectives.infonce import InfoNCE, InfoNCEConfig, Temperature, contrast
from sensorium_training.objectives.interface import Batch, SenseShape, Shapes
from sensorium_training.objectives.vse import VSE, VSEConfig, hinges
from torch import nn

KERNELS = ("cosine", "polynomial", "exponential", "rbf")
CRITICS = (*KERNELS, "linear")


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def shapes(*senses, width=8):
    return Shapes({sense: SenseShape(width) for sense in senses})


def everywhere(embeddings):
    return {k: torch.ones(len(v), dtype=torch.bool) for k, v in embeddings.items()}


# InfoNCE


@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_infonce_of_identical_orthonormal_embeddings_is_the_analytic_value(n, temperature):
    same = torch.eye(n, dtype=torch.float64)
    loss = contrast(make_critic("cosine", n)(same, same) / temperature).loss
    expected = math.log(1 + (n - 1) * math.exp(-1 / temperature))
    assert float(loss) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n", [1, 4, 9])
def test_infonce_of_constant_embeddings_is_log_n_and_its_bound_is_zero(n):
    one = torch.ones(n, 3, dtype=torch.float64)
    found = contrast(make_critic("cosine", 3)(one, one) / 0.07)
    assert float(found.loss) == pytest.approx(math.log(n), abs=1e-12)
    assert float(found.bound) == pytest.approx(0, abs=1e-12)


@given(n=st.integers(1, 12), seed=st.integers(0, 10**6), scale=st.floats(0.01, 50))
def test_the_bound_is_at_most_log_n_and_the_loss_not_negative(n, seed, scale):
    found = contrast(scale * normal(n, n, seed=seed, dtype=torch.float64))
    assert found.loss >= -1e-9
    assert found.bound <= math.log(n) + 1e-9
    assert 0 <= found.accuracy <= 1


def test_both_senses_look_for_each_other():
    """The mean of torch's cross entropy by rows and by columns, which differ."""
    scores, truth = normal(6, 6), torch.arange(6)
    there, back = (nn.functional.cross_entropy(s, truth) for s in (scores, scores.T))
    assert abs(float(there - back)) > 0.01
    torch.testing.assert_close(contrast(scores).loss, (there + back) / 2)


def test_n_is_the_number_of_valid_rows_and_not_the_size_of_the_batch():
    """Perfect pairs, 4 of 64 valid: no honest bound exceeds log 4."""
    torch.manual_seed(0)
    objective = InfoNCE(InfoNCEConfig(pairs=[("a", "b")], temperature=0.011), shapes("a", "b"))
    objective.project[0][1].load_state_dict(objective.project[0][0].state_dict())
    same = torch.eye(8).repeat(8, 1)
    valid = torch.arange(64) < 4
    batch = Batch(
        embeddings={"a": same, "b": same}, valid={"a": valid, "b": torch.ones_like(valid)}
    )
    logs = objective(batch, torch.Generator()).logs
    assert float(logs["a~b/rows"]) == 4
    assert math.log(4) - 0.05 < float(logs["a~b/bound_nats"]) <= math.log(4) + 1e-6


def test_masking_rows_is_the_same_as_never_having_had_them():
    torch.manual_seed(0)
    objective = InfoNCE(InfoNCEConfig(pairs=[("a", "b")]), shapes("a", "b"))
    a, b = normal(10, 8), normal(10, 8, seed=1)
    valid = torch.arange(10) % 3 > 0
    masked = Batch(embeddings={"a": a, "b": b}, valid={"a": valid, "b": valid})
    cut = {"a": a[valid], "b": b[valid]}
    alone = Batch(embeddings=cut, valid=everywhere(cut))
    losses = [objective(batch, torch.Generator()).loss for batch in (masked, alone)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("correlation", [0.5, 0.9, 0.99])
def test_the_bound_does_not_exceed_the_mutual_information_of_a_gaussian_pair(correlation):
    """With the best critic there is, the log density ratio, it comes near where log N allows."""
    dims, n, rounds = 2, 128, 40
    true = -dims / 2 * math.log(1 - correlation**2)
    bounds = []
    for seed in range(rounds):
        x = normal(n, dims, seed=seed, dtype=torch.float64)
        noise = normal(n, dims, seed=1000 + seed, dtype=torch.float64)
        y = correlation * x + math.sqrt(1 - correlation**2) * noise
        gap = (y.unsqueeze(0) - correlation * x.unsqueeze(1)).square() / (1 - correlation**2)
        ratio = 0.5 * (y.square().unsqueeze(0) - gap).sum(-1)
        bounds.append(contrast(ratio).bound)
    mean = torch.stack(bounds).mean()
    noise = torch.stack(bounds).std() / math.sqrt(rounds)
    assert mean <= true + 3 * noise
    assert mean >= 0.85 * min(true, math.log(n)) - 3 * noise


def test_the_temperature_keeps_its_bounds_and_its_gradient():
    """A clip in the graph would leave it at the bound for ever."""
    temperature = Temperature(0.07)
    assert float(temperature().detach()) == pytest.approx(0.07)
    for raw, direction in ((9.0, -1.0), (-9.0, 1.0)):
        temperature.raw.data.fill_(raw)
        before = float(temperature().detach())
        assert 0.01 < before < 1.0
        optimizer = torch.optim.Adam(temperature.parameters(), 0.5)
        for _ in range(20):
            optimizer.zero_grad()
            (-direction * temperature()).backward()
            assert float(temperature.raw.grad.abs()) > 0
            optimizer.step()
        assert direction * (float(temperature().detach()) - before) > 0.01


@pytest.mark.parametrize("critic", CRITICS)
def test_aligned_rows_cost_less_than_shuffled_ones(critic):
    a = normal(32, 8)
    score = make_critic(critic, 8)
    assert contrast(score(a, a)).loss < contrast(score(a, a.roll(1, 0))).loss


class Worlds:
    """Two senses that see one hidden cause through different mixtures, and noise of their own."""

    def __init__(self, seed=0, hidden=4, width=16):
        self.draw = torch.Generator().manual_seed(seed)
        self.mixes = [torch.randn(2 * hidden, width, generator=self.draw) for _ in range(3)]
        self.hidden = hidden

    def rows(self, n, senses=("a", "b")):
        cause = torch.randn(n, self.hidden, generator=self.draw)
        noise = [torch.randn(n, self.hidden, generator=self.draw) for _ in senses]
        return {
            sense: torch.tanh(torch.cat([cause, 0.5 * e], 1) @ mix / 3)
            for sense, mix, e in zip(senses, self.mixes, noise, strict=False)
        }


def train(objective, encoders, worlds, steps, senses, n=64):
    """A few dozen steps, and the batch that follows: fresh rows, never trained on."""
    torch.manual_seed(0)
    parameters = [*objective.parameters(), *encoders.parameters()]
    optimizer = torch.optim.Adam(parameters, 5e-3)
    for _ in range(steps):
        batch = encoded(encoders, worlds.rows(n, senses))
        optimizer.zero_grad()
        objective(batch, torch.Generator()).loss.backward()
        optimizer.step()
    with torch.no_grad():
        return encoded(encoders, worlds.rows(n, senses))


def encoded(encoders, rows):
    embeddings = {sense: encoders[sense](x) for sense, x in rows.items()}
    return Batch(embeddings=embeddings, valid=everywhere(embeddings))


def make_encoders(senses):
    torch.manual_seed(2)
    return nn.ModuleDict(
        {s: nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 8)) for s in senses}
    )


@pytest.mark.parametrize("critic", CRITICS)
def test_a_few_dozen_steps_find_the_shared_cause_of_two_senses(critic):
    torch.manual_seed(1)
    config = InfoNCEConfig(pairs=[("a", "b")], critic=critic, width=8)
    objective = InfoNCE(config, shapes("a", "b"))
    fresh = train(objective, make_encoders("ab"), Worlds(), 80, "ab")
    logs = objective(fresh, torch.Generator()).logs
    assert float(logs["a~b/accuracy"]) > 0.25  # of 64 rows; chance is 0.016
    assert float(logs["a~b/bound_nats"]) > 1.5


@given(n=st.integers(1, 9), kinds=st.integers(1, 4), seed=st.integers(0, 10**6))
def test_rows_that_were_told_the_same_words_are_not_each_others_negatives(n, kinds, seed):
    """Their scores, whatever they are, change nothing."""
    ids = torch.randint(kinds, (n,), generator=torch.Generator().manual_seed(seed))
    strangers = ids.unsqueeze(0) != ids.unsqueeze(1)
    scores = normal(n, n, seed=seed)
    friends = ~strangers & ~torch.eye(n, dtype=torch.bool)
    other = torch.where(friends, 100 * normal(n, n, seed=seed + 1), scores)
    for loss in (
        lambda s: contrast(s, strangers).loss,
        lambda s: hinges(s, 0.2, "hardest", strangers),
        lambda s: hinges(s, 0.2, "sum", strangers),
    ):
        assert torch.equal(loss(scores), loss(other))
    bound = contrast(scores, strangers).bound
    assert bound <= float((1 + strangers.sum(1)).log().mean()) + 1e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda s, i: InfoNCE(InfoNCEConfig(pairs=[("a", "b")], instruction=i), s),
        lambda s, i: Binding(BindingConfig(anchor="a", senses=["b"], instruction=i), s),
        lambda s, i: VSE(VSEConfig(pairs=[("a", "b")], instruction=i), s),
    ],
    ids=["infonce", "binding", "vse"],
)
def test_only_pairs_with_the_instruction_look_at_its_words(make):
    """All rows were told the same: with words in the pair there is nothing to tell apart."""
    embeddings = {s: normal(6, 8, seed=i) for i, s in enumerate("ab")}
    batch = Batch(
        embeddings=embeddings, valid=everywhere(embeddings), instruction=torch.zeros(6).long()
    )
    losses = {}
    for instruction in ("b", "c", None):
        torch.manual_seed(0)
        losses[instruction] = make(shapes("a", "b", "c"), instruction)(
            batch, torch.Generator()
        ).loss
    assert float(losses["b"].detach()) == pytest.approx(0, abs=1e-6)
    assert float(losses["c"].detach()) == float(losses[None].detach()) > 0.1


# Binding


def test_binding_to_one_anchor_binds_the_others_to_each_other():
    torch.manual_seed(1)
    config = BindingConfig(anchor="a", senses=["b", "c"], width=8)
    objective, encoders = Binding(config, shapes("a", "b", "c")), make_encoders("abc")
    fresh = train(objective, encoders, Worlds(), 120, "abc")
    b, c = (objective.project[s](fresh.embeddings[s]) for s in "bc")
    assert contrast(make_critic("cosine", 8)(b, c) / 0.1).accuracy > 0.2


def test_a_sense_that_is_missing_takes_nothing_from_the_others():
    torch.manual_seed(1)
    both = Binding(BindingConfig(anchor="a", senses=["b", "c"]), shapes("a", "b", "c"))
    embeddings = {s: normal(9, 8, seed=i) for i, s in enumerate("abc")}
    valid = everywhere(embeddings)
    full = both(Batch(embeddings=embeddings, valid=valid), torch.Generator()).logs
    valid = {**valid, "c": torch.zeros(9, dtype=torch.bool)}
    less = both(Batch(embeddings=embeddings, valid=valid), torch.Generator())
    assert torch.equal(full["a~b/loss"], less.logs["a~b/loss"])
    assert float(less.logs["a~c/loss"]) == 0
    assert float(less.loss.detach()) == pytest.approx(float(full["a~b/loss"]) / 2)


# VSE


@pytest.mark.parametrize("negatives", ["hardest", "sum"])
def test_hinges_vanish_when_every_pair_leads_by_the_margin(negatives):
    assert hinges(torch.eye(5), 0.2, negatives).sum() == 0
    assert hinges(torch.eye(5), 1.5, negatives).sum() > 0


@pytest.mark.parametrize("n", [1, 2, 6])
def test_hinges_of_constant_embeddings_are_the_margin_once_or_for_every_negative(n):
    same = torch.ones(n, n)
    hardest = 0.4 if n > 1 else 0.0
    assert torch.allclose(hinges(same, 0.2, "hardest"), torch.full((n,), hardest))
    assert torch.allclose(hinges(same, 0.2, "sum"), torch.full((n,), 0.4 * (n - 1)))


@given(n=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_the_hardest_negative_costs_at_most_the_sum_and_at_least_its_share(n, seed):
    scores = normal(n, n, seed=seed)
    hardest, total = hinges(scores, 0.3, "hardest"), hinges(scores, 0.3, "sum")
    assert torch.all(hardest <= total + 1e-5)
    assert torch.all(total <= max(n - 1, 0) * hardest + 1e-5)


@pytest.mark.parametrize("negatives", ["hardest", "sum"])
def test_vse_learns_to_retrieve(negatives):
    torch.manual_seed(1)
    config = VSEConfig(pairs=[("a", "b")], width=8, negatives=negatives)
    objective, encoders = VSE(config, shapes("a", "b")), make_encoders("ab")
    fresh = train(objective, encoders, Worlds(), 120, "ab")
    a, b = (
        project(fresh.embeddings[s]) for s, project in zip("ab", objective.project[0], strict=True)
    )
    assert contrast(make_critic("cosine", 8)(a, b)).accuracy > 0.2


# Critics


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_are_symmetric_positive_definite_and_one_for_equal_embeddings(name):
    x, y = normal(12, 5, dtype=torch.float64), normal(7, 5, seed=1, dtype=torch.float64)
    kernel = make_critic(name, 5)
    assert torch.allclose(kernel(x, y), kernel(y, x).T)
    gram = kernel(x, x)
    assert torch.allclose(gram.diagonal(), torch.ones(12, dtype=torch.float64))
    assert gram.max() <= 1 + 1e-9
    assert torch.linalg.eigvalsh(gram).min() > -1e-9


def test_kernels_have_their_formulas():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 1.0]])
    cosine = math.sqrt(0.5)
    expected = {
        "cosine": cosine,
        "linear": 3 / math.sqrt(2),
        "polynomial": ((cosine + 1) / 2) ** 3,
        "exponential": math.exp(cosine - 1),
        "rbf": math.exp(-2.5),
    }
    found = {name: float(make_critic(name, 2)(a, b).detach()) for name in CRITICS}
    assert found == pytest.approx(expected, rel=1e-5)


def test_only_the_rbf_kernel_is_blind_to_a_shift_and_only_angles_are_blind_to_length():
    a, b = normal(4, 6), normal(5, 6, seed=1)
    shifted = {n: torch.allclose(make_critic(n, 6)(a + 1, b + 1), make_critic(n, 6)(a, b),
                                 atol=1e-5) for n in CRITICS}  # fmt: skip
    longer = {n: torch.allclose(make_critic(n, 6)(2 * a, b), make_critic(n, 6)(a, b), atol=1e-5)
              for n in CRITICS}  # fmt: skip
    assert {n for n in CRITICS if shifted[n]} == {"rbf"}
    assert {n for n in CRITICS if longer[n]} == {"cosine", "polynomial", "exponential"}


@pytest.mark.parametrize("name", CRITICS)
def test_gradients_of_infonce_agree_with_finite_differences(name):
    critic = make_critic(name, 3).double()
    a, b = (normal(4, 3, seed=s, dtype=torch.float64).requires_grad_() for s in (0, 1))
    assert torch.autograd.gradcheck(lambda x, y: contrast(critic(x, y) / 0.3).loss, (a, b))


def test_an_unknown_critic_is_refused_with_the_legal_ones():
    with pytest.raises(UnknownNameError, match=r"'dot'.*cosine.*linear.*rbf"):
        make_critic("dot", 4)
