"""The contact gate on forces of the simulated cell: shut in the air, open from the first touch."""

import numpy as np
import pytest
import torch
from sensorium_sim.cell import Cell
from sensorium_sim.driving import attempt
from sensorium_sim.tasks import TASKS
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.contact_gate import ContactGate
from sensorium_training.fusion.interface import peak_forces

_MOVE_STEPS = 50


class Feeling(Cell):
    """A cell that keeps the force readings of each move of 0.1 s."""

    def __init__(self) -> None:
        super().__init__(cameras=())
        self.felt: list[tuple[np.ndarray, np.ndarray]] = []

    def step(self, n: int = 1) -> None:
        if n == _MOVE_STEPS:
            readings = self.sense(n)
            self.felt.append((readings.wrench, readings.touch.reshape(n, 6)))
        else:
            super().step(n)


@pytest.mark.parametrize(("family", "fingers"), [("pick", True), ("press", True), ("push", False)])
def test_the_gate_is_shut_until_the_expert_touches_and_open_while_it_acts(
    family: str, fingers: bool
) -> None:
    cell = Feeling()
    outcome, _ = attempt(cell, *TASKS[family].reset(2))
    assert outcome.success
    wrench, pads = (torch.from_numpy(np.stack(all_of)) for all_of in zip(*cell.felt, strict=True))
    gate = ContactGate(NetConfig()).double()
    opened = gate.open(torch.ones(len(wrench), 6), peak_forces(wrench, pads)).bool()
    for i, acts in enumerate((True, fingers)):
        first = int(opened[:, i].int().argmax()) if acts else len(opened)
        assert not bool(opened[:10, i].any())
        assert not bool(opened[:first, i].any())
        assert bool(opened[first:, i].all())
