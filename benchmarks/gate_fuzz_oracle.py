"""Judges what the gate sent, with nothing of the gate's: limits and frames come from the URDF.

Two kinds of evidence: each message sent to the arm, and the setpoints that a joint trajectory
controller made of all of them, every 2 ms. Both are checked for every joint of the arm; the
gripper, whose own controller ramps it, for its range only.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_control.limits import GateConfig
from sensorium_core.trajectory import Trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

STEP_S = 0.002
KNOT_STEPS = 10
"""The gate's profiles have a knot every 20 ms; jerk is measured from knot to knot."""

POSITION_SLACK_RAD = 1e-6
SPEED_SLACK = 0.01
"""Share of the speed limit by which a cubic between two knots may bow."""
ACCELERATION_SLACK = 0.01
JERK_SLACK = 0.02
BOX_SLACK_M = 0.001
TABLE_SLACK_M = 0.0005
REST_SPEED_RAD_S = 0.01
_LONGEST_MESSAGE_S = 10.0
_PLACE_STEPS = 2


@dataclass(frozen=True)
class Fault:
    """One thing that must never happen, and did."""

    rule: str
    detail: str
    step: int = -1
    """Index of the setpoint, where there is one."""


class Chain:
    """Forward kinematics of many rows at once, from the URDF's joints alone."""

    def __init__(self, urdf_xml: str, base: str = "base_link", tip: str = "tool") -> None:
        joints = {j.find("child").get("link"): j for j in ET.fromstring(urdf_xml).iter("joint")}
        links, link = [], tip
        while link != base:
            links.append(joints[link])
            link = joints[link].find("parent").get("link")
        self._joints = [self._read(joint) for joint in reversed(links)]

    @staticmethod
    def _read(joint: ET.Element) -> tuple[Array, Array | None]:
        """Fixed transform `(4, 4)` and the axis it turns about; None for a fixed joint."""
        origin = joint.find("origin")
        words = {} if origin is None else origin.attrib
        pose = np.eye(4)
        pose[:3, 3] = [float(v) for v in words.get("xyz", "0 0 0").split()]
        pose[:3, :3] = _from_rpy(*(float(v) for v in words.get("rpy", "0 0 0").split()))
        if joint.get("type") == "fixed":
            return pose, None
        return pose, np.array([float(v) for v in joint.find("axis").get("xyz").split()])

    def poses(self, q: Array) -> tuple[Array, Array]:
        """Positions `(n, 3)` [m] and rotations `(n, 3, 3)` of the tool for joints `(n, 6)`."""
        place, turned = np.zeros((len(q), 3)), np.tile(np.eye(3), (len(q), 1, 1))
        column = 0
        for pose, axis in self._joints:
            place = place + turned @ pose[:3, 3]
            turned = turned @ pose[:3, :3]
            if axis is not None:
                turned = turned @ _about(axis, q[:, column])
                column += 1
        return place, turned


def _from_rpy(roll: float, pitch: float, yaw: float) -> Array:
    turns = [(np.array([0, 0, 1.0]), yaw), (np.array([0, 1.0, 0]), pitch)]
    turns.append((np.array([1.0, 0, 0]), roll))
    result = np.eye(3)
    for axis, angle in turns:
        result = result @ _about(axis, np.array([angle]))[0]
    return result


def _about(axis: Array, angles: Array) -> Array:
    """Rotations `(n, 3, 3)` about one axis (Rodrigues)."""
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    sin, cos = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.eye(3) + sin * cross + (1 - cos) * (cross @ cross)


@dataclass
class Trace:
    """What the arm's controller was told and did, one row every 2 ms."""

    setpoints: list[Array] = field(default_factory=list)
    """Joints `(7,)`."""
    hard: list[tuple[int, int]] = field(default_factory=list)
    """Ranges of rows in which a stop may break the limits of jerk and acceleration."""
    elsewhere: list[tuple[int, int]] = field(default_factory=list)
    """Ranges after arming where the arm was measured elsewhere: it begins from there."""
    led: list[tuple[int, int]] = field(default_factory=list)
    """Ranges in which the command goes to where the arm was measured; it may pass anywhere."""
    rests: list[tuple[int, int, str]] = field(default_factory=list)
    """From the row on until the other the arm must rest, and why."""
    excused_low: Array | None = None
    excused_high: Array | None = None
    """Tool positions at which the arm was measured to be, outside its box or not [m]."""


class Oracle:
    """What may reach the arm under one configuration."""

    def __init__(self, urdf_xml: str, config: GateConfig, joints: tuple[str, ...]) -> None:
        self._config, self._joints = config, joints
        self.chain = Chain(urdf_xml)
        limits = {j.get("name"): j.find("limit") for j in ET.fromstring(urdf_xml).iter("joint")}

        def column(key: str) -> Array:
            return np.array([float(limits[name].get(key)) for name in joints])

        self.lower, self.upper = column("lower"), column("upper")
        self.speed = column("velocity")[:-1]
        self.jerk = getattr(config, "jerk_rad_s3", math.inf) * config.scale

    def message(self, sent: Trajectory) -> list[Fault]:
        """Faults of one message to the arm."""
        times, shape = sent.times_s, (len(sent.times_s), len(self._joints))
        if sent.joint_names != self._joints:
            return [Fault("joints", f"{sent.joint_names}")]
        if shape[0] == 0 or sent.positions.shape != shape:
            return [Fault("shape", f"{sent.positions.shape} for {shape}")]
        if sent.velocities is not None and sent.velocities.shape != shape:
            return [Fault("shape", f"velocities {sent.velocities.shape} for {shape}")]
        arrays = [
            times,
            sent.positions,
            np.zeros(1) if sent.velocities is None else sent.velocities,
        ]
        if not all(np.isfinite(a).all() for a in arrays):
            return [Fault("finite", "NaN or infinity in a message to the arm")]
        if times[0] < 0 or (np.diff(times) <= 0).any() or times[-1] > _LONGEST_MESSAGE_S:
            return [Fault("times", f"{times.tolist()}")]
        if not 0 <= sent.stamp_ns < 2**63:
            return [Fault("stamp", f"{sent.stamp_ns}")]
        return self._positions(sent.positions, "waypoint")

    def _positions(self, positions: Array, what: str) -> list[Fault]:
        low = positions.min(axis=0) < self.lower - POSITION_SLACK_RAD
        high = positions.max(axis=0) > self.upper + POSITION_SLACK_RAD
        if not (low | high).any():
            return []
        j = int(np.argmax(low | high))
        reach = f"{positions[:, j].min():.6f} to {positions[:, j].max():.6f}"
        return [Fault("position", f"{what}: {self._joints[j]} {reach}")]

    def motion(self, trace: Trace) -> list[Fault]:
        """Faults of the setpoints as executed."""
        rows = np.array(trace.setpoints)
        if len(rows) < 4 * KNOT_STEPS:
            return []
        if not np.isfinite(rows).all():
            return [Fault("finite", "a setpoint is not finite")]
        arm, hard = rows[:, :-1], self._mask(len(rows), trace.hard)
        return [
            *self._positions(rows, "setpoint"),
            *self._rates(arm, hard, self._mask(len(rows), trace.elsewhere)),
            *self._places(arm, trace),
            *self._rests(arm, trace.rests),
        ]

    @staticmethod
    def _mask(n: int, ranges: list[tuple[int, int]]) -> Mask:
        mask = np.zeros(n, dtype=bool)
        for begin, end in ranges:
            mask[max(0, begin) : end] = True
        return mask

    def _rates(self, arm: Array, hard: Mask, elsewhere: Mask) -> list[Fault]:
        """Speed everywhere; acceleration and jerk where no stop is under way.

        A stop may use the whole speed of the URDF, a motion that share that the scale allows. The
        cubics between knots 20 ms apart overshoot the profile's acceleration by up to a fifth of
        what the jerk makes of 20 ms (measured on bang-bang profiles).
        """
        scale, config = self._config.scale, self._config
        speed = np.abs(np.diff(arm, axis=0)) / STEP_S
        speed[elsewhere[1:]] = 0.0
        allowed = np.where(hard[1:, None], 1.0, scale) * self.speed * (1 + SPEED_SLACK)
        h, hard = STEP_S * KNOT_STEPS, hard | elsewhere
        second = np.abs(arm[2:] - 2 * arm[1:-1] + arm[:-2]) / STEP_S**2
        bow = 0.2 * self.jerk * h if math.isfinite(self.jerk) else 0.0
        limit = config.acceleration_rad_s2 * scale * (1 + ACCELERATION_SLACK) + bow
        soft = ~(hard[2:] | hard[1:-1] | hard[:-2])
        found = self._worst("speed", speed, allowed, 1)
        found += self._worst("acceleration", np.where(soft[:, None], second, 0.0), limit, 2)
        knots, marks = arm[::KNOT_STEPS], self._spread(hard)
        third = np.abs(knots[3:] - 3 * knots[2:-1] + 3 * knots[1:-2] - knots[:-3]) / h**3
        third = np.where(marks[: len(third), None], 0.0, third)
        return found + self._worst("jerk", third, self.jerk * (1 + JERK_SLACK), 3, KNOT_STEPS)

    @staticmethod
    def _spread(hard: Mask) -> Mask:
        """Whether a stop touches the span of three knots that begins at each knot."""
        n = len(hard) // KNOT_STEPS + 1
        starts = range(0, n * KNOT_STEPS, KNOT_STEPS)
        return np.array([hard[i : i + 3 * KNOT_STEPS + 1].any() for i in starts])

    def _worst(
        self, rule: str, values: Array, limit: Array | float, lag: int, every: int = 1
    ) -> list[Fault]:
        over = values > limit
        if not over.any():
            return []
        excess = np.where(over, values - limit, -np.inf)
        row, j = np.unravel_index(int(np.argmax(excess)), values.shape)
        bound = float(np.broadcast_to(limit, values.shape)[row, j])
        step = (int(row) + lag) * every
        detail = f"{self._joints[int(j)]} {values[row, j]:.4g}; at most {bound:.4g}"
        return [Fault(rule, detail, step)]

    def _places(self, arm: Array, trace: Trace) -> list[Fault]:
        """The tool in its box and the fingertips over the table, every 4 ms."""
        tools, turned = self.chain.poses(arm[::_PLACE_STEPS])
        low, high = np.array(self._config.workspace_min_m), np.array(self._config.workspace_max_m)
        tips = tools[:, 2] + self._config.tip_below_tool_m * turned[:, 2, 2]
        floor_m = self._config.table_clearance_m
        if trace.excused_low is not None and trace.excused_high is not None:
            low = np.minimum(low, trace.excused_low[:3])
            high = np.maximum(high, trace.excused_high[:3])
            floor_m = min(floor_m, float(trace.excused_low[3]))
        out = np.maximum(low - tools, tools - high).max(axis=1)
        led = self._mask(len(arm), trace.led)[::_PLACE_STEPS]
        out[led], tips[led] = 0.0, np.inf
        found = []
        if out.max() > BOX_SLACK_M:
            row = int(np.argmax(out))
            detail = f"{1e3 * out[row]:.2f} mm outside, at {np.round(tools[row], 4).tolist()}"
            found.append(Fault("workspace", detail, row * _PLACE_STEPS))
        if tips.min() < floor_m - TABLE_SLACK_M:
            row = int(np.argmin(tips))
            found.append(
                Fault("table", f"fingertips at {1e3 * tips[row]:.2f} mm", row * _PLACE_STEPS)
            )
        return found

    def place(self, joints: Array) -> Array:
        """Tool position and fingertip height `(4,)` [m] of joints `(7,)`."""
        tools, turned = self.chain.poses(joints[None, :-1])
        return np.append(tools[0], tools[0, 2] + self._config.tip_below_tool_m * turned[0, 2, 2])

    def _rests(self, arm: Array, rests: list[tuple[int, int, str]]) -> list[Fault]:
        found = []
        for begin, end, why in rests:
            if end - begin < 2:
                continue
            speeds = np.abs(np.diff(arm[begin:end], axis=0)) / STEP_S
            if speeds.max() > REST_SPEED_RAD_S:
                row = begin + int(np.argmax(speeds.max(axis=1)))
                found.append(Fault("rest", f"{why}: still {speeds.max():.3g} rad/s", row))
        return found
