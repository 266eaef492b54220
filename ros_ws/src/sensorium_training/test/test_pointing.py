"""Of two things that look alike, the one can be pointed at that is nearer, or was meant before."""

import pytest
import torch
from sensorium_core.codebook import SLOTS, TOKEN_SIZE
from sensorium_core.memory import WIDTH
from sensorium_training.encoders import NetConfig
from sensorium_training.pointing import PointingHead
from torch import Tensor

CONFIG = NetConfig(version=2, text_channels=len(SLOTS) * TOKEN_SIZE)
SIZE = 64


def alike(seed: int, by: str) -> tuple[dict[str, Tensor], Tensor]:
    """Two places with the same features, and which of them is nearer to the tool or the anchor."""
    torch.manual_seed(seed)
    centres = torch.rand(SIZE, 2, 3) * 0.4
    memory, tool = torch.zeros(SIZE, WIDTH), torch.rand(SIZE, 5) * 0.4
    near = tool[:, :2]
    if by == "anchor":
        memory[:, :3], memory[:, 3] = torch.rand(SIZE, 3) * 0.4, 1.0
        near = memory[:, :2]
    away = (centres[..., :2] - near.unsqueeze(1)).norm(dim=-1)
    mask, text = torch.ones(SIZE, 2), torch.ones(SIZE, CONFIG.text_channels)
    features = torch.ones(SIZE, 2, CONFIG.width)
    told = dict(centres=centres, features=features, mask=mask, text=text, memory=memory, tool=tool)
    return told, away.argmin(1)


@pytest.mark.parametrize("by", ["tool", "anchor"])
def test_it_learns_to_point_at_the_nearer_of_two(by: str) -> None:
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    for seed in range(120):
        told, nearer = alike(seed, by)
        loss = torch.nn.functional.cross_entropy(head(**told)[2], nearer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told, nearer = alike(1000, by)
    assert (head(**told)[2].argmax(1) == nearer).float().mean() > 0.9


def test_in_doubt_between_two_it_points_at_one_and_never_between() -> None:
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    torch.nn.init.zeros_(head.offset.weight)
    torch.nn.init.zeros_(head.recall.near.weight)
    told, _ = alike(0, "tool")
    target, _, logits, _, _ = head(**told)
    torch.testing.assert_close(logits[:, 0], logits[:, 1])
    gaps = (told["centres"] - target.detach().unsqueeze(1)).norm(dim=-1).amin(1)
    apart = (told["centres"][:, 0] - told["centres"][:, 1]).norm(dim=-1) > 0.04
    assert float(apart.float().mean()) > 0.8
    bias = float(torch.tanh(head.offset.bias.detach()).norm()) * head.reach_m
    assert float((gaps[apart] - bias).abs().max()) < 1e-5


def test_the_middle_of_a_bowl_is_within_reach_of_its_rim() -> None:
    for version, reach_m in ((1, 0.03), (2, 0.06)):
        text = 128 if version == 1 else CONFIG.text_channels
        head = PointingHead(NetConfig(version=version, text_channels=text))
        torch.nn.init.constant_(head.offset.bias, 50.0)
        told, _ = alike(0, "tool")
        told["text"], told["memory"] = told["text"][:, :text], torch.zeros(SIZE, 5)
        target = head(**told)[0]
        low, high = (f(told["centres"], 1) for f in (torch.amin, torch.amax))
        assert bool(((target >= low + reach_m - 1e-6) & (target <= high + reach_m + 1e-6)).all())
