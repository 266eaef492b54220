"""A policy loop on a bench: a policy that drives straight on, and senses of one's choice."""

from typing import Any

import numpy as np
import pytest
from sensorium_core.codebook import goal_tokens
from sensorium_core.contract import tabletop
from sensorium_core.geometry import Camera
from sensorium_core.goal import FAMILIES, Goal
from sensorium_core.kinematics import Kinematics
from sensorium_core.language import Command
from sensorium_core.policy import PolicyOutput
from sensorium_description import load_constants, load_urdf
from sensorium_fusion.runner import Runner
from sensorium_fusion.step import Step

MS = 1_000_000
GOAL = Goal("pick", "red", "cube")


class FakePolicy:
    """Moves 1 cm a step in x; notes what it was fed."""

    contract = tabletop()
    unheard: frozenset[str] = frozenset()
    families = FAMILIES

    def __init__(self, present: float = 0.99) -> None:
        self.present, self.done, self.fed = present, 0.0, []
        self.chunk = np.zeros((8, 5), dtype=np.float32)
        self.chunk[:, 0] = 0.01 * np.arange(1, 9)
        self.chunk[:, 4] = 1.0

    def run(self, tensors: dict) -> PolicyOutput:
        self.fed.append(tensors)
        target = np.array([0.5, 0.1, 0.02], dtype=np.float32)
        return PolicyOutput(self.chunk, target, self.present, self.done, np.full(6, 1 / 6))


class FakeLanguage:
    """Understands what begins with "pick"; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def encode(self, text: str) -> Command:
        self.asked.append(text)
        known = text.startswith("pick")
        reason = None if known else "I do not understand"
        return Command(text, goal_tokens(GOAL), {}, GOAL, known, "ok", reason)


class Bench:
    """A runner, and senses whose pictures have noise as those of cameras do."""

    def __init__(self, arm: Kinematics) -> None:
        self.arm, self.rng = arm, np.random.default_rng(7)
        self.policy, self.language = FakePolicy(), FakeLanguage()
        self.runner = self.new_runner()
        home = np.array([0.48, 0.0, 0.30, 0.0])
        self.q = arm.ik(np.array(load_constants().home_seed_q), home)

    def new_runner(self) -> Runner:
        runner = Runner(self.policy, self.language, self.arm)
        runner.set_camera(self.camera())
        return runner

    @staticmethod
    def camera() -> Camera:
        pose = np.eye(4)
        pose[:3, :3] = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
        pose[:3, 3] = [0.5, 0.0, 0.8]
        return Camera((100.0, 100.0, 63.5, 47.5), (96, 128), pose)

    def sense(self, t_ns: int, **given: Any) -> None:
        """Push joints, colour and depth; a sense given as None is silent."""
        joints = np.zeros(14)
        joints[:6], joints[6] = self.q, 0.02
        values = {
            "joints": joints,
            "scene_rgb": self.rng.integers(90, 110, (96, 128, 3), dtype=np.uint8),
            "scene_depth": self.rng.integers(755, 765, (96, 128)).astype(np.uint16),
        } | given
        for name, value in values.items():
            if value is not None:
                self.runner.push(name, t_ns, value)

    def turn(self, t_ms: int, faults: dict[str, str] | None = None, **given: Any) -> Step:
        """Sense, step, and let the gate pass what is proposed."""
        self.sense(t_ms * MS, **given)
        step = self.runner.step(t_ms * MS, faults or {})
        if step.trajectory is not None:
            self.runner.commanded(step.trajectory)
        return step


@pytest.fixture(scope="session")
def arm() -> Kinematics:
    return Kinematics(load_urdf())


@pytest.fixture
def bench(arm: Kinematics) -> Bench:
    return Bench(arm)
