"""The network of contract version 2: what was felt can decide, and nothing else has changed."""

from dataclasses import replace

import pytest
import torch
from sensorium_core.codebook import SLOTS, TOKEN_SIZE
from sensorium_core.contract import touch
from sensorium_core.errors import GateConfigError
from sensorium_core.policy import Policy, output_shapes
from sensorium_training.corruption.corruptor import Corruptor
from sensorium_training.encoders import NetConfig, contract_of
from sensorium_training.export import example_inputs, export
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.losses import Labels, policy_losses, total
from sensorium_training.network import NetOutput, PolicyNet
from sensorium_training.recall import (
    FELT_GEOMETRY,
    FELT_WRENCH,
    Recall,
    felt_geometry,
    felt_wrench,
    polar,
)

from .hidden_parts import hidden_parts

CONFIG = NetConfig(version=2, text_channels=len(SLOTS) * TOKEN_SIZE)
MODALITIES = {
    "scene_rgb": ("scene_rgb",), "cloud": ("cloud",), "wrist_rgb": ("wrist_rgb",),
    "wrench": ("wrench",), "pads": ("touch_left", "touch_right"), "joints": ("joints",),
}  # fmt: skip


def net(seed: int = 0, config: NetConfig = CONFIG) -> PolicyNet:
    torch.manual_seed(seed)
    return PolicyNet(config)


def batch(size: int = 8) -> dict[str, torch.Tensor]:
    rows = [example_inputs(touch(), seed, len(SLOTS)) for seed in range(size)]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def labels(size: int = 8) -> Labels:
    things = torch.zeros(size, 11, 4)
    things[:, 0] = things[:, 9] = torch.tensor([0.15, 0.15, 0.15, 0.2])
    return Labels(
        chunk=torch.randn(size, 8, 5) * 0.05,
        target=torch.full((size, 3), 0.15),
        extent=torch.full((size,), 0.2),
        present=(torch.arange(size) % 4 > 0).float(),
        done=(torch.arange(size) % 2).float(),
        heading=torch.ones(size, 3),
        things=things,
        classes=torch.full((size, 11, 2), 6, dtype=torch.long),
        intent=torch.tensor([[5.0, 1.0]]).expand(size, 2),
    )


def same(a: NetOutput, b: NetOutput) -> bool:
    return all(torch.equal(x, y) for x, y in zip(vars(a).values(), vars(b).values(), strict=True))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_is_registered_gets_a_gradient_and_changes_after_one_step(
    fusion: str,
) -> None:
    network = net(config=replace(CONFIG, fusion=fusion))
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    assert set(before) <= set(network.state_dict())
    assert hidden_parts(network) == []
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    tensors = batch()
    tensors["valid"] = torch.cat([1 - torch.eye(6), torch.ones(2, 6)])
    total(policy_losses(network(**tensors), labels())).backward()
    optimizer.step()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert bool((parameter.grad != 0).any()), name
        assert not torch.equal(before[name], parameter), name


@pytest.mark.parametrize("sense", MODALITIES)
def test_bytes_of_a_missing_sense_cannot_reach_any_output(sense: str) -> None:
    network, tensors = net().eval(), batch(4)
    tensors["valid"] = torch.ones(4, 6)
    tensors["valid"][:, list(MODALITIES).index(sense)] = 0.0
    garbage = dict(tensors)
    for name in MODALITIES[sense]:
        value = tensors[name]
        garbage[name] = 255 - value if value.dtype == torch.uint8 else value * torch.nan
    assert same(network(**tensors), network(**garbage))


@pytest.mark.parametrize("place", range(5, 32))
def test_every_number_of_the_memory_can_change_the_motion(place: int) -> None:
    network, tensors = net().eval(), batch(4)
    tensors["memory"][:, [10, 16, 24]] = 1.0
    changed = {**tensors, "memory": tensors["memory"].clone()}
    changed["memory"][:, place] += 0.3
    assert not torch.equal(network(**tensors).chunk, network(**changed).chunk)


def test_of_two_alike_the_one_that_was_grasped_can_be_told() -> None:
    """Two clumps of the same look: only the memory differs between them."""
    network, tensors = net().eval(), batch(1)
    cloud = torch.zeros(1, 512, 7)
    cloud[:, :, 6] = 1.0
    cloud[:, :, 3:6] = 0.5
    cloud[:, 256:, 0] = 0.2
    cloud[:, :, :3] += 0.01 * torch.rand(1, 256, 3).repeat(1, 2, 1)
    tensors["cloud"] = cloud
    tensors["memory"] = torch.zeros(1, 32)
    alike = network(**tensors).attention
    tensors["memory"][:, 16] = 1.0
    grasped = network(**tensors).attention
    clump = network(**tensors).anchors[..., 0] > 0.1
    gap = [a[clump].mean() - a[~clump].mean() for a in (alike, grasped)]
    assert abs(gap[1] - gap[0]) > 1e-4


@pytest.mark.parametrize(
    ("place", "change"), [(21, 0.2), (29, 0.2), (22, 0.5), (30, 0.5)],
    ids=["load of the latest", "load of the one before", "sink of the latest", "sink before"],
)  # fmt: skip
def test_what_a_thing_felt_like_is_told_at_its_place(place: int, change: float) -> None:
    """Two things were weighed: a load changes both places, against each other; a sink its own."""
    recall = Recall(8)
    memory = torch.zeros(1, 32)
    memory[0, [16, 20, 24, 28]] = 1.0
    memory[0, [17, 25]] = torch.tensor([0.4, 0.7])
    memory[0, [21, 29]] = 0.5
    centres = torch.tensor([[[0.4, 0.0, 0.02], [0.7, 0.0, 0.02], [0.1, 0.5, 0.02]]])
    tool = torch.zeros(1, 4)
    plain = recall.at(centres, memory, tool)
    memory[0, place] += change
    moved = (recall.at(centres, memory, tool) - plain)[0].detach()
    assert torch.allclose(moved[2], torch.zeros(8), atol=1e-6)
    if place in (21, 29):
        assert torch.allclose(moved[0], -moved[1], atol=1e-6)
        assert float(moved[0].abs().max()) > 0.01
    else:
        own = 0 if place == 22 else 1
        assert float(moved[own].abs().max()) > 0.01
        assert torch.allclose(moved[1 - own], torch.zeros(8), atol=1e-6)


def test_places_that_are_not_known_do_not_count() -> None:
    memory = torch.zeros(2, 32)
    memory[1, [7, 8, 9, 17, 18, 19, 25, 26, 27]] = 0.4
    tool, target = torch.rand(1, 3).expand(2, 3), torch.rand(1, 3).expand(2, 3)
    geometry = felt_geometry(memory, tool, target)
    assert geometry.shape == (2, FELT_GEOMETRY)
    assert torch.equal(geometry[0], geometry[1])


def test_what_the_wrist_feels_is_told_with_its_torques() -> None:
    wrench = torch.zeros(3, 32, 6)
    wrench[1, -5:] = torch.tensor([5.0, 0.0, -10.0, 0.02, -0.2, 0.0])
    wrench[2] = 1e3
    told = felt_wrench(wrench)
    assert told.shape == (3, FELT_WRENCH)
    assert not told[0].any()
    latest = torch.tensor([1.0, 0.0, -1.0, 0.1, -1.0, 0.0])
    assert torch.allclose(told[1, :6], latest)
    assert torch.allclose(told[1, -6:], latest), "the window's last but three, as it is"
    assert not told[1, 6:-6].any()
    assert float(told[2].max()) == 6.0, "a reading beyond sense does not drown the others"


def test_a_torque_alone_changes_where_the_arm_goes() -> None:
    policy, given = net(0).eval(), batch(2)
    given["valid"][:] = 1.0
    changed = {**given, "wrench": given["wrench"].clone()}
    changed["wrench"][..., 3:] += 0.05
    moved = (policy(**given).chunk - policy(**changed).chunk).detach().abs().amax()
    assert float(moved) > 1e-4
    for one in (given, changed):
        one["valid"][:, 3] = 0.0
    assert torch.equal(policy(**given).chunk, policy(**changed).chunk)


def test_a_search_turns_on_direction_and_distance_from_where_it_began() -> None:
    at = torch.tensor([[0.0, 0.0], [0.003, 0.004], [-0.004, 0.003], [0.06, 0.0]])
    told = polar(at)
    assert torch.equal(told[0], torch.tensor([0.0, 0.0, 0.0, 1.0]))
    assert torch.allclose(told[1, :2], torch.tensor([0.6, 0.8]), atol=0.02)
    assert torch.allclose(told[2, :2], torch.tensor([-0.8, 0.6]), atol=0.02)
    assert torch.allclose(told[1:3, 2:], torch.tensor([[0.25, 1 / 6]] * 2), atol=1e-6)
    assert told[3, 2] == 1.0, "far away it no longer matters how far"


def test_intent_is_within_what_the_fast_half_can_do() -> None:
    for seed in range(3):
        intent = net(seed).eval()(**batch(4)).intent
        assert bool(((intent >= 0) & (intent <= torch.tensor([20.0, 1.0]))).all())


def test_loss_of_the_intent_falls_when_it_comes_nearer() -> None:
    out, wanted = net().eval()(**batch()), labels()
    near, far = (wanted.intent * share for share in (0.9, 0.1))
    terms = []
    for intent in (near, far):
        out.intent = intent
        terms.append(policy_losses(out, wanted)["intent"])
    assert terms[0] < terms[1]


def test_exported_file_computes_what_torch_computes_and_is_a_policy(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "policy.onnx"
    assert contract_of(CONFIG) == touch()
    assert export(net(1), touch(), path) <= 1e-4
    policy = Policy(path)
    answer = policy.run({k: v.numpy() for k, v in example_inputs(touch(), 3, len(SLOTS)).items()})
    assert answer.intent is not None
    assert answer.intent.shape == output_shapes(touch())["intent"][1:]


def test_other_versions_are_refused() -> None:
    with pytest.raises(GateConfigError, match="version"):
        NetConfig(version=3)


def test_windows_of_joints_can_be_corrupted_in_training() -> None:
    """In every way in which rows are: shapes stay, numbers stay finite, the newest changes."""
    corruptor, rng = Corruptor(touch()), torch.Generator().manual_seed(0)
    kinds = [kind for sense, kind in corruptor.of_rows if sense == "joints"]
    assert {"noisy", "biased", "saturated"} <= set(kinds)
    for kind in kinds:
        before = batch(3)
        level = torch.full((3,), 0.9)
        after = corruptor.apply(before, "joints", kind, level, rng)
        assert after["joints"].shape == before["joints"].shape
        assert bool(torch.isfinite(after["joints"]).all())
        same_bytes = torch.equal(after["joints"], before["joints"])
        assert not same_bytes or not torch.equal(after["valid"], before["valid"]), kind
