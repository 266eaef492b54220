"""Policies of four words and of seven: what each is told, and what it is asked to learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.codebook import CLASSES, SLOTS, goal_classes, goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.errors import GateConfigError
from sensorium_core.goal import ALL_FAMILIES, Goal
from sensorium_core.policy import Policy, input_shapes
from sensorium_training.batches import Augmentation, Batches
from sensorium_training.encoders import NetConfig
from sensorium_training.export import example_inputs, export
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.labels import LABELS
from sensorium_training.network import PolicyNet

STACK = Goal("stack", "red", "ball", onto_colour="blue", onto_shape="cube")


def answer(net: PolicyNet, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return net(**tensors).chunk


@pytest.mark.parametrize("words", [4, 7])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_net_hears_its_words_and_no_others(words: int, fusion: str) -> None:
    torch.manual_seed(0)
    net = PolicyNet(NetConfig(text_channels=32 * words, fusion=fusion)).eval()
    assert net.config.words == words
    tensors = example_inputs(tabletop(), words=7)
    said = answer(net, tensors)
    for slot in range(7):
        changed = {**tensors, "text": tensors["text"].clone()}
        changed["text"][:, slot] += 1.0
        assert torch.equal(answer(net, changed), said) == (slot >= words), SLOTS[slot]


@pytest.mark.parametrize("channels", [0, 96, 100, 256])
def test_any_other_number_of_words_is_refused(channels: int) -> None:
    with pytest.raises(GateConfigError, match="text_channels"):
        NetConfig(text_channels=channels)


def test_a_net_of_seven_words_becomes_a_policy_that_can_be_told_of_touch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PolicyNet(NetConfig(text_channels=224))
    assert export(net, tabletop(), tmp_path / "policy.onnx") <= 1e-4
    policy = Policy(tmp_path / "policy.onnx")
    assert policy.families == ALL_FAMILIES
    tensors = {name: value.numpy() for name, value in example_inputs(tabletop(), words=7).items()}
    assert tensors["text"].shape == input_shapes(tabletop())["text"][1]
    before = policy.run(tensors).chunk
    assert not np.array_equal(
        before, policy.run({**tensors, "text": goal_tokens(STACK)[None]}).chunk
    )


@pytest.mark.parametrize("augment", [None, Augmentation()])
@pytest.mark.parametrize("words", [4, 7])
def test_labels_of_any_number_of_slots_become_as_many_tokens(words: int, augment) -> None:
    classes = np.array([goal_classes(STACK)[:words]] * 50)
    tokens = Batches([], seed=0)._tokens(classes, augment).numpy()
    assert tokens.shape == (50, words, 32)
    exact = goal_tokens(STACK)[:words]
    if augment is None:
        np.testing.assert_array_equal(tokens, np.broadcast_to(exact, tokens.shape))
    else:
        share = (tokens * exact).sum(-1)
        assert 0.9 < share.min() < share.max() <= 1.0 + 1e-6


def test_the_tabletop_labels_are_of_the_first_four_slots() -> None:
    assert LABELS["goal"] == ((6, 4), "int8")
    assert max(len(names) for names in CLASSES.values()) < 128
