"""FactorCL: its bounds bound, its gradients go where they should, and the parts come apart."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sensorium_training.objectives.factorcl import (
    FactorCL,
    FactorCLConfig,
    LowerBound,
    UpperBound,
    club,
    nce_loss,
    negative_weights,
)
from sensorium_training.objectives.infonce import contrast
from sensorium_training.objectives.interface import Batch, SenseShape, Shapes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def fit(bound, draw, steps, rate=3e-3):
    """Train a bound on fresh draws; its mean over further ones."""
    optimizer = torch.optim.Adam(bound.parameters(), rate)
    for _ in range(steps):
        optimizer.zero_grad()
        bound(*draw())[1].backward()
        optimizer.step()
    with torch.no_grad():
        return float(torch.stack([bound(*draw())[0] for _ in range(30)]).mean())


def gaussian(correlation, dims=2, n=128):
    draw = seeded(5)

    def pair():
        x = torch.randn(n, dims, generator=draw)
        noise = torch.randn(n, dims, generator=draw)
        return x, correlation * x + math.sqrt(1 - correlation**2) * noise

    return pair


@pytest.mark.parametrize("correlation", [0.0, 0.6, 0.8])
def test_the_mutual_information_of_a_gaussian_pair_lies_between_the_bounds(correlation):
    torch.manual_seed(0)
    true = -math.log(1 - correlation**2)
    lower = fit(LowerBound(2, 2, 64), gaussian(correlation), 150)
    upper = fit(UpperBound(2, 2, 64), gaussian(correlation), 150)
    assert lower <= true + 0.05
    assert upper >= true - 0.05
    assert lower >= 0.6 * true - 0.05
    both_ways = 2 * correlation**2 / (1 - correlation**2)  # CLUB of the density ratio itself
    assert upper == pytest.approx(both_ways, rel=0.25, abs=0.1)


def clusters():
    """Two senses that agree only on which of four clusters they are in, and that cluster."""
    draw = seeded(6)
    centres = 3 * torch.randn(2, 4, 3, generator=draw)

    def triple():
        kind = torch.randint(4, (128,), generator=draw)
        noise = torch.randn(2, 128, 3, generator=draw)
        return (*(centres[i][kind] + noise[i] for i in (0, 1)), torch.eye(4)[kind])

    return triple


@pytest.mark.parametrize("kind", [LowerBound, UpperBound])
def test_nothing_is_left_of_what_the_condition_explains(kind):
    torch.manual_seed(0)
    draw = clusters()
    plain = fit(kind(3, 3, 64), lambda: draw()[:2], 150)
    conditional = fit(kind(3, 3, 64), draw, 150)
    assert plain > 1.0  # of log 4 = 1.39
    assert conditional < 0.2


@given(n=st.integers(0, 9), seed=st.integers(0, 10**6), conditional=st.booleans())
def test_weights_of_negatives_sum_to_one_without_the_row_itself(n, seed, conditional):
    scores = torch.randn(n, n, generator=seeded(seed))
    condition = torch.randn(n, 3, generator=seeded(seed + 1)) if conditional else None
    weights = negative_weights(scores, condition)
    assert torch.isfinite(weights).all()
    assert not weights.diagonal().any()
    if n > 1:
        torch.testing.assert_close(weights.sum(1), torch.ones(n))


@given(n=st.integers(1, 9), seed=st.integers(0, 10**6))
def test_a_condition_that_says_nothing_changes_nothing(n, seed):
    scores = torch.randn(n, n, generator=seeded(seed)).double()
    same = torch.ones(n, 3).double()
    by_row = (scores.logsumexp(1) - scores.diagonal()).mean()
    torch.testing.assert_close(nce_loss(scores, same), by_row)
    torch.testing.assert_close(club(scores, same), club(scores, None))


def test_club_is_zero_for_a_critic_that_sees_no_difference():
    assert float(club(torch.full((6, 6), 2.5), None)) == pytest.approx(0, abs=1e-6)


def pair_of(n=16, seed=0):
    a = torch.randn(n, 3, generator=seeded(seed))
    return a.clone().requires_grad_(), (a + 0.1).clone().requires_grad_()


def test_the_critic_of_an_upper_bound_learns_by_infonce_alone():
    torch.manual_seed(0)
    bound, (a, b) = UpperBound(3, 3, 16), pair_of()
    bound(a, b)[1].backward()
    got = [p.grad.clone() for p in bound.critic.parameters()]
    bound.zero_grad()
    contrast(bound.critic(a.detach(), b.detach())).loss.backward()
    for p, gradient in zip(bound.critic.parameters(), got, strict=True):
        torch.testing.assert_close(p.grad, gradient)


def test_representations_follow_an_upper_bound_down_and_a_lower_bound_up():
    """Moving both a little along the gradient, with the critics as they are."""
    torch.manual_seed(0)
    for kind, direction in ((UpperBound, -1), (LowerBound, 1)):
        bound = kind(3, 3, 32)
        fit(bound, gaussian(0.8, dims=3), 60)
        a, b = gaussian(0.8, dims=3)()
        a, b = a.requires_grad_(), b.requires_grad_()
        before, loss = bound(a, b)
        slopes = torch.autograd.grad(loss, (a, b))
        after, _ = bound(a - 0.5 * slopes[0], b - 0.5 * slopes[1])
        assert direction * float(after - before) > 0


def test_an_upper_bound_below_zero_pulls_at_nothing():
    torch.manual_seed(0)
    bound = UpperBound(3, 3, 16)
    fit(bound, gaussian(0.8, dims=3), 60)
    a, b = gaussian(0.8, dims=3)()
    b = -b  # the critic has learned the opposite
    a.requires_grad_()
    value, loss = bound(a, b)
    assert float(value) < 0
    assert not torch.autograd.grad(loss, a, allow_unused=True)[0].any()


# The parts come apart

DIMS, WIDTH = 3, 24


class Worlds:
    """Each sense mixes what both share, what is its own, and a disturbance that both see.

    The second view has the disturbance drawn anew, in each sense by itself.
    """

    def __init__(self, seed=0):
        self.draw = seeded(seed)
        self.mixes = [torch.randn(3 * DIMS, WIDTH, generator=self.draw) for _ in range(2)]

    def _normal(self, n):
        return torch.randn(n, DIMS, generator=self.draw)

    def rows(self, n):
        causes = {name: self._normal(n) for name in ("shared", "a", "b", "disturbance")}
        first, second = {}, {}
        for sense, mix in zip("ab", self.mixes, strict=True):
            for views, noise in ((first, causes["disturbance"]), (second, self._normal(n))):
                parts = torch.cat([causes["shared"], causes[sense], noise], 1)
                views[sense] = torch.tanh(parts @ mix / 2)
        valid = {sense: torch.ones(n, dtype=torch.bool) for sense in "ab"}
        return Batch(embeddings=first, views=second, valid=valid), causes


def explained(representation, cause):
    """Share of a cause's variance that is linear in a representation; fit and test kept apart."""
    z = torch.cat([representation, torch.ones(len(representation), 1)], 1)
    half = len(z) // 2
    weights = torch.linalg.lstsq(z[:half], cause[:half]).solution
    rest = cause[half:] - z[half:] @ weights
    return float(1 - rest.square().sum() / (cause[half:] - cause[half:].mean(0)).square().sum())


def test_what_is_shared_and_what_is_own_come_apart():
    torch.manual_seed(0)
    worlds = Worlds()
    shapes = Shapes({sense: SenseShape(WIDTH) for sense in "ab"})
    objective = FactorCL(FactorCLConfig(pair=("a", "b"), width=4, hidden=64), shapes)
    optimizer = torch.optim.Adam(objective.parameters(), 3e-3)
    for _ in range(300):
        batch, _ = worlds.rows(128)
        optimizer.zero_grad()
        objective(batch, seeded()).loss.backward()
        optimizer.step()
    batch, causes = worlds.rows(2000)
    for sense in "ab":
        with torch.no_grad():
            shared, own = objective.represent(sense, batch.embeddings[sense])
        assert explained(shared, causes["shared"]) > explained(shared, causes[sense]) + 0.3
        assert explained(shared, causes["shared"]) > explained(shared, causes["disturbance"]) + 0.2
        assert explained(own, causes[sense]) > explained(own, causes["shared"]) + 0.3
        assert explained(own, causes[sense]) > explained(own, causes["disturbance"]) + 0.2
        assert explained(batch.embeddings[sense], causes["disturbance"]) > 0.8  # it was there
