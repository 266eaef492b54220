"""From a trained fast head to one self-describing ONNX file, checked against torch over time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from sensorium_core.contract import Modality, tabletop
from sensorium_core.errors import ParityError
from sensorium_core.fast_contract import FastContract
from sensorium_core.fast_policy import FAST_METADATA_KEY, OUTPUTS, FastPolicy
from sensorium_core.onnx_session import open_session
from sensorium_core.policy import unreadable_policy
from sensorium_sim.fast_correction import TICK_S

from sensorium_training.export import TOLERANCE
from sensorium_training.fast.network import FastNet, FastNetConfig
from sensorium_training.onnx_file import traced

_READINGS_HZ = 500.0
_TICKS, _SEQUENCES = 120, 8


def fast_contract(config: FastNetConfig, provenance: Mapping[str, Any]) -> FastContract:
    """What a head of this configuration senses and does, on the reference cell."""
    cell = tabletop()
    wrench = Modality(**{
        **cell.modality("wrench").model_dump(),
        "shape": (config.window, 6),
        "rate_hz": _READINGS_HZ,
        "window_s": config.window / _READINGS_HZ,
        "max_age_s": 2 * TICK_S,
    })  # fmt: skip
    return FastContract(
        name="fast force correction",
        robot=cell.robot,
        senses=(wrench,),
        rate_hz=1.0 / TICK_S,
        state=config.state,
        largest_m=config.largest_m,
        contact_n=config.contact_n,
        contact_samples=config.contact_samples,
        largest_press_n=config.largest_press_n,
        provenance=dict(provenance),
    )


def export_fast(net: FastNet, path: Path, provenance: Mapping[str, Any]) -> float:
    """Write the file; returns the largest difference from torch over sequences with memory.

    The difference is of corrections in parts of the largest one, and of the state. Raises
    `ParityError` above 1e-4 and leaves no file then.
    """
    net = net.eval()
    contract = fast_contract(net.config, provenance)
    inputs = (torch.zeros(1, net.config.window, 6), torch.zeros(1, 2))
    told = {FAST_METADATA_KEY: contract.to_json()}
    before = torch.zeros(1, net.config.state)
    model = traced(net, (*inputs, before), ("wrench", "intent", "state"), OUTPUTS, told)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    onnx.save(model, partial)
    worst = fast_parity(net, partial)
    if not worst <= TOLERANCE:
        partial.unlink()
        raise ParityError(worst, TOLERANCE)
    FastPolicy(partial)
    partial.replace(path)
    return worst


def contact_sequence(
    config: FastNetConfig, seed: int, ticks: int = _TICKS
) -> tuple[np.ndarray, np.ndarray]:
    """Forces that come and go `(ticks, 1, window, 6)` and intents `(ticks, 1, 2)`, for parity."""
    rng = np.random.default_rng(seed)
    n = 5 * ticks + config.window
    slow = np.cumsum(rng.normal(size=(n, 6)), axis=0) * np.array([0.4] * 3 + [0.02] * 3)
    touching = (np.sin(np.arange(n) / rng.uniform(15, 60)) > -0.5)[:, None]
    felt = slow * touching + rng.normal(size=(n, 6)) * 0.05
    windows = np.stack([felt[5 * i : 5 * i + config.window] for i in range(ticks)])
    intents = np.repeat(rng.uniform(0, [20, 1], (ticks // 10 + 1, 2)), 10, axis=0)[:ticks]
    return windows[:, None].astype(np.float32), intents[:, None].astype(np.float32)


@torch.no_grad()
def fast_parity(net: FastNet, path: Path) -> float:
    """Largest difference between torch and the file, each stepping with its own memory."""
    session = open_session(path, unreadable_policy).session
    worst = 0.0
    for seed in range(_SEQUENCES):
        ours, theirs = (
            torch.zeros(1, net.config.state),
            np.zeros((1, net.config.state), np.float32),
        )
        for wrench, intent in zip(*contact_sequence(net.config, seed), strict=True):
            step, ours = net(torch.from_numpy(wrench), torch.from_numpy(intent), ours)
            feed = {"wrench": wrench, "intent": intent, "state": theirs}
            answer, theirs = session.run(list(OUTPUTS), feed)
            apart = np.abs(step.numpy() - answer).max() / net.config.largest_m
            worst = max(worst, float(apart), float(np.abs(ours.numpy() - theirs).max()))
    return worst
