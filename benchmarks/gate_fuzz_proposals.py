"""Every kind of proposal that the fuzzer makes: what a policy sends, and all that can go wrong.

Each maker takes the moment, a random generator and one float that hypothesis chose (often NaN,
infinite, subnormal or huge), and returns a trajectory. `KINDS` names them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import ActionSpec
from sensorium_core.errors import KinematicsError
from sensorium_core.kinematics import GRIPPER_OPEN_M, JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.plan import joint_trajectory, stop_trajectory, tool_waypoints

Array = NDArray[np.float64]
Random = np.random.Generator
N_ARM = 6
MS = 1_000_000


@dataclass(frozen=True)
class Moment:
    """What a proposer knows when it proposes."""

    now_ns: int
    start: Array
    """Commanded joints `(7,)` now, as the proposer believes."""
    velocity: Array
    measured: Array
    last_stamp_ns: int
    action: ActionSpec
    arm: Kinematics
    speed: Array
    """Limits the proposer believes in `(6,)` [rad/s]."""
    acceleration_rad_s2: float


Maker = Callable[[Moment, Random, float], Trajectory]


def _chunk(moment: Moment, motions: Array) -> Trajectory:
    """What the fusion node makes of eight tool motions `(8, 5)`; holds still when out of reach."""
    reference = np.append(moment.arm.tool_pose(moment.start[:6]), moment.start[6] / GRIPPER_OPEN_M)
    ahead = moment.start[:6] + 0.1 * moment.velocity[:6]
    last_step = moment.arm.tool_pose(ahead) - reference[:4]
    last_step[3] = np.arctan2(np.sin(last_step[3]), np.cos(last_step[3]))
    waypoints = tool_waypoints(motions.astype(np.float32), reference, last_step, moment.action)
    arguments = (moment.start, moment.velocity, moment.now_ns, moment.action, moment.arm)
    try:
        return joint_trajectory(waypoints, *arguments)
    except KinematicsError:
        return stop_trajectory(moment.start, moment.velocity, moment.now_ns, JOINTS)


def policy(moment: Moment, rng: Random, _: float) -> Trajectory:
    """A smooth chunk in a random direction, at up to the policy's own limits."""
    direction = rng.normal(size=4) * [1, 1, 1, 4]
    direction *= rng.uniform(0, 0.035) / max(np.linalg.norm(direction[:3]), 1e-9)
    direction[3] = np.clip(direction[3], -0.25, 0.25)
    motions = np.arange(1, 9)[:, None] * direction
    return _chunk(moment, np.column_stack([motions, np.full(8, rng.uniform())]))


def policy_mad(moment: Moment, rng: Random, _: float) -> Trajectory:
    """What a policy with random weights would say, held to the same limits."""
    return _chunk(moment, rng.normal(size=(8, 5)) * [0.2, 0.2, 0.2, 1.0, 1.0])


def policy_dive(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Down, slowly or at full speed, to the floor of the workspace or through it."""
    motions = np.zeros((8, 5))
    motions[:, 2] = -rng.choice([0.005, 0.015, 0.035]) * np.arange(1, 9)
    low = moment.action.workspace_min_m
    free = replace_floor(moment, (low[0], low[1], low[2] - rng.choice([0.0, 0.05])))
    return _chunk(free, motions)


def replace_floor(moment: Moment, low: tuple[float, ...]) -> Moment:
    """The same moment for a policy that believes in another workspace."""
    return replace(moment, action=moment.action.model_copy(update={"workspace_min_m": low}))


def policy_stop(moment: Moment, rng: Random, _: float) -> Trajectory:
    """The fusion node's own stop."""
    return stop_trajectory(moment.start, moment.velocity, moment.now_ns, JOINTS)


def smooth(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Quintics from the present motion to rest somewhere near."""
    seconds, n = rng.uniform(0.3, 1.5), int(rng.integers(2, 17))
    change = rng.normal(size=7) * rng.choice([0.01, 0.05, 0.2])
    change[6] = rng.uniform(0, GRIPPER_OPEN_M) - moment.start[6]
    u = np.linspace(0, 1, n)[:, None]
    s, r = u**3 * (10 - 15 * u + 6 * u * u), 30 * u**2 * (1 - u) ** 2
    lead = seconds * (u - 6 * u**3 + 8 * u**4 - 3 * u**5)
    glide = 1 - 18 * u**2 + 32 * u**3 - 15 * u**4
    v0 = np.append(moment.velocity[:6], 0.0)
    positions = moment.start + s * change + lead * v0
    return Trajectory(
        moment.now_ns, JOINTS, u[:, 0] * seconds, positions, r * change / seconds + glide * v0
    )


def no_velocities(moment: Moment, rng: Random, value: float) -> Trajectory:
    """A list of points, as teleoperation sends it."""
    return replace(smooth(moment, rng, value), velocities=None)


def permuted(moment: Moment, rng: Random, value: float) -> Trajectory:
    """The same in another order of joints: must pass and be put in order."""
    base, order = smooth(moment, rng, value), rng.permutation(7)
    names = tuple(JOINTS[i] for i in order)
    return replace(
        base, joint_names=names, positions=base.positions[:, order],
        velocities=base.velocities[:, order],
    )  # fmt: skip


def single(moment: Moment, rng: Random, _: float) -> Trajectory:
    """One waypoint, soon or late, near or far."""
    at_s = rng.choice([0.0, 1e-9, 0.001, 0.01, 0.05, 0.3, 2.0])
    goal = moment.start + rng.normal(size=7) * rng.choice([0.0, 0.01, 0.1, 1.0])
    velocity = rng.choice([0.0, 1.0, 100.0]) * rng.normal(size=7)
    rows = None if rng.random() < 0.5 else velocity[None]
    return Trajectory(moment.now_ns, JOINTS, np.array([at_s]), goal[None], rows)


def bang_bang(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Full acceleration one way and the other, just inside the limit."""
    step_s, n = float(rng.choice([0.02, 0.05, 0.1])), int(rng.integers(4, 40))
    share = rng.choice([0.02, 0.1, 0.5, 0.999])
    signs = np.sign(rng.normal(size=(n, 7))) if rng.random() < 0.5 else _alternating(n, rng)
    gain = share * moment.acceleration_rad_s2 * step_s * signs
    speed = np.append(moment.speed, 0.1) * share
    velocities = np.vstack([np.zeros(7), np.clip(np.cumsum(gain, axis=0), -speed, speed)])
    velocities[:, 6] = 0.0
    velocities[0, :6] = moment.velocity[:6]
    steps = 0.5 * (velocities[1:] + velocities[:-1]) * step_s
    positions = moment.start + np.vstack([np.zeros(7), np.cumsum(steps, axis=0)])
    positions[:, 6] = np.clip(positions[:, 6], 0, GRIPPER_OPEN_M)
    return Trajectory(moment.now_ns, JOINTS, step_s * np.arange(n + 1), positions, velocities)


def _alternating(n: int, rng: Random) -> Array:
    period = int(rng.integers(1, 4))
    return np.where((np.arange(n) // period % 2)[:, None] == 0, 1.0, -1.0) * np.ones(7)


def walk(moment: Moment, rng: Random, _: float) -> Trajectory:
    """A random walk whose steps are at, just inside or beyond the speed limit."""
    n, step_s = int(rng.integers(2, 30)), float(rng.choice([0.01, 0.05, 0.1]))
    share = rng.choice([0.1, 0.5, 0.99, 1.01, 2.0])
    steps = rng.uniform(-1, 1, (n, 7)) * np.append(moment.speed, 0.1) * share * step_s
    positions = moment.start + np.vstack([np.zeros(7), np.cumsum(steps, axis=0)])
    positions[:, 6] = np.clip(positions[:, 6], 0, GRIPPER_OPEN_M)
    return Trajectory(moment.now_ns, JOINTS, step_s * np.arange(n + 1), positions)


def to_the_limit(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Straight to a joint's end stop and to within a hair of it, or beyond."""
    j, side = int(rng.integers(6)), rng.choice([-1.0, 1.0])
    end = side * (np.pi if j == 2 else 2 * np.pi) * rng.choice([0.999, 1.0, 1.0001])
    goal = moment.start.copy()
    goal[j] = end
    seconds = max(0.2, abs(end - moment.start[j]) / (moment.speed[j] * 0.4))
    u = np.linspace(0, 1, 12)[:, None]
    positions = moment.start + u**3 * (10 - 15 * u + 6 * u * u) * (goal - moment.start)
    return Trajectory(moment.now_ns, JOINTS, u[:, 0] * seconds, positions)


def bulging(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Harmless waypoints with velocities that make the cubics between them swing out."""
    base = smooth(moment, rng, 0.0)
    swing = rng.normal(size=base.positions.shape) * rng.choice([0.5, 3.0, 30.0])
    swing[0] = 0.0
    swing[:, 6] = 0.0
    return replace(base, velocities=base.velocities + swing)


def offset(moment: Moment, rng: Random, _: float) -> Trajectory:
    """A good chunk that starts elsewhere: just inside or beyond what may be bridged."""
    step = rng.choice([0.01, 0.05, 0.119, 0.121, 0.249, 0.3, 1.0, 2 * np.pi])
    base = smooth(moment, rng, 0.0)
    shift = np.append(rng.choice([-1.0, 1.0], 6) * step, 0.0)
    return replace(base, positions=base.positions + shift)


def late_start(moment: Moment, rng: Random, _: float) -> Trajectory:
    """A first waypoint that lies ahead, near or far from where the arm is."""
    base = smooth(moment, rng, 0.0)
    shift = np.append(rng.normal(size=6) * rng.choice([0.0, 0.05, 0.5]), 0.0)
    lead_s = rng.choice([0.0005, 0.005, 0.03, 0.2, 1.0])
    rows = base.velocities if rng.random() < 0.5 else None
    return replace(
        base, times_s=base.times_s + lead_s, positions=base.positions + shift, velocities=rows
    )


VALID: dict[str, Maker] = {
    "policy": policy, "policy, mad": policy_mad, "policy, dives": policy_dive,
    "policy, stop": policy_stop, "smooth": smooth, "no velocities": no_velocities,
    "permuted names": permuted,
}  # fmt: skip
ADVERSARIAL: dict[str, Maker] = {
    "bang-bang": bang_bang, "random walk": walk, "to the end stop": to_the_limit,
    "bulging cubics": bulging, "starts elsewhere": offset, "late start": late_start,
    "one waypoint": single,
}  # fmt: skip
