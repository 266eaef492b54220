"""The config of a sum: weights, labels, and refusals that say what is legal."""

import pytest
import torch
from sensorium_core.errors import GateConfigError, SensoriumError, UnknownNameError
from sensorium_training.objectives.compose import OBJECTIVES, Composition, parse
from sensorium_training.objectives.interface import Batch, SenseShape, Shapes

SHAPES = Shapes({"sight": SenseShape(6), "touch": SenseShape(4)})
PAIR = {"objective": "infonce", "pairs": [["sight", "touch"]]}


def batch(rows=10):
    draw = torch.Generator().manual_seed(0)
    embeddings = {s: torch.randn(rows, n, generator=draw) for s, n in (("sight", 6), ("touch", 4))}
    return Batch(embeddings, {s: torch.ones(rows, dtype=torch.bool) for s in embeddings})


def test_the_sum_weighs_each_objective_and_labels_its_logs():
    torch.manual_seed(0)
    config = {
        "near": {**PAIR, "weight": 0.25},
        "ranked": {"objective": "vse", "pairs": [("sight", "touch")], "weight": 3},
    }
    terms = Composition(config, SHAPES)(batch(), torch.Generator())
    expected = 0.25 * terms.logs["near/loss"] + 3 * terms.logs["ranked/loss"]
    torch.testing.assert_close(terms.loss.detach(), expected)
    assert "near/sight~touch/bound_nats" in terms.logs


def test_the_same_objective_may_stand_twice_with_parameters_of_its_own():
    composition = Composition({"a": PAIR, "b": PAIR}, SHAPES)
    names = [name for name, _ in composition.named_parameters()]
    assert len(names) == len(set(names))
    assert sum(name.endswith("temperature.raw") for name in names) == 2


def test_a_composition_survives_its_state_dict():
    torch.manual_seed(0)
    first, second = (Composition({"a": PAIR}, SHAPES) for _ in range(2))
    second.load_state_dict(first.state_dict())
    losses = [c(batch(), torch.Generator()).loss for c in (first, second)]
    assert torch.equal(*losses)


def test_configs_are_frozen_and_keep_their_defaults():
    entry = parse({"a": PAIR})["a"]
    assert (entry.weight, entry.config.temperature, entry.config.critic) == (1.0, 0.07, "cosine")
    with pytest.raises(ValueError, match="frozen"):
        entry.config.width = 3


def test_an_unknown_objective_is_refused_with_all_legal_ones():
    with pytest.raises(UnknownNameError) as caught:
        parse({"a": {"objective": "clip"}})
    assert all(name in str(caught.value) for name in ("'clip'", *OBJECTIVES))


def test_an_unknown_key_is_refused_with_the_legal_ones():
    with pytest.raises(UnknownNameError, match=r"'temprature'.*pairs.*critic.*temperature"):
        parse({"a": {**PAIR, "temprature": 0.1}})


@pytest.mark.parametrize(
    "config",
    [
        {**PAIR, "pairs": [["sight", "smell"]]},
        {**PAIR, "instruction": "smell"},
        {"objective": "binding", "anchor": "smell", "senses": ["touch"]},
        {"objective": "contact", "senses": ["sight"], "touch": "smell"},
        {"objective": "masked", "sense": "smell"},
        {"objective": "transport", "words": "sight", "patches": "smell"},
        {"objective": "factorcl", "pair": ["sight", "smell"]},
    ],
    ids=lambda config: config["objective"],
)
def test_an_unknown_sense_is_refused_when_the_objective_is_built(config):
    with pytest.raises(UnknownNameError, match=r"unknown sense 'smell'; allowed: sight, touch"):
        Composition({"a": config}, SHAPES)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": 1.0}, "temperature"),
        ({"width": 0}, "width"),
        ({"critic": "dot"}, "critic"),
        ({"pairs": []}, "pairs"),
        ({"pairs": [["sight"]]}, "pairs.0.1"),
        ({"weight": -1}, "weight"),
        ({"weight": float("nan")}, "weight"),
        ({"weight": float("inf")}, "weight"),
        ({"weight": 10**400}, "weight"),
        ({"weight": "much"}, "weight"),
        ({"weight": True}, "weight"),
    ],
)
def test_a_value_outside_its_range_is_refused_by_name(change, field):
    with pytest.raises(GateConfigError, match=rf"objective 'a'.* setting {field} = .*expected"):
        parse({"a": {**PAIR, **change}})


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ({**PAIR, "pairs": [["sight", "sight"]]}, "each sense may be named once"),
        ({"objective": "factorcl", "pair": ["touch", "touch"]}, "each sense may be named once"),
        ({"objective": "motion", "senses": ["touch", "touch"], "scale": [1]}, "named once"),
        ({"objective": "binding", "anchor": "sight", "senses": ["sight"]}, "anchor may not be"),
        (
            {"objective": "matching", "instruction": "sight", "senses": ["sight"]},
            "instruction may not be",
        ),
        (
            {"objective": "alignment", "pair": ["sight", "touch"], "least_s": 2, "most_s": 1},
            "least_s may not exceed most_s",
        ),
        ({"objective": "masked", "sense": "touch", "least": 0.7}, "least may not exceed most"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(config, problem):
    with pytest.raises(GateConfigError, match=problem):
        parse({"a": config})


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(SensoriumError, match="one entry at least"):
        parse({})


def test_a_batch_without_what_an_objective_needs_is_refused_by_name():
    objective = Composition({"a": {"objective": "factorcl", "pair": ["sight", "touch"]}}, SHAPES)
    with pytest.raises(UnknownNameError, match="sense with a second view 'sight'"):
        objective(batch(), torch.Generator())
