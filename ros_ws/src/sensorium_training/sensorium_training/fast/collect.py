"""Episodes to learn from: scripted experts move, teacher or student corrects, the teacher labels.

Intents are disturbed and corrections pushed aside, so that the head sees forces it would not cause
itself; with a student driving this is DAgger (Ross et al. 2011). Episodes that are there are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sensorium_sim.fast_correction import (
    LARGEST_M,
    FastCorrection,
    FastInput,
    Intent,
    felt_force,
)
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_episode import attempt_touch
from sensorium_sim.touch_layout import touch_scene

from sensorium_training.fast.network import FastNetConfig
from sensorium_training.fast.runs import FAMILIES, Run, save_runs
from sensorium_training.fast.teacher import Teacher, teacher_of

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Disturbance:
    """How an episode is disturbed; each with its own seed."""

    intents: float = 0.35
    """Share of spans in which another intent is given than the expert's."""
    span_ticks: tuple[int, int] = (20, 150)
    """Shortest and longest span."""
    press_n: float = 18.0
    """Largest force asked for at random."""
    wander_m: float = 2e-5
    """Standard deviation of a slow push on the corrections, along each axis and per tick."""
    kicks: float = 0.01
    """Chance per tick of a kick of up to `LARGEST_M` for up to 6 ticks."""


NONE = Disturbance(intents=0.0, wander_m=0.0, kicks=0.0)


class Scribe:
    """A `FastCorrection` that lets `driver` correct, disturbs it, and writes contacts down."""

    def __init__(
        self,
        config: FastNetConfig,
        teacher: Teacher,
        driver: FastCorrection,
        rng: np.random.Generator,
        disturbance: Disturbance,
    ) -> None:
        self._config, self._teacher, self._driver = config, teacher, driver
        self._rng, self._disturbance = rng, disturbance
        self._rows: list[tuple[Array, Array, Array, Array]] = []
        self.runs: list[Run] = []
        self._span = 0
        self._intent: Intent | None = None
        self._wander, self._kick, self._kick_ticks = np.zeros(3), np.zeros(3), 0
        self._last = np.zeros(3)

    def reset(self) -> None:
        """Ends the contact, if there is one; the driver forgets."""
        self._driver.reset()
        self.close()

    def close(self) -> None:
        """Keeps the contact that has ended."""
        if self._rows:
            parts = zip(*self._rows, strict=True)
            self.runs.append(Run(*(np.asarray(part, np.float32) for part in parts)))
        self._rows, self._last = [], np.zeros(3)

    def __call__(self, given: FastInput) -> Array:
        """The driver's correction, disturbed; in contact, the teacher's is written down."""
        given = FastInput(given.wrench, given.touch, given.joints, self._told(given.intent))
        step = self._driver(given)
        recent = given.wrench[-self._config.contact_samples :]
        if np.abs(felt_force(recent)).max() < self._config.contact_n:
            self.close()
            return step
        intent = np.array([given.intent.press_n, given.intent.yield_])
        window = given.wrench[-self._config.window :]
        self._rows.append((window, intent, self._last, self._teacher(given)))
        self._last = np.clip(step + self._push(), -LARGEST_M, LARGEST_M)
        return self._last

    def _told(self, intent: Intent) -> Intent:
        """The expert's intent, or for a while another."""
        rng, how = self._rng, self._disturbance
        if self._span <= 0:
            self._span = int(rng.integers(*how.span_ticks))
            other = Intent(float(rng.uniform(0.0, how.press_n)), float(rng.uniform(-0.5, 1.0)))
            other = Intent(other.press_n, max(other.yield_, 0.0))
            self._intent = other if rng.random() < how.intents else None
        self._span -= 1
        return self._intent or intent

    def _push(self) -> Array:
        rng, how = self._rng, self._disturbance
        self._wander = 0.97 * self._wander + how.wander_m * rng.normal(size=3) * 0.24
        self._kick_ticks -= 1
        if rng.random() < how.kicks:
            self._kick = rng.uniform(-LARGEST_M, LARGEST_M, 3)
            self._kick_ticks = int(rng.integers(1, 7))
        return self._wander + (self._kick if self._kick_ticks > 0 else 0.0)


def episode(
    cell: TouchCell,
    config: FastNetConfig,
    family: str,
    seed: int,
    student: FastCorrection | None,
    disturbance: Disturbance,
) -> list[Run]:
    """The contacts of one scene; without a student the teacher corrects."""
    scene, goal = touch_scene(family, seed)
    cell.reset(scene)
    teacher = teacher_of(goal, cell.ground_truth())
    rng = np.random.default_rng((0xFA57, FAMILIES.index(family), seed))
    scribe = Scribe(config, teacher, student or teacher, rng, disturbance)
    attempt_touch(cell, scene, goal, fast=scribe)
    scribe.close()
    return scribe.runs


def collect(
    directory: Path,
    seeds: range,
    student: FastCorrection | None,
    config: FastNetConfig,
    progress: Callable[[int], None],
    disturbance: Disturbance | None = None,
) -> None:
    """Make every episode of `seeds` that is not there, the families in turn; tells how many are.

    One in four is not disturbed, unless a disturbance is given.
    """
    cell = TouchCell(cameras=())
    for done, seed in enumerate(seeds):
        family = FAMILIES[seed % len(FAMILIES)]
        path = directory / f"{family}-{seed}.npz"
        if not path.is_file():
            how = disturbance or (NONE if seed % 8 < 2 else Disturbance())
            save_runs(path, episode(cell, config, family, seed, student, how))
        progress(done + 1)
