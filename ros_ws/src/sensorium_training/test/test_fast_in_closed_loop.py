"""The fast half in the headless loop: through the whole gate, and the same bits as in the node."""

from pathlib import Path

import numpy as np
import pytest
from sensorium_core.contract import touch
from sensorium_core.fast_policy import FastPolicy
from sensorium_core.goal import ALL_FAMILIES
from sensorium_core.kinematics import Kinematics
from sensorium_core.policy import PolicyOutput
from sensorium_description import load_urdf
from sensorium_fusion.runner import Runner
from sensorium_sim.experts import FINGERTIP_M
from sensorium_sim.layout import heldout_seed
from sensorium_sim.touch_layout import touch_scene
from sensorium_training.closed_loop import ClosedLoop, Run
from sensorium_training.dagger import Told

FILE = Path(__file__).parents[4] / "models" / "fast"
PRESS_N = 5.0
SCENE, GOAL = touch_scene("hold", heldout_seed(3))


class Presser:
    """Goes above a button, then down to contact, and stands still there; notes what it feels."""

    contract = touch()
    unheard: frozenset[str] = frozenset()
    families = ALL_FAMILIES

    def __init__(self) -> None:
        index = [b.colour for b in SCENE.buttons].index(GOAL.colour)
        button, trait = SCENE.buttons[index], SCENE.button_trait(index)
        self.place = np.array([button.x, button.y, trait.top_m + FINGERTIP_M])
        self.felt_n: list[float] = []

    def run(self, tensors: dict[str, np.ndarray]) -> PolicyOutput:
        tool = tensors["reference"][0].astype(np.float64)
        self.felt_n.append(-float(tensors["wrench"][0, -10:, 2].mean()))
        away = self.place - tool[:3]
        away[2] += 0.003
        near = float(np.hypot(*away[:2])) < 0.003 and away[2] > -0.003
        down = [0.0, 0.0, -0.0006 * (self.felt_n[-1] < 0.8)]
        step = down if near else away * min(0.25, 0.025 / float(np.linalg.norm(away)))
        c, s = np.cos(tool[3]), np.sin(tool[3])
        chunk = np.zeros((8, 5), dtype=np.float32)
        steps = np.arange(1, 9) if near else np.minimum(np.arange(1, 9), 3)
        chunk[:, 0] = (c * step[0] + s * step[1]) * steps
        chunk[:, 1] = (c * step[1] - s * step[0]) * steps
        chunk[:, 2] = step[2] * steps
        intent = np.array([PRESS_N * near, 0.0], dtype=np.float32)
        target = self.place.astype(np.float32)
        return PolicyOutput(chunk, target, 1.0, 0.0, np.full(6, 1 / 6), intent)


class Witness:
    """Notes in order what a runner is told and answers."""

    def __init__(self, runner: Runner) -> None:
        self.events: list[tuple[str, tuple, object]] = []
        for name in ("set_camera", "push", "instruct", "commanded", "step", "correct"):
            setattr(runner, name, self._noted(name, getattr(runner, name)))

    def _noted(self, name: str, call):
        def noting(*given):
            place = len(self.events)
            self.events.append((name, given, None))
            self.events[place] = (name, given, answer := call(*given))
            return answer

        return noting

    def prints(self, name: str) -> list[str | None]:
        """Fingerprints of what it proposed by a method."""
        answers = [answer for told, _, answer in self.events if told == name]
        found = [getattr(answer, "trajectory", answer) for answer in answers]
        return [motion.fingerprint() for motion in found if motion is not None]


def pressed(fast: FastPolicy | None, limit_s: float = 6.0) -> tuple[Presser, Witness, Run]:
    policy = Presser()
    loop = ClosedLoop(policy, Told(GOAL), fast=fast)
    witness = Witness(loop._runner)
    run = loop.run(SCENE, GOAL.text, lambda state: (None, "pressing"), limit_s)
    return policy, witness, run


@pytest.fixture(scope="module")
def driven() -> tuple[Presser, Witness, Run]:
    return pressed(FastPolicy(FILE))


def test_the_force_is_as_the_policy_wishes_and_the_gate_objects_to_nothing(driven) -> None:
    policy, witness, run = driven
    assert (run.refusals, run.trips) == ((), ())
    assert len(witness.prints("correct")) > 20
    assert abs(policy.felt_n[-1] - PRESS_N) < 1.0
    assert run.peak_force_n < 3 * PRESS_N


def test_without_a_fast_half_the_same_policy_presses_as_it_happens_to(driven) -> None:
    policy, witness, run = pressed(None)
    assert witness.prints("correct") == []
    assert abs(policy.felt_n[-1] - PRESS_N) > 1.5
    assert (run.refusals, run.trips) == ((), ())


def test_the_node_would_do_the_same_to_the_bit(driven) -> None:
    """Fed the same messages in the same order, ticked by the wrench as the node does."""
    _, witness, _ = driven
    runner = Runner(Presser(), Told(GOAL), Kinematics(load_urdf()), fast=FastPolicy(FILE))
    steps, corrections = [], []
    for name, given, _ in witness.events:
        if name == "correct":
            continue
        answer = getattr(runner, name)(*given)
        if name == "step" and answer.trajectory is not None:
            steps.append(answer.trajectory.fingerprint())
        if name == "push" and given[0] == "wrench" and runner.corrects_at(given[1]):
            corrections.append(runner.correct(given[1]))
    assert steps == witness.prints("step")
    made = [motion.fingerprint() for motion in corrections if motion is not None]
    assert made == witness.prints("correct")
