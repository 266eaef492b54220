"""Of two things that look alike, the nearer one can be pointed at, and never what lies between."""

import torch
from sensorium_core.codebook import SLOTS, TOKEN_SIZE
from sensorium_core.memory import WIDTH
from sensorium_training.encoders import NetConfig
from sensorium_training.pointing import PointingHead
from torch import Tensor

CONFIG = NetConfig(version=2, text_channels=len(SLOTS) * TOKEN_SIZE)
SIZE = 64


def alike(seed: int) -> tuple[dict[str, Tensor], Tensor]:
    """Two places with the same features, and which of them is nearer to the tool."""
    torch.manual_seed(seed)
    centres, tool = torch.rand(SIZE, 2, 3) * 0.4, torch.rand(SIZE, 5) * 0.4
    away = (centres[..., :2] - tool[:, :2].unsqueeze(1)).norm(dim=-1)
    mask, text = torch.ones(SIZE, 2), torch.ones(SIZE, CONFIG.text_channels)
    features, memory = torch.ones(SIZE, 2, CONFIG.width), torch.zeros(SIZE, WIDTH)
    told = dict(centres=centres, features=features, mask=mask, text=text, memory=memory, tool=tool)
    return told, away.argmin(1)


def test_it_learns_to_point_at_the_nearer_of_two() -> None:
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    optimizer = torch.optim.Adam(head.parameters(), 0.01)
    for seed in range(120):
        told, nearer = alike(seed)
        loss = torch.nn.functional.cross_entropy(head(**told)[2], nearer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told, nearer = alike(1000)
    assert (head(**told)[2].argmax(1) == nearer).float().mean() > 0.9


def test_whether_a_thing_is_there_is_not_read_off_what_was_found_before() -> None:
    """Training remembers no place for what is absent: presence must not depend on one."""
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    told, _ = alike(0)
    found = told | {"memory": told["memory"].clone()}
    found["memory"][:, :4] = 1.0
    for before, after in zip(head(**told), head(**found), strict=True):
        torch.testing.assert_close(before, after, rtol=0, atol=0)


def test_it_learns_that_the_second_thing_of_two_is_missing() -> None:
    """A stack needs both: what is pointed at does not tell whether the other one is there."""
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    optimizer = torch.optim.Adam(head.parameters(), 0.003)
    looks = torch.randn(3, CONFIG.width)

    def scenes(seed: int) -> tuple[dict[str, Tensor], Tensor]:
        told, _ = alike(seed)
        both = torch.rand(SIZE) < 0.5
        beside = torch.where(both, 1, 2)
        features = torch.stack([looks[0].expand(SIZE, -1), looks[beside]], 1)
        return told | {"features": features}, both.float()

    first = torch.zeros(SIZE, dtype=torch.long)
    for seed in range(80):
        told, both = scenes(seed)
        _, _, logits, there, _ = head(**told)
        loss = torch.nn.functional.cross_entropy(logits, first)
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(there, both)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    told, both = scenes(1000)
    _, _, logits, there, _ = head(**told)
    assert float((logits.argmax(1) == first).float().mean()) > 0.9
    assert float(((there > 0) == (both > 0.5)).float().mean()) > 0.9


def test_in_doubt_between_two_it_points_at_one_and_never_between() -> None:
    torch.manual_seed(0)
    head = PointingHead(CONFIG)
    torch.nn.init.zeros_(head.offset.weight)
    torch.nn.init.zeros_(head.recall.near.weight)
    told, _ = alike(0)
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
        told, _ = alike(0)
        told["text"], told["memory"] = told["text"][:, :text], torch.zeros(SIZE, 5)
        target = head(**told)[0]
        low, high = (f(told["centres"], 1) for f in (torch.amin, torch.amax))
        assert bool(((target >= low + reach_m - 1e-6) & (target <= high + reach_m + 1e-6)).all())
