"""Proposals that are broken: not finite, of wrong shape, names, times, stamps or types."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from gate_fuzz_proposals import MS, Maker, Moment, Random, smooth
from sensorium_core.kinematics import JOINTS
from sensorium_core.trajectory import Trajectory


def tenfold(moment: Moment, rng: Random, _: float) -> Trajectory:
    """A tenfold jump in one place or everywhere."""
    base = smooth(moment, rng, 0.0)
    positions = base.positions.copy()
    if rng.random() < 0.5:
        positions[int(rng.integers(len(positions))), int(rng.integers(7))] *= 10
    else:
        positions *= 10
    return replace(base, positions=positions)


def _poisoned(pick: Callable[[Random, float], float]) -> Maker:
    def make(moment: Moment, rng: Random, value: float) -> Trajectory:
        base = smooth(moment, rng, value)
        arrays = [base.times_s.copy(), base.positions.copy(), base.velocities.copy()]
        target = arrays[int(rng.integers(3))]
        target.flat[int(rng.integers(target.size))] = pick(rng, value)
        return Trajectory(base.stamp_ns, JOINTS, arrays[0], arrays[1], arrays[2])

    return make


nan = _poisoned(lambda rng, _: np.nan)
infinite = _poisoned(lambda rng, _: rng.choice([np.inf, -np.inf]))
subnormal = _poisoned(lambda rng, _: rng.choice([5e-324, -5e-324, 2.2e-308, 1e-320]))
huge = _poisoned(lambda rng, _: rng.choice([1e308, -1e308, 1e154, -1e20, 1e9]))
any_float = _poisoned(lambda _, value: value)


def wrong_length(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Arrays that do not fit together, or have too many axes or none."""
    base = smooth(moment, rng, 0.0)
    return (
        replace(base, positions=base.positions[:-1]),
        replace(base, velocities=base.velocities[1:]),
        replace(base, times_s=base.times_s[:-1]),
        replace(base, positions=base.positions[:, :-1]),
        replace(base, positions=base.positions.ravel()),
        replace(base, times_s=base.times_s[:, None]),
        replace(base, velocities=np.zeros(0)),
        replace(base, times_s=np.float64(0.1) * np.ones(())),
    )[int(rng.integers(8))]


def wrong_names(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Missing, doubled, unknown, extra, empty and absurd joint names."""
    base = smooth(moment, rng, 0.0)
    names = list(JOINTS)
    j = int(rng.integers(7))
    wide = np.column_stack([base.positions, base.positions[:, 0]])
    return (
        replace(base, joint_names=tuple(names[:j] + names[j + 1 :])),
        replace(
            base, joint_names=tuple(names[:j] + names[j + 1 :]),
            positions=np.delete(base.positions, j, 1), velocities=None,
        ),
        replace(base, joint_names=tuple([*names[:-1], names[0]])),
        replace(base, joint_names=tuple([*names[:j], "x" * 10_000, *names[j + 1 :]])),
        replace(base, joint_names=(*JOINTS, "elbow_joint"), positions=wide, velocities=None),
        replace(base, joint_names=(*JOINTS, "other"), positions=wide, velocities=None),
        replace(base, joint_names=()),
        replace(base, joint_names=tuple(n.upper() for n in names)),
    )[int(rng.integers(8))]  # fmt: skip


def bad_times(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Times that run back, stand still, are negative, nearly equal or endless."""
    base = smooth(moment, rng, 0.0)
    t, j = base.times_s, int(rng.integers(len(base.times_s)))
    hop = t.copy()
    hop[j] = rng.choice([-1.0, 0.0, t[-1], 1e-12, 5.5, 1e6])
    return (
        replace(base, times_s=t[::-1].copy()),
        replace(base, times_s=hop),
        replace(base, times_s=t - rng.choice([1e-9, 0.05, 10.0])),
        replace(base, times_s=np.zeros_like(t)),
        replace(base, times_s=t * rng.choice([1e-6, 1e-3, 100.0])),
    )[int(rng.integers(5))]


def empty(moment: Moment, rng: Random, _: float) -> Trajectory:
    """No waypoint, with arrays of several empty shapes."""
    shape = [(0, 7), (0,), (0, 0)][int(rng.integers(3))]
    rows = np.zeros(shape)
    return Trajectory(
        moment.now_ns, JOINTS, np.zeros(0), rows, rows if rng.random() < 0.5 else None
    )


def many_points(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Too many waypoints, or just as many as are allowed, densely."""
    n = int(rng.choice([63, 64, 65, 500, 5000]))
    step_s = rng.choice([0.001, 0.01, 0.07])
    rows = moment.start + np.sin(np.arange(n) * step_s)[:, None] * rng.normal(size=7) * 0.05
    rows[:, 6] = moment.start[6]
    return Trajectory(moment.now_ns, JOINTS, step_s * np.arange(n), rows)


def stamp(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Old, future, doubled, zero, negative and overflowing stamps."""
    now = moment.now_ns
    stamps = (
        0, 1, -1, -now, 2**31, 2**32, 2**63 - 1, 2**63, -(2**63), 2**64, 2**70,
        moment.last_stamp_ns, moment.last_stamp_ns - 1, now - 290 * MS, now - 310 * MS,
        now - 5000 * MS, now + 19 * MS, now + 21 * MS, now + 5000 * MS,
    )  # fmt: skip
    return replace(smooth(moment, rng, 0.0), stamp_ns=stamps[int(rng.integers(len(stamps)))])


def other_types(moment: Moment, rng: Random, _: float) -> Trajectory:
    """Numbers of other types, orders in memory and views."""
    base = smooth(moment, rng, 0.0)
    return (
        replace(base, positions=base.positions.astype(np.float32)),
        replace(base, positions=base.positions.astype(">f8")),
        replace(base, positions=np.asfortranarray(base.positions)),
        replace(base, positions=np.repeat(base.positions, 2, axis=1)[:, ::2]),
        replace(base, velocities=np.zeros(base.positions.shape, dtype=np.int64)),
        replace(base, times_s=np.arange(len(base.times_s))),
    )[int(rng.integers(6))]


BROKEN: dict[str, Maker] = {
    "NaN": nan, "infinity": infinite, "subnormal": subnormal, "huge": huge,
    "any float": any_float, "tenfold": tenfold, "wrong lengths": wrong_length,
    "wrong names": wrong_names, "bad times": bad_times, "empty": empty,
    "many points": many_points, "stamps": stamp, "other types": other_types,
}  # fmt: skip
