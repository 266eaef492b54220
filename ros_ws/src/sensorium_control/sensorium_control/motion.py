"""How far, how fast and how hard a trajectory moves, between its waypoints too. Pure functions.

With velocities a trajectory is a cubic in each segment: its positions stay inside the hull of its
Bezier control points, its speed is a parabola and its acceleration a straight line.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import ARM_JOINTS
from sensorium_core.trajectory import Trajectory, hermite

Array = NDArray[np.float64]
_NS = 1_000_000_000
_N_ARM = len(ARM_JOINTS)
_SHORTEST_LEAD_S = 0.03


def position_range(trajectory: Trajectory) -> tuple[Array, Array]:
    """Bounds `(n_joints,)` below and above every position on the path."""
    p, v = trajectory.positions, trajectory.velocities
    low, high = p.min(axis=0), p.max(axis=0)
    if v is None or len(p) == 1:
        return low, high
    thirds = (trajectory.times_s[1:] - trajectory.times_s[:-1])[:, None] / 3.0
    handles = np.concatenate([p[:-1] + thirds * v[:-1], p[1:] - thirds * v[1:]])
    return np.minimum(low, handles.min(axis=0)), np.maximum(high, handles.max(axis=0))


def as_executed(
    trajectory: Trajectory, now_ns: int, setpoint: Array, velocity: Array
) -> Trajectory:
    """The motion that a joint trajectory controller makes of it at `now_ns`.

    From the present setpoint `(n_joints,)` and its velocity straight to the first waypoint still
    ahead, then along the rest. A waypoint nearer than 30 ms is judged as if it were that far: a
    servo smooths out a shorter step.
    """
    times = trajectory.times_s + (trajectory.stamp_ns - now_ns) / _NS
    ahead = times > 0.0
    delay_s = max(0.0, _SHORTEST_LEAD_S - float(times[ahead][0]))
    v = trajectory.velocities
    return Trajectory(
        now_ns,
        trajectory.joint_names,
        np.concatenate([[0.0], times[ahead] + delay_s]),
        np.concatenate([setpoint[None], trajectory.positions[ahead]]),
        None if v is None else np.concatenate([velocity[None], v[ahead]]),
    )


def wanted_at(trajectory: Trajectory, times_s: Array) -> tuple[Array, Array, Array]:
    """Positions, velocities and accelerations `(m, n_joints)` at times `(m,)` after the stamp.

    At rest at the last waypoint from its time on. Without velocities the corners have no
    acceleration: whoever follows rounds them.
    """
    knots, p, v = trajectory.times_s, trajectory.positions, trajectory.velocities
    i = np.clip(np.searchsorted(knots, times_s, side="right") - 1, 0, len(knots) - 2)
    span = (knots[i + 1] - knots[i])[:, None]
    u = ((np.minimum(times_s, knots[-1]) - knots[i])[:, None]) / span
    before, change = p[i], p[i + 1] - p[i]
    moving = (times_s < knots[-1])[:, None]
    if v is None:
        return before + u * change, change / span * moving, np.zeros_like(change)
    dp, dq = v[i] * span, v[i + 1] * span
    rate = -(6 * u * u - 6 * u) * change + (3 * u * u - 4 * u + 1) * dp + (3 * u - 2) * u * dq
    bend = -(12 * u - 6) * change + (6 * u - 4) * dp + (6 * u - 2) * dq
    return (
        hermite(before, p[i + 1], dp, dq, u),
        rate / span * moving,
        bend / span**2 * moving,
    )


def thinned(samples: Array, step_rad: float) -> Array:
    """Those of `(m, n_joints)` samples in which some joint is a step further, first and last."""
    kept = [0]
    for i in range(1, len(samples)):
        if np.abs(samples[i, :_N_ARM] - samples[kept[-1], :_N_ARM]).max() >= step_rad:
            kept.append(i)
    return np.asarray(samples[[*kept, len(samples) - 1]])


def path_samples(trajectory: Trajectory, step_rad: float) -> Array:
    """Positions `(m, n_joints)` on the path: every waypoint, and points at most a step apart.

    The step is exact for straight segments; a cubic one may stretch it by half.
    """
    p, v = trajectory.positions, trajectory.velocities
    if len(p) == 1:
        return p
    change = p[1:] - p[:-1]
    n = max(1, int(np.ceil(np.abs(change[:, :_N_ARM]).max() / step_rad)))
    u = (np.arange(n) / n)[:, None, None]
    if v is None:
        inner = p[:-1] + u * change
    else:
        spans = (trajectory.times_s[1:] - trajectory.times_s[:-1])[:, None]
        inner = hermite(p[:-1], p[1:], v[:-1] * spans, v[1:] * spans, u)
    return np.concatenate([inner.reshape(-1, p.shape[1]), p[-1:]])


def peak_speeds(trajectory: Trajectory) -> Array:
    """Largest speed `(n_joints,)` along the path."""
    slopes, v = _slopes(trajectory), trajectory.velocities
    if v is None:
        return np.asarray(np.abs(slopes).max(axis=0, initial=0.0))
    before, after = v[:-1], v[1:]
    handle = 3.0 * slopes - before - after
    bend = before - 2.0 * handle + after
    turning = (before - handle) * bend > 0
    turning &= np.abs(before - handle) < np.abs(bend)
    extreme = before - (before - handle) ** 2 / np.where(turning, bend, 1.0)
    inner = np.abs(np.where(turning, extreme, 0.0)).max(axis=0, initial=0.0)
    return np.asarray(np.maximum(inner, np.abs(v).max(axis=0)))


def peak_accelerations(trajectory: Trajectory) -> Array:
    """Largest acceleration `(n_joints,)` along the path.

    Without velocities the path has corners; each is spread over the half segments beside it.
    """
    spans = (trajectory.times_s[1:] - trajectory.times_s[:-1])[:, None]
    slopes, v = _slopes(trajectory), trajectory.velocities
    if v is None:
        corners = (slopes[1:] - slopes[:-1]) / (0.5 * (spans[1:] + spans[:-1]))
        return np.asarray(np.abs(corners).max(axis=0, initial=0.0))
    leaving = (6.0 * slopes - 4.0 * v[:-1] - 2.0 * v[1:]) / spans
    arriving = (-6.0 * slopes + 2.0 * v[:-1] + 4.0 * v[1:]) / spans
    both = np.abs(np.concatenate([leaving, arriving]))
    return np.asarray(both.max(axis=0, initial=0.0))


def _slopes(trajectory: Trajectory) -> Array:
    spans = (trajectory.times_s[1:] - trajectory.times_s[:-1])[:, None]
    return np.asarray((trajectory.positions[1:] - trajectory.positions[:-1]) / spans)
