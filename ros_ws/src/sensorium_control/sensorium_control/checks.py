"""The checks that one proposed trajectory must pass. Pure functions: `None` means passed.

Every comparison is written so that NaN fails it: `not (x <= limit).all()`, never `(x > limit)`.
`motion` bounds what happens between waypoints.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import ARM_JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory

from sensorium_control import motion
from sensorium_control.limits import GateConfig, JointLimits
from sensorium_control.reasons import Reason, Refusal

Array = NDArray[np.float64]
_NS = 1_000_000_000
_ROUNDING = 1e-9
_SHORTEST_STEP_S = 1e-3
_N_ARM = len(ARM_JOINTS)
_TOUCH_M_S = 0.02


def check_form(
    trajectory: Trajectory, names: tuple[str, ...], config: GateConfig
) -> Refusal | None:
    """Refuse what is not a finite, ordered, bounded list of waypoints of exactly these joints."""
    return (
        check_joints(trajectory.joint_names, names)
        or check_shape(trajectory, config)
        or check_finite(trajectory)
        or check_times(trajectory, config)
    )


def check_joints(got: tuple[str, ...], names: tuple[str, ...]) -> Refusal | None:
    """Refuse other joints than `names`; any order will do."""
    if len(got) == len(names) and set(got) == set(names):
        return None
    missing = [n for n in names if n not in got]
    unknown = [str(n)[:40] for n in got if n not in names][:8]
    return Refusal(
        Reason.WRONG_JOINTS,
        f"missing {missing}, unknown {unknown}, {len(got)} given; each of {list(names)} once",
    )


def check_shape(trajectory: Trajectory, config: GateConfig) -> Refusal | None:
    """Refuse no waypoints, too many, or ragged arrays."""
    shape = trajectory.times_s.shape
    if len(shape) != 1:
        return Refusal(Reason.MALFORMED, f"times_s has shape {shape}, not (n,)")
    n = shape[0]
    if n == 0:
        return Refusal(Reason.EMPTY, "the trajectory has no waypoints")
    if n > config.max_points:
        return Refusal(Reason.TOO_LONG, f"{n} waypoints; at most {config.max_points}")
    expected = (n, len(trajectory.joint_names))
    for field in ("positions", "velocities"):
        array = getattr(trajectory, field)
        if array is not None and array.shape != expected:
            return Refusal(Reason.MALFORMED, f"{field} have shape {array.shape}, not {expected}")
    return None


def check_finite(trajectory: Trajectory) -> Refusal | None:
    """Refuse NaN and infinity anywhere."""
    for field in ("times_s", "positions", "velocities"):
        array = getattr(trajectory, field)
        if array is not None and not np.isfinite(array).all():
            return Refusal(Reason.NOT_FINITE, f"{field} hold NaN or infinity")
    return None


def check_times(trajectory: Trajectory, config: GateConfig) -> Refusal | None:
    """Refuse times that are negative, do not increase by 1 ms each, or reach too far."""
    times = trajectory.times_s
    if not (times[0] >= 0 and (times[1:] - times[:-1] >= _SHORTEST_STEP_S).all()):
        detail = f"times must start at 0 or later and increase by {_SHORTEST_STEP_S} s each"
        return Refusal(Reason.TIMES_NOT_INCREASING, detail)
    if not times[-1] <= config.max_duration_s:
        return Refusal(
            Reason.TOO_LONG, f"lasts {times[-1]:.3g} s; at most {config.max_duration_s} s"
        )
    return None


def check_stamp(
    trajectory: Trajectory,
    now_ns: int,
    last_stamp_ns: int | None,
    config: GateConfig,
    start_ns: int,
) -> Refusal | None:
    """Refuse a stamp that is old, ahead of the clock, or not later than the last accepted one.

    Also refuse a trajectory that is over by `start_ns`, when it would take over.
    """
    age_s = (now_ns - trajectory.stamp_ns) / _NS
    if not age_s <= config.max_age_s:
        return Refusal(
            Reason.STAMP_OLD, f"stamped {age_s:.3f} s ago; at most {config.max_age_s} s"
        )
    if not age_s >= -config.max_future_s:
        return Refusal(
            Reason.STAMP_FUTURE,
            f"stamped {-age_s:.3f} s in the future; at most {config.max_future_s} s",
        )
    if last_stamp_ns is not None and not trajectory.stamp_ns > last_stamp_ns:
        back_s = (last_stamp_ns - trajectory.stamp_ns) / _NS
        return Refusal(
            Reason.STAMP_NOT_MONOTONIC, f"stamped {back_s:.3f} s before the last accepted one"
        )
    if not trajectory.end_ns > start_ns:
        return Refusal(Reason.STAMP_OLD, "every waypoint lies in the past")
    return None


def check_positions(trajectory: Trajectory, limits: JointLimits) -> Refusal | None:
    """Refuse a path that leaves the joint position limits anywhere, between waypoints too."""
    low, high = motion.position_range(trajectory)
    inside = (low >= limits.lower - _ROUNDING) & (high <= limits.upper + _ROUNDING)
    if not inside.all():
        j = int(np.argmin(inside))
        return Refusal(
            Reason.POSITION_LIMIT,
            f"{limits.names[j]} would move between {low[j]:.4g} and {high[j]:.4g}; "
            f"allowed {limits.lower[j]:.4g} to {limits.upper[j]:.4g}",
        )
    return None


def check_speeds(trajectory: Trajectory, limits: JointLimits) -> Refusal | None:
    """Refuse a path faster than the limits, between waypoints too."""
    speeds = motion.peak_speeds(trajectory)
    return _over(Reason.SPEED_LIMIT, "speed", speeds, limits.speed, limits.names)


def check_accelerations(trajectory: Trajectory, limits: JointLimits) -> Refusal | None:
    """Refuse a path that speeds up or brakes harder than the limits."""
    values = motion.peak_accelerations(trajectory)
    return _over(
        Reason.ACCELERATION_LIMIT, "acceleration", values, limits.acceleration, limits.names
    )


def check_continuity(
    trajectory: Trajectory,
    now_ns: int,
    measured: Array,
    setpoint: Array,
    limits: JointLimits,
) -> Refusal | None:
    """Refuse a trajectory that takes over far from the measured joints or the present setpoint.

    Both are `(n_joints,)`. Before its first waypoint, a trajectory may need the remaining time at
    full speed to reach it.
    """
    lead_s = max(0.0, (trajectory.stamp_ns - now_ns) / _NS + float(trajectory.times_s[0]))
    reach = lead_s * limits.speed if lead_s > 0 else 0.0
    start = trajectory.sample(now_ns)
    step = np.abs(start - measured)
    refusal = _over(
        Reason.NOT_CONTINUOUS, "step from measured", step, limits.continuity + reach, limits.names
    )
    if refusal is not None:
        return refusal
    step = np.abs(start - setpoint)
    return _over(
        Reason.NOT_CONTINUOUS, "step from commanded", step, limits.seam + reach, limits.names
    )


def check_stray(strayed: Array, limits: JointLimits) -> Refusal | None:
    """Refuse what cannot be followed: the motion would be off by `strayed` `(n_joints,)`."""
    what = "to keep the jerk limit the motion would stray by"
    return _over(Reason.JERK_LIMIT, what, strayed, limits.stray, limits.names)


def check_workspace(tools: Array, tips_m: Array, config: GateConfig) -> Refusal | None:
    """Refuse a path on which the tool leaves its box or a fingertip comes too near the table.

    `tools` `(m, 3)` and `tips_m` `(m,)` are as of `tools_and_tips`; the first is the measured one.
    A tool that is measured to be outside already may move, as long as it goes no further out.
    """
    low = np.minimum(config.workspace_min_m, tools[0]) - _ROUNDING
    high = np.maximum(config.workspace_max_m, tools[0]) + _ROUNDING
    inside = ((tools >= low) & (tools <= high)).all(axis=1)
    if not inside.all():
        return Refusal(
            Reason.OUTSIDE_WORKSPACE,
            f"the tool would be at {np.round(tools[int(np.argmin(inside))], 3).tolist()} m; "
            f"allowed {list(config.workspace_min_m)} to {list(config.workspace_max_m)}",
        )
    floor_m = min(config.table_clearance_m, float(tips_m[0]))
    if not (tips_m >= floor_m - _ROUNDING).all():
        return Refusal(
            Reason.OUTSIDE_WORKSPACE,
            f"the fingertips would be {1e3 * tips_m.min():.1f} mm above the table; at least "
            f"{1e3 * config.table_clearance_m:.1f} mm",
        )
    return None


def check_approach(tips_m: Array, step_s: float, config: GateConfig) -> Refusal | None:
    """Refuse fingertips that come down on the table too fast to be braked.

    `tips_m` `(m,)` are heights above the table at times a step apart.
    """
    if not config.approach_m_s2 > 0 or len(tips_m) < 2:
        return None
    down_m_s = (tips_m[:-1] - tips_m[1:]) / step_s
    above_m = np.maximum(tips_m[1:] - config.table_clearance_m, 0.0)
    allowed = np.sqrt(2.0 * config.approach_m_s2 * above_m) + _TOUCH_M_S
    inside = down_m_s <= allowed
    if inside.all():
        return None
    i = int(np.argmin(inside))
    return Refusal(
        Reason.APPROACH_SPEED,
        f"the fingertips would come down at {down_m_s[i]:.3f} m/s {1e3 * above_m[i]:.0f} mm above "
        f"the table; at most {allowed[i]:.3f} m/s",
    )


def tools_and_tips(
    kinematics: Kinematics, positions: Array, config: GateConfig
) -> tuple[Array, Array]:
    """Tools `(m, 3)` and fingertip heights `(m,)` in base_link [m] of joints `(m, n_joints)`."""
    poses = np.array([kinematics.fk(q) for q in positions[:, :_N_ARM]])
    return poses[:, :3, 3], poses[:, 2, 3] + config.tip_below_tool_m * poses[:, 2, 2]


def _over(
    reason: Reason, what: str, got: Array, allowed: Array, names: tuple[str, ...]
) -> Refusal | None:
    inside = got <= allowed * (1.0 + _ROUNDING) + _ROUNDING
    if inside.all():
        return None
    j = int(np.argmin(inside))
    return Refusal(reason, f"{names[j]}: {what} {got[j]:.4g}; at most {allowed[j]:.4g}")
