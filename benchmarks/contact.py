"""How hard does the tool hit when a policy drives it down, with the gate and without?

    .venv/bin/python benchmarks/contact.py --starts 60 --write

Headless, in MuJoCo, with the real cell and the gate as its node configures it. The policy speaks
every 0.1 s and its chunks travel 20 ms; what the gate sends reaches the arm after 4 ms. `--set`
tries other settings of the gate.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import click
import mujoco
import numpy as np
from numpy.typing import NDArray
from results_page import ROOT, commit, table, write_section
from sensorium_control.limits import GateConfig
from sensorium_core.contract import tabletop
from sensorium_core.errors import KinematicsError
from sensorium_core.inputs import CommandHistory
from sensorium_core.kinematics import GRIPPER_OPEN_M
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.plan import commanded_velocity, joint_trajectory, tool_waypoints
from sensorium_sim.cell import Cell
from sensorium_sim.scene import ButtonSpec, Scene
from sensorium_training.guard import Guard, peak_force_n

Array = NDArray[np.float64]

RAISED_M = 0.03
"""How much higher the unknown table stands."""
BAR_N = 40.0
_STEP_MS = 2
_DEPTH_M = 0.5
"""Each life is long enough to fall this far at the speed that is asked, and a second more."""
_TOUCH_N, _LATE_STEPS = 1.0, 15
_SETTLE_STEPS = 100
_PERIOD_STEPS = 50
_PROPOSAL_STEPS = 10
_COMMAND_STEPS = 2
_SEED = 4_400_000
_CASES = (
    ("known table, policy keeps to its box", 0.0, True),
    ("known table, policy believes in no floor", 0.0, False),
    ("table 30 mm higher than known", RAISED_M, False),
)
"""Name, how much higher the table stands than known, whether the policy keeps to its box."""


@dataclass(frozen=True)
class Dive:
    """One attempt to drive the tool through the table."""

    seed: int
    speed_m_s: float
    raised_m: float
    """How much higher the table stands than the gate was told."""
    keeps_to_box: bool
    """Whether the policy believes in the contract's workspace, as the fusion node makes it."""
    gate: bool
    changes: tuple[tuple[str, float], ...] = ()
    """Fields of `GateConfig` that differ from the node's defaults."""


@dataclass(frozen=True)
class Blow:
    """What came of it."""

    dive: Dive
    measured_n: float
    """Largest force that the sensor read, noise and all, unfiltered."""
    true_n: float
    """Largest sum of MuJoCo's contact forces on the gripper."""
    late_n: float
    """Largest true force later than 30 ms after the first touch: what a reaction can change."""
    pressing_n: float
    """True force at the end, when everything rests."""
    speed_m_s: float
    """Fastest descent of the tool."""
    lowest_m: float
    """Least height of the fingertips over the table; below zero they dent it."""
    trip: str
    """The first reason to hold or stop, or the first refusal."""


class Diver:
    """A policy that wants to go straight down, and may not believe in tables."""

    def __init__(self, cell: Cell, rng: np.random.Generator, dive: Dive) -> None:
        self._action = tabletop().action
        if not dive.keeps_to_box:
            low = self._action.workspace_min_m
            floor = {"workspace_min_m": (low[0], low[1], -0.15)}
            self._action = self._action.model_copy(update=floor)
        self._cell, self._speed_m_s = cell, dive.speed_m_s
        self._horizon = int(rng.choice([3, 4, 8]))
        self.history = CommandHistory()

    def propose(self) -> Trajectory | None:
        """A chunk from where the arm is commanded to be; None when no joints reach it."""
        now, arm = self._cell.time_ns, self._cell.kinematics
        start = self.history.sample(now)
        start = self._cell.setpoint() if start is None else start
        velocity = commanded_velocity(self.history, now)
        velocity[6] = 0.0
        pose = arm.tool_pose(start[:6])
        last = arm.tool_pose(start[:6] + 0.1 * velocity[:6]) - pose
        chunk = np.zeros((self._horizon, 5), dtype=np.float32)
        chunk[:, 2] = -0.1 * self._speed_m_s * np.arange(1, self._horizon + 1)
        reference = np.append(pose, start[6] / GRIPPER_OPEN_M)
        waypoints = tool_waypoints(chunk, reference, last, self._action)
        try:
            return joint_trajectory(waypoints, start, velocity, now, self._action, arm)
        except KinematicsError:
            return None


def scene_of(seed: int) -> tuple[Scene, np.random.Generator]:
    """An empty table, the tool somewhere above it, the buttons out of the way."""
    rng = np.random.default_rng(seed)
    pose = (rng.uniform(0.36, 0.60), rng.uniform(-0.2, 0.2), rng.uniform(0.28, 0.42))
    buttons = (ButtonSpec("red", 0.48, 0.33), ButtonSpec("green", 0.48, -0.33))
    yaw = rng.uniform(-1.5, 1.5)
    return Scene(seed, (), buttons, (*pose, yaw), rng.uniform(0.0, GRIPPER_OPEN_M)), rng


class Plunge:
    """Runs one dive, 2 ms at a time."""

    def __init__(self, cell: Cell, dive: Dive) -> None:
        self._cell, self._dive = cell, dive
        scene, rng = scene_of(dive.seed)
        table_body = cell.model.body("table").id
        cell.model.body_pos[table_body, 2] = dive.raised_m
        cell.reset(scene)
        config = GateConfig.from_contract(tabletop(), **dict(dive.changes))
        self._guard = Guard(config, dive.gate)
        self._diver = Diver(cell, rng, dive)
        self._gripper = _gripper_geoms(cell)
        self._tip_m = config.tip_below_tool_m
        self._proposals: list[tuple[int, Trajectory]] = []
        self._commands: list[tuple[int, Trajectory]] = []
        self._measured_n = self._true_n = self._now_n = self._late_n = 0.0
        self._touched: int | None = None
        self._height_m = self._fastest = 0.0
        self._lowest_m = 1.0

    def run(self) -> Blow:
        """Settle, arm, dive, and rest."""
        for step in range(_SETTLE_STEPS):
            self._advance(step)
        self._guard.arm(self._cell.time_ns)
        self._measured_n = self._true_n = self._fastest = 0.0
        life = round((_DEPTH_M / self._dive.speed_m_s + 1.0) / (1e-3 * _STEP_MS))
        for step in range(_SETTLE_STEPS, _SETTLE_STEPS + life):
            if step % _PERIOD_STEPS == 0:
                proposal = self._diver.propose()
                if proposal is not None:
                    self._proposals.append((step + _PROPOSAL_STEPS, proposal))
            while self._proposals and self._proposals[0][0] <= step:
                proposal = self._proposals.pop(0)[1]
                for motion in self._guard.propose(proposal, self._cell.time_ns):
                    self._commands.append((step + _COMMAND_STEPS, motion))
            self._advance(step)
        said = [*self._guard.trips, *self._guard.refusals, "-"]
        return Blow(
            self._dive, self._measured_n, self._true_n, self._late_n, self._now_n, self._fastest,
            self._lowest_m, said[0].partition(":")[0],
        )  # fmt: skip

    def _advance(self, step: int) -> None:
        """One step of physics; the gate hears of it, and what it sends is on its way."""
        while self._commands and self._commands[0][0] <= step:
            motion = self._commands.pop(0)[1]
            self._cell.command(motion)
            self._diver.history.push(motion)
        readings = self._cell.sense(1)
        reaction = self._guard.hear(readings)
        if reaction is not None:
            self._commands.append((step + _COMMAND_STEPS, reaction))
        self._measured_n = max(self._measured_n, peak_force_n(readings))
        self._now_n = self._contact_n()
        self._true_n = max(self._true_n, self._now_n)
        if self._touched is None and self._now_n > _TOUCH_N:
            self._touched = step
        if self._touched is not None and step - self._touched > _LATE_STEPS:
            self._late_n = max(self._late_n, self._now_n)
        height_m = float(self._cell.data.body("tool").xpos[2])
        self._fastest = max(self._fastest, (self._height_m - height_m) / (1e-3 * _STEP_MS))
        self._height_m = height_m
        self._lowest_m = min(self._lowest_m, height_m - self._tip_m - self._dive.raised_m)

    def _contact_n(self) -> float:
        """Size of the sum of all contact forces between the gripper and the rest of the world."""
        model, data = self._cell.model, self._cell.data
        total, wrench = np.zeros(3), np.zeros(6)
        for i in range(data.ncon):
            contact = data.contact[i]
            sign = (contact.geom2 in self._gripper) - (contact.geom1 in self._gripper)
            if sign:
                mujoco.mj_contactForce(model, data, i, wrench)
                total += sign * (contact.frame.reshape(3, 3).T @ wrench[:3])
        return float(np.linalg.norm(total))


def _gripper_geoms(cell: Cell) -> frozenset[int]:
    model = cell.model
    names = ("gripper_base", "left_finger", "left_pad", "right_finger", "right_pad")
    bodies = {model.body(name).id for name in names}
    return frozenset(g for g in range(model.ngeom) if int(model.geom_bodyid[g]) in bodies)


_cell = cache(lambda: Cell(cameras=()))


def plunge(dive: Dive) -> Blow:
    """Run one dive in this process's cell."""
    return Plunge(_cell(), dive).run()


def row(name: str, blows: list[Blow]) -> list[str]:
    """One line of the table."""
    measured = np.array([b.measured_n for b in blows])
    true = np.array([b.true_n for b in blows])
    reasons = Counter(b.trip for b in blows).most_common(3)

    def three(values: Array) -> str:
        return " / ".join(f"{np.percentile(values, p):.0f}" for p in (50, 95, 100))

    return [
        name, f"{blows[0].dive.speed_m_s:.2f}", "on" if blows[0].dive.gate else "off",
        f"{sum(b.true_n > _TOUCH_N for b in blows)}/{len(blows)}", three(measured), three(true),
        f"{max(b.late_n for b in blows):.0f}", f"{max(b.pressing_n for b in blows):.0f}",
        f"{max(b.speed_m_s for b in blows):.2f}", f"{1e3 * min(b.lowest_m for b in blows):.1f}",
        ", ".join(f"{reason} {n}" for reason, n in reasons),
    ]  # fmt: skip


def groups(starts: int, speeds: tuple[float, ...], changes: tuple[tuple[str, float], ...]) -> Any:
    """Name and dives of each line: every case and speed over the same starts."""
    seeds = range(_SEED, _SEED + starts)
    for name, raised_m, keeps in _CASES:
        for speed in speeds:
            for gate in (False, True):
                extra = changes if gate else ()
                yield name, [Dive(seed, speed, raised_m, keeps, gate, extra) for seed in seeds]


@click.command()
@click.option("--starts", default=60, show_default=True, help="Starting points of each line.")
@click.option("--speeds", default="0.35,0.2,0.1", show_default=True, help="Of the tool [m/s].")
@click.option("--set", "settings", multiple=True, help="GateConfig field=value; repeatable.")
@click.option("--jobs", default=2, show_default=True)
@click.option("--write", is_flag=True, help="Write docs/results.md.")
def main(starts: int, speeds: str, settings: tuple[str, ...], jobs: int, write: bool) -> None:
    """Measure peak contact forces; ends with 1 when the known table is hit above the bar."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    pairs = [word.partition("=") for word in settings]
    changes = tuple((name, float(value)) for name, _, value in pairs)
    lines = list(groups(starts, tuple(float(v) for v in speeds.split(",")), changes))
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        results = [(name, pool.map(plunge, dives, chunksize=5)) for name, dives in lines]
    rows = [row(name, blows) for name, blows in results]
    header = [
        "case", "m/s asked", "gate", "touched", "measured N", "true N", "after 30 ms N",
        "at the end N", "m/s reached", "lowest tip, mm", "first said by the gate",
    ]  # fmt: skip
    known = [b for name, blows in results for b in blows if b.dive.gate and not b.dive.raised_m]
    worst = max(max(b.measured_n, b.true_n) for b in known)
    changed = f", with {' '.join(settings)}" if settings else ""
    text = f"""## How hard the tool hits

`benchmarks/contact.py --starts {starts}`, commit `{commit()}`{changed}. A policy that believes in
no floor, or keeps to its box, drives the tool straight down. Peak forces as the sensor reads them,
unfiltered, and as the sum of MuJoCo's contact forces: median / p95 / largest over the starts; the
largest later than 30 ms after the touch; the largest that is left at the end. Where the gate knows
the table: {worst:.1f} N at most (bar: {BAR_N:.0f} N). What it does not know it can only feel: the
first 2 ms of a rigid blow are momentum, which no reaction calls back; the gate ends the push that
would follow.

{table(header, rows)}
"""
    click.echo(text)
    out = ROOT / "out" / "contact.json"
    out.parent.mkdir(exist_ok=True)
    data = [asdict(blow) for _, blows in results for blow in blows]
    out.write_text(json.dumps({"commit": commit(), "blows": data}, indent=1))
    if write:
        write_section("contact", text)
    raise SystemExit(int(worst > BAR_N))


if __name__ == "__main__":
    main()
