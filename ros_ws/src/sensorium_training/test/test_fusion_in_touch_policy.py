"""Every fusion operator in the network of contract version 2, and in its exported file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sensorium_core.codebook import SLOTS
from sensorium_core.contract import touch
from sensorium_core.kinematics import Kinematics
from sensorium_core.memory import PERIOD_NS, WIDTH, FeltMemory
from sensorium_core.observation import Observation
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import Policy, output_names, unreadable_policy
from sensorium_description import load_urdf
from sensorium_sim.sensors import FORCE_NOISE_N, TORQUE_NOISE_NM, TOUCH_NOISE_N
from sensorium_training.export import _Deployed, example_inputs, parity
from sensorium_training.fusion.interface import SENSES
from sensorium_training.network import PolicyNet
from sensorium_training.recipe import Recipe
from sensorium_training.stages import network
from torch import Tensor

from .exported_policies import exported_by

ARM = Kinematics(load_urdf())
WORDS = len(SLOTS)
LOAD = 21
"""Place of the latest weight in the memory."""


def net_of(fusion: str) -> PolicyNet:
    torch.manual_seed(3)
    return PolicyNet(replace(network(Recipe("touch")), fusion=fusion)).eval()


exported = exported_by(net_of, touch())


def test_the_exported_file_is_accepted_and_computes_what_torch_does_with_any_senses_missing(
    exported: tuple[str, Path],
) -> None:
    fusion, path = exported
    assert Policy(path).contract.senses == SENSES
    deployed = _Deployed(net_of(fusion), tuple(example_inputs(touch(), words=WORDS)))
    assert parity(deployed, touch(), path, trials=40) <= 1e-4
    session = open_session(path, unreadable_policy).session
    here = {i.name for i in session.get_inputs()}
    tensors = example_inputs(touch(), 5, WORDS)
    feed = {name: tensor.numpy() for name, tensor in tensors.items() if name in here}
    feed["valid"] = np.zeros((1, 6), np.float32)
    answers = session.run(list(output_names(touch())), feed)
    assert all(np.isfinite(value).all() for value in answers)


def felt(seed: int, held_n: float | None) -> tuple[dict[str, Tensor], np.ndarray]:
    """Inputs after two seconds in the air whose forces are the sensors' noise, and the memory.

    With `held_n` something that light was squeezed and lifted, and has hung still since.
    """
    rng, n = np.random.default_rng(seed), 200
    joints = np.zeros((n, 14))
    start = np.array([0.0, -1.2, 1.8, -2.2, -1.57, 0.0])
    for first, height in ((0, 0.02), (100, 0.075)):
        joints[first:, :6] = ARM.ik(start, np.array([0.5, 0.0, height, 0.0]))
    joints[:, 6] = 0.02
    wrench = rng.normal(size=(n, 6)) * ([FORCE_NOISE_N] * 3 + [TORQUE_NOISE_NM] * 3)
    pads = rng.normal(size=(2, n, 3)) * TOUCH_NOISE_N
    if held_n is not None:
        pads[:] = 0.0
        pads[0, 60:, 1], pads[1, 60:, 1] = 12.0, -12.0
        wrench[100:, 2] += held_n
    memory, window = FeltMemory(ARM), {}
    for at in range(31, n, 10):
        rows = slice(at - 31, at + 1)
        values = {"joints": joints[rows], "wrench": wrench[rows], "touch_left": pads[0, rows],
                  "touch_right": pads[1, rows]}  # fmt: skip
        window = {name: value.astype(np.float32) for name, value in values.items()}
        seen = Observation(at * PERIOD_NS, window, dict.fromkeys(window, True), {}, {})
        memory.feel(seen)
    tensors = example_inputs(touch(), 0, WORDS)
    tensors |= {name: torch.from_numpy(value)[None] for name, value in window.items()}
    return {**tensors, "memory": torch.from_numpy(memory.vector())[None]}, memory.vector()


@pytest.mark.parametrize("held_n", [None, 0.3])
def test_noise_on_a_gated_off_wrist_changes_the_action_of_the_exported_file_by_exactly_0(
    exported: tuple[str, Path], held_n: float | None
) -> None:
    """In the air, empty-handed or with a light thing in hand, which is weighed over and over."""
    fusion, path = exported
    session = open_session(path, unreadable_policy).session
    here = {i.name for i in session.get_inputs()}
    answers, memories = [], []
    for seed in range(5):
        tensors, memory = felt(seed, held_n)
        feed = {name: tensor.numpy() for name, tensor in tensors.items() if name in here}
        answers.append(session.run(list(output_names(touch())), feed))
        memories.append(memory)
    differing = np.flatnonzero(np.ptp(memories, axis=0)).tolist()
    assert differing == ([4] if held_n is None else [4, LOAD])
    same = [all(map(np.array_equal, answers[0], answer)) for answer in answers[1:]]
    assert same == [fusion == "contact_gate"] * 4


@pytest.mark.parametrize(("press_n", "is_heard"), [(0.0, False), (0.6, False), (0.8, True)])
def test_a_torque_opens_nothing_and_is_heard_in_contact(press_n: float, is_heard: bool) -> None:
    """By the head itself: the force tokens' displacement is taken out."""
    net = net_of("contact_gate")
    for shift in net.mix.shifts:
        torch.nn.init.zeros_(shift.weight)
    tensors = felt(0, None)[0]
    tensors["wrench"] = torch.zeros_like(tensors["wrench"])
    tensors["wrench"][..., 2] = press_n
    still = net(**tensors)
    tensors["wrench"][..., 3] = 0.2
    turned = net(**tensors)
    assert torch.equal(still.chunk, turned.chunk) != is_heard
    tensors["valid"][:, SENSES.index("wrench")] = 0.0
    assert torch.equal(net(**tensors).chunk, net(**tensors | {"wrench": -tensors["wrench"]}).chunk)


def test_behind_the_contact_gate_no_force_below_a_contact_is_remembered() -> None:
    gate, memory = net_of("contact_gate").mix, torch.rand(3, WIDTH) + 0.5
    assert torch.equal(gate.remembered(memory), memory)
    forces = {4: 20.0, **dict.fromkeys(range(11, 15), 20.0), LOAD: 3.0, LOAD + 8: 3.0}
    least_n = gate.bands_n[0] + gate.contact_n[0]
    for place, one_n in forces.items():
        for part, is_told in ((0.99, False), (-0.99, False), (1.01, True), (-1.01, True)):
            changed = memory.clone()
            changed[:, place] = part * least_n / one_n
            told = gate.remembered(changed)
            assert bool((told[:, place] != 0).all()) == is_told
            told[:, place] = changed[:, place]
            assert torch.equal(told, changed)
