"""Every fusion operator inside the policy network and in the exported file."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from sensorium_core.contract import tabletop
from sensorium_core.inputs import Memory, press_force_n
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import OUTPUTS, Policy, unreadable_policy
from sensorium_sim.sensors import FORCE_NOISE_N, TORQUE_NOISE_NM, TOUCH_NOISE_N
from sensorium_training.encoders import NetConfig
from sensorium_training.export import _Deployed, example_inputs, parity
from sensorium_training.fusion.interface import SENSES
from sensorium_training.fusion.names import FUSIONS
from sensorium_training.network import PolicyNet
from torch import Tensor

from .exported_policies import exported_by

SHIPPED = Path(__file__).resolve().parents[4] / "models" / "tabletop" / "policy.onnx"
BYTES_OF = {**{name: (name,) for name in SENSES}, "pads": ("touch_left", "touch_right")}
UNNAMED = (
    "cloud.points.0", "cloud.points.2", "cloud.project.0", "cloud.project.2", "pointing.score.0",
    "pointing.score.2", "pointing.offset", "mix.0", "mix.2", "squeeze",
)  # fmt: skip
"""Linear layers whose weights the exporter turned round and renamed, in the graph's order."""
NOISY = ("wrench", "touch_left", "touch_right")


def net_of(fusion: str) -> PolicyNet:
    torch.manual_seed(3)
    return PolicyNet(NetConfig(fusion=fusion)).eval()


def batch(size: int) -> dict[str, Tensor]:
    rows = [example_inputs(tabletop(), seed) for seed in range(size)]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def free_space(seed: int, size: int) -> dict[str, Tensor]:
    """Inputs whose forces are the sensors' noise; the memory took it in as it does live."""
    tensors, rng = batch(size), np.random.default_rng(seed)
    tensors["valid"] = torch.ones(size, 6)
    scale = np.array([FORCE_NOISE_N] * 3 + [TORQUE_NOISE_NM] * 3)
    wrench = rng.normal(size=(size, 32, 6)) * scale
    tensors["wrench"] = torch.from_numpy(wrench.astype(np.float32))
    for pad in NOISY[1:]:
        noise = rng.normal(size=(size, 16, 3)) * TOUCH_NOISE_N
        tensors[pad] = torch.from_numpy(noise.astype(np.float32))
    presses = [max(0.0, press_force_n(window)) for window in tensors["wrench"].numpy()]
    felt = np.array([Memory(peak_press_n=press).vector()[4] for press in presses])
    tensors["memory"][:, 4] = torch.from_numpy(felt)
    assert len(set(felt)) == size
    return tensors


exported = exported_by(net_of, tabletop())


def test_the_exported_file_is_accepted_and_computes_what_torch_does_with_any_senses_missing(
    exported: tuple[str, Path],
) -> None:
    fusion, path = exported
    assert Policy(path).contract.senses == SENSES
    deployed = _Deployed(net_of(fusion), tuple(example_inputs(tabletop())))
    assert parity(deployed, tabletop(), path, trials=40) <= 1e-4
    session = open_session(path, unreadable_policy).session
    feed = {name: tensor.numpy() for name, tensor in example_inputs(tabletop(), 5).items()}
    feed["valid"] = np.zeros((1, 6), np.float32)
    assert all(np.isfinite(value).all() for value in session.run(list(OUTPUTS), feed))


def test_noise_on_gated_off_forces_changes_the_action_of_the_exported_file_by_exactly_0(
    exported: tuple[str, Path],
) -> None:
    fusion, path = exported
    session = open_session(path, unreadable_policy).session
    answers = []
    for seed in range(6):
        feed = {name: tensor.numpy() for name, tensor in free_space(seed, 1).items()}
        answers.append(session.run(list(OUTPUTS), feed))
    same = [all(map(np.array_equal, answers[0], answer)) for answer in answers[1:]]
    assert same == [fusion == "contact_gate"] * 5


@pytest.mark.parametrize("fusion", FUSIONS)
def test_noise_on_gated_off_forces_changes_the_action_by_exactly_0(fusion: str) -> None:
    net = net_of(fusion)
    one, other = (vars(net(**free_space(seed, 8))) for seed in (1, 2))
    said = one.keys() - {"tokens"}  # What the encoders made, before the gate: for training only.
    same = all(torch.equal(one[name], other[name]) for name in said)
    assert same is (fusion == "contact_gate")


@pytest.mark.parametrize("name", NOISY)
def test_a_contact_opens_the_gate_of_its_sensor_and_changes_the_action(name: str) -> None:
    net, still = net_of("contact_gate"), free_space(1, 4)
    touched = {**still, name: still[name].clone()}
    touched[name][:, -1, 2] -= 1.0
    assert not torch.equal(net(**still).chunk, net(**touched).chunk)
    dead = {**touched, "valid": touched["valid"].clone()}
    dead["valid"][:, SENSES.index("wrench" if name == "wrench" else "pads")] = 0.0
    assert torch.equal(net(**still).chunk, net(**dead).chunk)


def test_the_dead_bands_lie_six_standard_deviations_above_the_noise_of_the_sensors() -> None:
    config = NetConfig()
    assert config.wrench_band_n >= 6 * FORCE_NOISE_N
    assert config.pads_band_n >= 6 * TOUCH_NOISE_N


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("sense", SENSES)
def test_bytes_of_a_missing_sense_cannot_reach_any_output(sense: str, fusion: str) -> None:
    net, tensors = net_of(fusion), batch(4)
    tensors["valid"] = torch.ones(4, 6)
    tensors["valid"][:, SENSES.index(sense)] = 0.0
    garbage = dict(tensors)
    for name in BYTES_OF[sense]:
        value = tensors[name]
        garbage[name] = 255 - value if value.dtype == torch.uint8 else value * torch.nan
    whole, spoilt = vars(net(**tensors)), vars(net(**garbage))
    for ours, theirs in zip(whole.values(), spoilt.values(), strict=True):
        assert torch.equal(ours, theirs)
        assert bool(torch.isfinite(ours).all())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_parameter_of_the_network_trains_with_every_operator(fusion: str) -> None:
    net, tensors = net_of(fusion), batch(8)
    tensors["valid"] = torch.cat([1 - torch.eye(6), torch.ones(2, 6)])
    out = net(**tensors)
    names = ("chunk", "target", "present", "done", "attention", "classes", "heading")
    torch.stack([getattr(out, name).square().sum() for name in names]).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name
    if hasattr(net, "missing"):
        assert bool((net.missing.grad != 0).any(-1).all())


def test_the_default_network_keeps_its_names_and_its_numbers() -> None:
    """Names and shapes of the weights, and outputs at a seed, as before there was a choice."""
    torch.manual_seed(7)
    net = PolicyNet().eval()
    assert sum(p.numel() for p in net.parameters()) == 495_204
    shapes = {name: tuple(p.shape) for name, p in net.named_parameters()}
    assert shapes["missing"] == shapes["identity"] == (6, 96)
    mixing = {name: shape for name, shape in shapes.items() if name[:3] in ("mix", "squ")}
    assert mixing == {
        "mix.0.weight": (64, 224), "mix.0.bias": (64,), "mix.2.weight": (1, 64),
        "squeeze.weight": (24, 96), "squeeze.bias": (24,),
    }  # fmt: skip
    out = net(**batch(8))
    expected = torch.tensor([0.1700, 0.1654, 0.1631, 0.1665, 0.1664, 0.1687])
    assert torch.allclose(out.weights[1], expected, atol=1e-4)
    expected = torch.tensor([-0.0072, 0.0023, 0.0258, 0.0550, -0.0763])
    assert torch.allclose(out.chunk[1, 0], expected, atol=1e-4)


def test_the_default_operator_computes_bit_for_bit_what_the_network_itself_did() -> None:
    net, rng = net_of("weighted"), torch.Generator().manual_seed(0)
    tokens, text = torch.randn(8, 6, 96, generator=rng), torch.randn(8, 128, generator=rng)
    layers = torch.nn.Sequential(*net.mix.children())
    told = torch.cat([tokens, text.unsqueeze(1).expand(-1, 6, -1)], -1)
    weights = torch.softmax(layers(told), 1)
    fused = net.mix(tokens, torch.ones(8, 6), text, torch.zeros(8, 2))
    assert torch.equal(fused.token, (weights * tokens).sum(1))
    assert torch.equal(fused.weights, weights.squeeze(-1))


def test_the_shipped_weights_load_into_the_default_network_and_compute_the_same() -> None:
    """The weights are read back from the shipped file; anchor classes alone are not in it."""
    constants = onnx.load(SHIPPED).graph.initializer
    found = {i.name.removeprefix("net."): numpy_helper.to_array(i).copy() for i in constants}
    turned = [v.T for k, v in found.items() if k.startswith("val_") and v.ndim == 2]
    found |= {f"{k}.weight": v for k, v in zip(UNNAMED, turned, strict=True)}
    net = PolicyNet().eval()
    state = net.state_dict()
    assert {k for k in state if k not in found} <= {
        "pointing.classes.weight", "pointing.classes.bias", "wrist_rgb.grid",
    }  # fmt: skip
    state |= {k: torch.from_numpy(v.copy()) for k, v in found.items() if k in state}
    net.load_state_dict(state)
    deployed = _Deployed(net, tuple(example_inputs(tabletop())))
    assert parity(deployed, tabletop(), SHIPPED) <= 1e-4
