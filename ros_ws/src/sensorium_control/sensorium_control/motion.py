"""How far, how fast and how hard a trajectory moves, between its waypoints too. Pure functions.

With velocities a trajectory is a cubic in each segment. Its Bezier control points bound it: the
curve, its speed and its acceleration stay inside the hull of theirs.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import ARM_JOINTS
from sensorium_core.trajectory import Trajectory

Array = NDArray[np.float64]
_NS = 1_000_000_000
_N_ARM = len(ARM_JOINTS)


def position_range(trajectory: Trajectory) -> tuple[Array, Array]:
    """Bounds `(n_joints,)` below and above every position on the path."""
    p, v = trajectory.positions, trajectory.velocities
    low, high = p.min(axis=0), p.max(axis=0)
    if v is None or len(p) == 1:
        return low, high
    thirds = np.diff(trajectory.times_s)[:, None] / 3.0
    handles = np.concatenate([p[:-1] + thirds * v[:-1], p[1:] - thirds * v[1:]])
    return np.minimum(low, handles.min(axis=0)), np.maximum(high, handles.max(axis=0))


def path_samples(trajectory: Trajectory, now_ns: int, step_rad: float) -> Array:
    """Positions `(m, n_joints)` on the path ahead: its start, waypoints, and between them."""
    start_s = (now_ns - trajectory.stamp_ns) / _NS
    ahead = trajectory.times_s > start_s
    knots = np.concatenate([trajectory.sample(now_ns)[None], trajectory.positions[ahead]])
    times = np.concatenate([[start_s], trajectory.times_s[ahead]])
    travel = np.abs(np.diff(knots[:, :_N_ARM], axis=0)).max(axis=1)
    counts = np.ceil(travel / step_rad).astype(int)
    between = [
        trajectory.sample(trajectory.stamp_ns + round(t * _NS))
        for i, n in enumerate(counts)
        for t in np.linspace(times[i], times[i + 1], n + 1)[1:-1]
    ]
    return np.concatenate([knots, between]) if between else knots


def peak_speeds(trajectory: Trajectory) -> Array:
    """Upper bound `(n_joints,)` on the speed along the path."""
    slopes = _slopes(trajectory)
    peaks = np.abs(slopes).max(axis=0, initial=0.0)
    v = trajectory.velocities
    if v is None:
        return np.asarray(peaks)
    peaks = np.maximum(peaks, np.abs(v).max(axis=0))
    middles = 3.0 * slopes - v[:-1] - v[1:]
    return np.asarray(np.maximum(peaks, np.abs(middles).max(axis=0, initial=0.0)))


def peak_accelerations(trajectory: Trajectory) -> Array:
    """Largest acceleration `(n_joints,)` along the path.

    Without velocities the path has corners; each is spread over the half segments beside it.
    """
    spans = np.diff(trajectory.times_s)[:, None]
    slopes, v = _slopes(trajectory), trajectory.velocities
    if v is None:
        corners = np.diff(slopes, axis=0) / (0.5 * (spans[1:] + spans[:-1]))
        return np.asarray(np.abs(corners).max(axis=0, initial=0.0))
    leaving = (6.0 * slopes - 4.0 * v[:-1] - 2.0 * v[1:]) / spans
    arriving = (-6.0 * slopes + 2.0 * v[:-1] + 4.0 * v[1:]) / spans
    both = np.abs(np.concatenate([leaving, arriving]))
    return np.asarray(both.max(axis=0, initial=0.0))


def _slopes(trajectory: Trajectory) -> Array:
    spans = np.diff(trajectory.times_s)[:, None]
    return np.asarray(np.diff(trajectory.positions, axis=0) / spans)
