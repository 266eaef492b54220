"""Properties of the policy network: everything trains, what is missing cannot speak."""

import pytest
import torch
from sensorium_core.contract import tabletop
from sensorium_training.export import example_inputs, export
from sensorium_training.losses import Labels, policy_losses, total
from sensorium_training.network import PolicyNet

DROPPABLE = {
    "scene_rgb": ("scene_rgb",),
    "cloud": ("cloud",),
    "wrist_rgb": ("wrist_rgb",),
    "wrench": ("wrench",),
    "pads": ("touch_left", "touch_right"),
    "joints": ("joints",),
}


def batch(size: int = 8) -> dict[str, torch.Tensor]:
    rows = [example_inputs(tabletop(), seed) for seed in range(size)]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def labels(size: int = 8) -> Labels:
    things = torch.zeros(size, 7, 4)
    things[:, 0] = torch.tensor([0.15, 0.15, 0.15, 0.2])
    return Labels(
        chunk=torch.randn(size, 8, 5) * 0.05,
        target=torch.full((size, 3), 0.15),
        extent=torch.full((size,), 0.2),
        present=(torch.arange(size) % 4 > 0).float(),
        done=(torch.arange(size) % 2).float(),
        heading=torch.ones(size, 3),
        things=things,
        classes=torch.zeros(size, 7, 2, dtype=torch.long),
    )


def test_every_parameter_is_registered_gets_a_gradient_and_changes_after_one_step() -> None:
    torch.manual_seed(0)
    net = PolicyNet()
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    assert set(before) <= set(net.state_dict())
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    total(policy_losses(net(**batch()), labels())).backward()
    optimizer.step()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.abs().sum() > 0), name
        assert not torch.equal(before[name], parameter), name


@pytest.mark.parametrize("sense", DROPPABLE)
def test_bytes_of_a_missing_sense_cannot_reach_any_output(sense: str) -> None:
    net, tensors = PolicyNet().eval(), batch(4)
    tensors["valid"] = torch.ones(4, 6)
    tensors["valid"][:, list(DROPPABLE).index(sense)] = 0.0
    garbage = dict(tensors)
    for name in DROPPABLE[sense]:
        value = tensors[name]
        garbage[name] = 255 - value if value.dtype == torch.uint8 else value * torch.nan
    whole, spoilt = vars(net(**tensors)), vars(net(**garbage))
    for ours, theirs in zip(whole.values(), spoilt.values(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_present_sense_does_reach_the_chunk() -> None:
    net, tensors = PolicyNet().eval(), batch(4)
    tensors["valid"] = torch.ones(4, 6)
    for names in DROPPABLE.values():
        changed = dict(tensors)
        changed[names[0]] = tensors[names[0]].flip(0)
        assert not torch.equal(net(**tensors).chunk, net(**changed).chunk), names


def test_moving_scene_and_tool_together_moves_the_target_and_changes_no_chunk() -> None:
    net, tensors = PolicyNet().eval(), batch(4)
    shift = torch.tensor([0.07, -0.05, 0.0])
    moved = {name: tensor.clone() for name, tensor in tensors.items()}
    moved["cloud"][..., :3] += shift * moved["cloud"][..., 6:]
    moved["reference"][:, :3] += shift
    moved["memory"][:, :3] += shift
    a, b = net(**tensors), net(**moved)
    assert torch.allclose(a.target + shift, b.target, atol=1e-4)
    assert torch.allclose(a.chunk, b.chunk, atol=1e-3)


def test_exported_file_computes_what_torch_computes(tmp_path) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(1)
    assert export(PolicyNet(), tabletop(), tmp_path / "policy.onnx") <= 1e-4
