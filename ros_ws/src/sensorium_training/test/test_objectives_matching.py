"""Matching of instruction and episode, and transport of words onto patches."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sensorium_training.objectives.interface import Batch, SenseShape, Shapes
from sensorium_training.objectives.matching import Matching, MatchingConfig, draw_negatives
from sensorium_training.objectives.transport import (
    Transport,
    TransportConfig,
    cosine_cost,
    transport_plan,
)

SEEDS = st.integers(0, 10**6)
WIDTH = 8
SHAPES = Shapes({"text": SenseShape(WIDTH), "scene": SenseShape(WIDTH)})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def tokens(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


# Negatives


@given(seed=SEEDS, n=st.integers(1, 12), kinds=st.integers(1, 4))
def test_a_negative_was_told_other_words_and_rows_without_any_have_none(seed, n, kinds):
    draw = seeded(seed)
    ids = torch.randint(kinds, (n,), generator=draw)
    allowed = ids.unsqueeze(0) != ids.unsqueeze(1)
    other, has = draw_negatives(torch.randn(n, n, generator=draw), allowed, draw)
    assert torch.all(ids[other[has]] != ids[has])
    assert torch.equal(has, allowed.any(1))
    assert torch.equal(other[~has], torch.arange(n)[~has])


def test_hard_negatives_are_drawn_by_similarity_and_plain_ones_evenly():
    allowed = ~torch.eye(4, dtype=torch.bool)
    likes = torch.zeros(4, 4)
    likes[0, 3] = 2.0
    counts = {"plain": torch.zeros(4), "hard": torch.zeros(4)}
    draw = seeded()
    for kind, scores in (("plain", torch.zeros(4, 4)), ("hard", likes)):
        for _ in range(2000):
            counts[kind][draw_negatives(scores, allowed, draw)[0][0]] += 1 / 2000
    e = torch.tensor(2.0).exp()
    expected = torch.tensor([0.0, 1.0, 1.0, e]) / (2 + e)
    torch.testing.assert_close(counts["hard"], expected, rtol=0, atol=0.04)
    torch.testing.assert_close(counts["plain"], torch.tensor([0, 1, 1, 1]) / 3, rtol=0, atol=0.04)


# Matching


def told_batch(seed, rows=64):
    """The instruction names one of 6 things; the scene shows it among noise."""
    draw = seeded(seed)
    names = tokens(6, WIDTH, seed=77)
    ids = torch.randint(6, (rows,), generator=draw)
    text = torch.stack([names[ids], torch.randn(rows, WIDTH, generator=draw)], 1)
    scene = 0.3 * torch.randn(rows, 5, WIDTH, generator=draw)
    scene[torch.arange(rows), torch.randint(5, (rows,), generator=draw)] += names[ids].flip(1)
    return Batch(
        valid={s: torch.ones(rows, dtype=torch.bool) for s in ("text", "scene")},
        tokens={"text": text, "scene": scene},
        instruction=ids,
    )


@pytest.mark.parametrize("hard", [False, True])
def test_matching_learns_which_instruction_an_episode_follows(hard):
    torch.manual_seed(0)
    config = MatchingConfig(instruction="text", senses=("scene",), width=32, hard=hard)
    objective = Matching(config, SHAPES)
    optimizer = torch.optim.Adam(objective.parameters(), 5e-3)
    for step in range(120):
        optimizer.zero_grad()
        objective(told_batch(step), seeded(step)).loss.backward()
        optimizer.step()
    logs = objective(told_batch(10**6), seeded()).logs
    assert float(logs["negatives"]) == 128
    assert float(logs["accuracy"]) > 0.9


def test_rows_that_were_told_the_same_words_have_no_negatives():
    torch.manual_seed(0)
    objective = Matching(MatchingConfig(instruction="text", senses=("scene",)), SHAPES)
    batch = told_batch(0, rows=6)
    same = Batch(
        valid=batch.valid, tokens=batch.tokens, instruction=torch.zeros(6, dtype=torch.long)
    )
    assert float(objective(same, seeded()).logs["negatives"]) == 0


def test_the_judgement_does_not_depend_on_the_order_of_patches():
    torch.manual_seed(0)
    objective = Matching(MatchingConfig(instruction="text", senses=("scene",)), SHAPES)
    batch = told_batch(0)
    moved = Batch(
        valid=batch.valid, instruction=batch.instruction,
        tokens={**batch.tokens, "scene": batch.tokens["scene"][:, [4, 2, 0, 1, 3]]},
    )  # fmt: skip
    losses = [objective(b, seeded(1)).loss for b in (batch, moved)]
    torch.testing.assert_close(*losses)


# Transport plans


def masks(n, size, seed):
    """Between one and all tokens are real, in any places."""
    draw = torch.rand(n, size, generator=seeded(seed))
    return draw <= draw.sort(1).values.gather(
        1, torch.randint(size, (n, 1), generator=seeded(seed + 1))
    )


def problem(seed, a=4, b=6, n=5, dtype=torch.float32):
    x, y = tokens(n, a, WIDTH, seed=seed).to(dtype), tokens(n, b, WIDTH, seed=seed + 1).to(dtype)
    return x, y, masks(n, a, seed), masks(n, b, seed + 7)


@given(seed=SEEDS, steps=st.sampled_from([1, 10]), epsilon=st.sampled_from([0.02, 0.1, 1.0]))
def test_a_plan_has_the_marginals_and_gives_nothing_to_padding(seed, steps, epsilon):
    x, y, mask_x, mask_y = problem(seed)
    plan = transport_plan(cosine_cost(x, y), mask_x, mask_y, epsilon, steps)
    for total, mask in ((plan.sum(2), mask_x), (plan.sum(1), mask_y)):
        share = mask.float() / mask.sum(1, keepdim=True)
        torch.testing.assert_close(total, share, rtol=0, atol=1e-4)
    assert plan.min() >= 0
    real = mask_x.unsqueeze(2) & mask_y.unsqueeze(1)
    assert not plan[~real].any()


@given(seed=SEEDS)
def test_moving_there_costs_as_much_as_moving_back(seed):
    x, y, mask_x, mask_y = problem(seed, dtype=torch.float64)
    cost = cosine_cost(x, y)
    there = (transport_plan(cost, mask_x, mask_y) * cost).sum((1, 2))
    back = (transport_plan(cost.transpose(1, 2), mask_y, mask_x) * cost.transpose(1, 2)).sum(
        (1, 2)
    )
    torch.testing.assert_close(there, back, rtol=0, atol=1e-9)


@given(seed=SEEDS, order=st.permutations(range(6)))
def test_permuted_patches_permute_the_plan(seed, order):
    x, y, mask_x, mask_y = problem(seed, dtype=torch.float64)
    plan = transport_plan(cosine_cost(x, y), mask_x, mask_y)
    moved = transport_plan(cosine_cost(x, y[:, order]), mask_x, mask_y[:, order])
    torch.testing.assert_close(moved, plan[:, :, order], rtol=0, atol=1e-9)


@given(seed=SEEDS, order=st.permutations(range(5)))
def test_equal_sets_cost_nothing_to_move(seed, order):
    x = tokens(3, 5, 32, seed=seed).double()
    mask = torch.ones(3, 5, dtype=torch.bool)
    cost = cosine_cost(x, x[:, order])
    plan = transport_plan(cost, mask, mask)
    assert float((plan * cost).sum((1, 2)).max()) < 1e-3
    for at, place in enumerate(order):
        assert torch.all(plan[:, place, at] > 0.19)


def best_assignment(cost):
    """The least mean cost of all ways to pair 5 with 5; the best plan is one (Birkhoff)."""
    orders = map(list, itertools.permutations(range(5)))
    return min(float(cost[0, range(5), order].mean()) for order in orders)


@pytest.mark.parametrize("seed", range(5))
def test_proximal_steps_reach_the_exact_optimum_and_plain_sinkhorn_stays_above(seed):
    x, y = tokens(1, 5, WIDTH, seed=seed).double(), tokens(1, 5, WIDTH, seed=seed + 50).double()
    mask, cost = torch.ones(1, 5, dtype=torch.bool), cosine_cost(x, y)
    best = best_assignment(cost)
    proximal, plain = (
        float((transport_plan(cost, mask, mask, 0.1, steps, 20) * cost).sum()) for steps in (30, 1)
    )
    assert best - 1e-9 <= proximal <= best + 0.01
    assert plain > proximal


def test_a_row_with_an_empty_set_moves_nothing():
    x, y, mask_x, mask_y = problem(0)
    mask_x[2] = False
    plan = transport_plan(cosine_cost(x, y), mask_x, mask_y)
    assert not plan[2].any()
    assert torch.isfinite(plan).all()


# The objective


def test_transport_learns_to_bring_words_to_their_patches():
    torch.manual_seed(0)
    objective = Transport(TransportConfig(words="text", patches="scene", width=16), SHAPES)
    optimizer = torch.optim.Adam(objective.parameters(), 5e-3)
    gaps = []
    for step in range(60):
        optimizer.zero_grad()
        terms = objective(told_batch(step), seeded(step))
        gaps.append(float(terms.logs["mismatched_cost"] - terms.logs["cost"]))
        terms.loss.backward()
        optimizer.step()
    assert sum(gaps[-5:]) / 5 > sum(gaps[:5]) / 5 + 0.1


@pytest.mark.parametrize("seed", range(5))
def test_gradients_flow_through_costs_and_not_through_the_plan(seed):
    """At the best plan they are those of the optimum itself (envelope theorem)."""
    x, y = tokens(1, 5, WIDTH, seed=seed).double(), tokens(1, 5, WIDTH, seed=seed + 50).double()
    mask = torch.ones(1, 5, dtype=torch.bool)
    x.requires_grad_()
    cost = cosine_cost(x, y)
    plan = transport_plan(cost.detach(), mask, mask, 0.1, 100, 30)
    (slope,) = torch.autograd.grad((plan * cost).sum(), x)
    direction = tokens(*x.shape, seed=9).double()
    near = [cosine_cost(x.detach() + sign * 1e-5 * direction, y) for sign in (1, -1)]
    numeric = (best_assignment(near[0]) - best_assignment(near[1])) / 2e-5
    assert float((slope * direction).sum()) == pytest.approx(numeric, rel=0.05, abs=0.01)
