"""What holds for every objective: all of it trains, and what is invalid has no voice."""

from dataclasses import replace

import pytest
import torch
from sensorium_training.encoders import WindowEncoder
from sensorium_training.objectives.compose import OBJECTIVES, Composition
from sensorium_training.objectives.interface import Batch, Future, SenseShape, Shapes
from torch import nn

from .hidden_parts import REGISTERED

ROWS, WIDTH = 36, 16
SENSES = ("scene", "wrench", "pads", "text")
SHAPES = Shapes(
    senses={
        "scene": SenseShape(WIDTH, (32, 32, 3)),
        "wrench": SenseShape(WIDTH, (16, 6)),
        "pads": SenseShape(WIDTH, (16, 6)),
        "text": SenseShape(WIDTH),
    },
    action=5,
    motion=4,
)
CONFIGS = {
    "infonce": {"objective": "infonce", "pairs": [["scene", "wrench"], ["scene", "pads"]]},
    "infonce_linear": {"objective": "infonce", "pairs": [["scene", "pads"]], "critic": "linear"},
    "infonce_poly": {"objective": "infonce", "pairs": [["scene", "pads"]], "critic": "polynomial"},
    "infonce_exp": {"objective": "infonce", "pairs": [["scene", "pads"]], "critic": "exponential"},
    "infonce_rbf": {"objective": "infonce", "pairs": [["scene", "pads"]], "critic": "rbf"},
    "binding": {"objective": "binding", "anchor": "scene", "senses": ["wrench", "pads", "text"]},
    "vse": {"objective": "vse", "pairs": [["scene", "text"]]},
    "vse_sum": {"objective": "vse", "pairs": [["scene", "text"]], "negatives": "sum"},
    "alignment": {"objective": "alignment", "pair": ["scene", "wrench"]},
    "contact": {"objective": "contact", "senses": ["scene", "wrench"], "touch": "wrench"},
    "motion": {"objective": "motion", "senses": ["scene", "wrench"], "scale": [1, 1, 1, 1]},
    "flow": {"objective": "flow", "image": "scene", "senses": ["scene", "wrench"]},
    "masked": {"objective": "masked", "sense": "pads", "fingers": 2},
    "masked_image": {"objective": "masked", "sense": "scene"},
    "matching": {"objective": "matching", "instruction": "text", "senses": ["scene", "wrench"]},
    "matching_hard": {
        "objective": "matching", "instruction": "text", "senses": ["scene", "wrench"],
        "hard": True,
    },
    "transport": {"objective": "transport", "words": "text", "patches": "scene"},
    "factorcl": {"objective": "factorcl", "pair": ["scene", "wrench"]},
}  # fmt: skip
ALL = pytest.mark.parametrize("name", CONFIGS)


class Encoders(nn.Module):
    """Small encoders, of which the window ones are the policy's own."""

    def __init__(self):
        super().__init__()
        self.scene = nn.Sequential(nn.Flatten(), nn.Linear(32 * 32 * 3, WIDTH))
        self.pads = WindowEncoder(6, WIDTH, 20.0)


def make(name):
    torch.manual_seed(1)
    return Composition({name: CONFIGS[name]}, SHAPES)


def batch(seed=0, rows=ROWS, encoders=None):
    """Random rows in pairs of episodes; about a quarter of each sense is invalid."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(*shape, generator=draw)

    def flags():
        return torch.rand(rows, generator=draw) > 0.25

    encoders = encoders or Encoders()
    windows = {"wrench": normal(rows, 16, 6), "pads": normal(rows, 16, 6)}
    images = {"scene": 255 * torch.rand(rows, 32, 32, 3, generator=draw)}
    return Batch(
        embeddings={sense: normal(rows, WIDTH) for sense in SENSES},
        valid={sense: flags() for sense in SENSES},
        views={sense: normal(rows, WIDTH) for sense in SENSES},
        tokens={"scene": normal(rows, 6, WIDTH), "text": normal(rows, 4, WIDTH)},
        token_mask={"text": torch.arange(4) < torch.randint(1, 5, (rows, 1), generator=draw)},
        samples={**windows, **images},
        encoders={"scene": encoders.scene, "pads": encoders.pads},
        future=Future(
            there=flags(), action=normal(rows, 5), motion=normal(rows, 4),
            samples={
                "wrench": 0.3 * normal(rows, 16, 6),
                "scene": 255 * torch.rand(rows, 32, 32, 3, generator=draw),
            },
            valid={"wrench": flags(), "scene": flags()},
        ),
        instruction=torch.arange(rows) // 3,
        episode=torch.arange(rows) // 6,
        time_s=torch.arange(rows) * 0.5,
    )  # fmt: skip


def spoiled(data, value):
    """The same, with other bytes wherever nothing is valid, padding included."""

    def spoil(values, valid):
        return {k: torch.where(_like(valid[k], v), v, value) for k, v in values.items()}

    future = data.future
    tokens = spoil(data.tokens, data.valid)
    tokens["text"] = torch.where(_like(data.token_mask["text"], tokens["text"]),
                                 tokens["text"], value)  # fmt: skip
    return replace(
        data,
        embeddings=spoil(data.embeddings, data.valid),
        views=spoil(data.views, data.valid),
        tokens=tokens,
        samples=spoil(data.samples, data.valid),
        future=replace(
            future,
            action=torch.where(_like(future.there, future.action), future.action, value),
            motion=torch.where(_like(future.there, future.motion), future.motion, value),
            samples=spoil(future.samples, future.valid),
        ),
    )


def _like(mask, x):
    return mask.reshape(*mask.shape, *([1] * (x.dim() - mask.dim())))


def run(objective, data, seed=3):
    """Loss and the gradients of all parameters, embeddings, views and tokens."""
    leaves = {}

    def leaf(kind, values):
        made = {k: v.detach().clone().requires_grad_() for k, v in values.items()}
        leaves.update({f"{kind} {k}": v for k, v in made.items()})
        return made

    data = replace(
        data,
        embeddings=leaf("embedding", data.embeddings),
        views=leaf("view", data.views),
        tokens=leaf("tokens", data.tokens),
    )
    objective.zero_grad()
    terms = objective(data, torch.Generator().manual_seed(seed))
    terms.loss.backward()
    gradients = {k: p.grad.clone() for k, p in objective.named_parameters()}
    gradients |= {k: v.grad for k, v in leaves.items() if v.grad is not None}
    return terms, gradients


def test_every_objective_is_in_this_file():
    assert {config["objective"] for config in CONFIGS.values()} == set(OBJECTIVES)


@ALL
def test_every_parameter_is_registered_gets_a_gradient_and_changes_after_one_step(name):
    objective = make(name)
    before = {k: p.detach().clone() for k, p in objective.named_parameters()}
    assert set(before) <= set(objective.state_dict())
    terms, gradients = run(objective, batch())
    assert float(terms.loss.detach()) != 0
    dead = [k for k in before if not gradients[k].abs().sum() > 0]
    assert dead == []
    torch.optim.AdamW(objective.parameters(), 1e-2, weight_decay=0.0).step()
    after = dict(objective.named_parameters())
    assert [k for k in before if torch.equal(before[k], after[k])] == []


@ALL
def test_no_tensor_that_is_not_a_parameter_or_a_buffer_takes_part_in_training(name):
    """Factors in a plain list would be left behind by `to` and `state_dict`."""
    objective = make(name)
    known = {id(t) for t in (*objective.parameters(), *objective.buffers())}
    for module in objective.modules():
        for value in (v for k, v in vars(module).items() if k not in REGISTERED):
            held = list(value.values()) if isinstance(value, dict) else value
            inner = held if isinstance(held, (list, tuple)) else [held]
            assert not [v for v in inner if isinstance(v, torch.Tensor) and id(v) not in known]


@ALL
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_bytes_of_what_is_invalid_change_neither_loss_nor_gradients(name, value):
    objective, data = make(name), batch()
    plain, gradients = run(objective, data)
    other, others = run(objective, spoiled(data, value))
    assert torch.equal(plain.loss, other.loss)
    assert gradients.keys() == others.keys()
    assert all(torch.equal(gradients[k], others[k]) for k in gradients)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
    assert all(torch.equal(plain.logs[k], other.logs[k]) for k in plain.logs)


@ALL
def test_where_nothing_is_valid_loss_and_gradients_are_exactly_zero(name):
    data = batch()
    data = replace(data, valid={s: torch.zeros(ROWS, dtype=torch.bool) for s in SENSES})
    terms, gradients = run(make(name), spoiled(data, float("nan")))
    assert float(terms.loss.detach()) == 0
    assert all(not gradient.any() for gradient in gradients.values())
    assert all(torch.isfinite(value) for value in terms.logs.values())


@ALL
def test_one_valid_row_is_enough_to_be_finite(name):
    data = batch()
    data = replace(data, valid={s: torch.arange(ROWS) == 4 for s in SENSES})
    terms, gradients = run(make(name), spoiled(data, float("nan")))
    assert torch.isfinite(terms.loss)
    assert all(torch.isfinite(gradient).all() for gradient in gradients.values())


@ALL
def test_the_same_generator_gives_the_same_loss(name):
    objective, data = make(name), batch()
    first, again = (objective(data, torch.Generator().manual_seed(5)).loss for _ in range(2))
    assert torch.equal(first, again)


@ALL
def test_bfloat16_autocast_changes_the_loss_by_rounding_only(name):
    objective, data = make(name), batch()
    exact = objective(data, torch.Generator().manual_seed(5)).loss
    with torch.autocast("cpu", torch.bfloat16):
        loss = objective(data, torch.Generator().manual_seed(5)).loss
    loss.backward()
    assert loss.dtype == torch.float32
    assert float(loss.detach()) == pytest.approx(float(exact.detach()), rel=0.05, abs=0.02)
    gradients = [p.grad for p in objective.parameters() if p.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)


@pytest.mark.parametrize(
    "name", ["infonce", "infonce_rbf", "binding", "vse", "vse_sum", "contact", "motion", "flow",
             "factorcl"]
)  # fmt: skip
def test_the_order_of_rows_does_not_matter(name):
    objective, data = make(name), batch()
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))

    def moved(values):
        return {k: v[order] for k, v in values.items()}

    future = data.future
    shuffled = replace(
        data, embeddings=moved(data.embeddings), valid=moved(data.valid), views=moved(data.views),
        samples=moved(data.samples),
        future=Future(
            future.there[order], future.action[order], future.motion[order],
            moved(future.samples), moved(future.valid),
        ),
    )  # fmt: skip
    plain, gradients = run(objective, data)
    other, others = run(objective, shuffled)
    assert float(other.loss.detach()) == pytest.approx(float(plain.loss.detach()), rel=1e-5)
    for k in gradients:
        expected = gradients[k]
        if k.startswith(("embedding", "view")):
            expected = expected[order]
        torch.testing.assert_close(others[k], expected, rtol=1e-3, atol=1e-5)


@ALL
def test_logs_carry_the_label_and_no_gradient(name):
    terms = make(name)(batch(), torch.Generator().manual_seed(0))
    assert f"{name}/loss" in terms.logs
    assert all(key.startswith(f"{name}/") for key in terms.logs)
    assert not [key for key, value in terms.logs.items() if value.requires_grad]
