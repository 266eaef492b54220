"""What the gate allows: one documented configuration, and joint limits read from the URDF."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import ContractError, GateConfigError, KinematicsError
from sensorium_core.kinematics import ARM_JOINTS, GRIPPER_JOINT, JOINTS, Kinematics
from sensorium_core.urdf_text import check_urdf, read_number

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GateConfig:
    """Every number that does not come from the URDF. Lengths m, angles rad, times s."""

    scale: float = 1.0
    """Factor in (0, 1] on every speed and acceleration limit."""
    acceleration_rad_s2: float = 60.0
    """Joint acceleration limit, for which a URDF has no field; set it for the robot.

    The default lets a chunk brake from 0.35 m/s of the tool within one step of 0.1 s."""
    jerk_rad_s3: float = 2000.0
    """Joint jerk limit; whatever is proposed, the arm is sent a motion that keeps it.

    By its default, acceleration goes from none to the limit in 30 ms."""
    stray_rad: float = 0.05
    """How far the motion sent may stray from the one proposed, to keep the jerk limit."""
    limit_gripper_speed: bool = False
    """Also refuse gripper commands faster than the URDF; off, its own controller ramps them."""
    continuity_rad: float = 0.25
    """Largest step between the measured joints and the trajectory at the moment it takes over."""
    seam_rad: float = 0.12
    """Largest step between the motion under way and the trajectory that replaces it."""
    workspace_min_m: tuple[float, float, float] = (0.20, -0.45, 0.004)
    """Lowest tool position in base_link."""
    workspace_max_m: tuple[float, float, float] = (0.80, 0.45, 0.70)
    """Highest tool position in base_link."""
    tip_below_tool_m: float = 0.0125
    """How far the fingertips reach beyond the tool frame, along its z axis."""
    table_clearance_m: float = 0.0
    """Lowest fingertip height above the table top."""
    approach_m_s2: float = 1.0
    """The nearer a fingertip is to the table, the slower it may come down: as if this braked it.

    A stiff servo overshoots by millimetres when it brakes late; 0 turns the check off."""
    collision_margin_m: float = 0.0
    """Smallest distance between links that are no neighbours, and between links and table.

    Negative turns the check off."""
    path_step_rad: float = 0.05
    """The tool is checked on the path at least this often, at every waypoint besides."""
    max_points: int = 64
    """Longest trajectory accepted, in waypoints."""
    max_duration_s: float = 5.0
    """Longest trajectory accepted, in seconds after its stamp."""
    max_age_s: float = 0.3
    """Oldest stamp accepted."""
    max_future_s: float = 0.02
    """How far a stamp may lie ahead of the clock before it is refused."""
    force_limit_n: float = 50.0
    """Filtered force on the tool that stops the arm."""
    torque_limit_nm: float = 8.0
    """Filtered torque on the tool that stops the arm."""
    force_filter_s: float = 0.02
    """Time constant of the filter of the wrench; 0 judges every sample by itself."""
    force_peak_n: float = 150.0
    """Force of a single unfiltered sample that stops the arm."""
    wrench_range_n: float = 200.0
    """Range of the force sensor: an axis that stays there for 20 ms is saturated; set it for the
    sensor."""
    retract_s: float = 0.0
    """After a force stop, go back along the last so many seconds of the path; 0: stay."""
    joints_timeout_s: float = 0.2
    """Silence of joint_states that stops the arm while it is armed."""
    tracking_rad: float = 0.1
    """How far the measured joints may be from all that was commanded in the last 0.2 s."""
    tracking_s: float = 0.1
    """How long they may be further away than that."""
    frozen_s: float = 0.1
    """How long a sense may repeat the same values with new stamps; 0 for ever.

    Joints may while nothing is commanded to move: an encoder at rest has no noise."""
    required_senses: Mapping[str, float] = field(default_factory=dict)
    """Senses without which the arm holds still, and the age beyond which each counts as silent."""
    sense_rates_hz: Mapping[str, float] = field(default_factory=dict)
    """Nominal rates of joints and senses that are watched for being slow."""
    min_rate_share: float = 0.6
    """A sense is slow below this share of its nominal rate, over a second; 0 for never."""
    command_timeout_s: float = 0.5
    """Silence of the proposer that holds a moving arm; 0 lets an accepted trajectory run out."""
    heartbeat_timeout_s: float = 0.045
    """Silence on command/heartbeat that holds a moving arm, once a proposer beats; 0 for never."""
    resume_s: float = 0.2
    """How long every cause of a hold must be gone before the hold ends."""
    clock_step_s: float = 0.02
    """How far ROS time and the monotonic clock of this host may come apart from tick to tick.

    The node's default is 0.2 with `use_sim_time`: /clock goes in steps."""

    @classmethod
    def from_contract(
        cls, contract: Contract, required: Iterable[str] = ("wrench",), **changes: Any
    ) -> "GateConfig":
        """Workspace and required senses as a policy's contract states them; `changes` win.

        The box is the contract's, 5 mm wider: between waypoints the tool bows by up to 1 mm.
        """
        action = contract.action
        if action.joints != JOINTS:
            raise ContractError(
                contract.name, f"moves {action.joints}", f"this gate guards {JOINTS}"
            )
        unknown = sorted(set(required) - set(contract.senses))
        if unknown:
            raise ContractError(contract.name, f"has no senses {unknown}", f"{contract.senses}")
        felt = [m for m in contract.modalities if m.sense in required and m.kind == "vector"]
        deaf = sorted(set(required) - {m.sense for m in felt})
        if deaf:
            raise ContractError(
                contract.name, f"{deaf} are not felt by the gate", "the policy guards cameras"
            )
        nominal = felt + [m for m in contract.modalities if m.kind == "joints"]
        given: dict[str, Any] = {
            "required_senses": {m.name: m.max_age_s for m in felt},
            "sense_rates_hz": {m.name: m.rate_hz for m in nominal},
        }
        box = {
            "workspace_min_m": tuple(v - _BOX_MARGIN_M for v in action.workspace_min_m),
            "workspace_max_m": tuple(v + _BOX_MARGIN_M for v in action.workspace_max_m),
        }
        return cls(**{**box, **given, **changes})

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 1.0:
            raise GateConfigError("scale", self.scale, "a factor in (0, 1]")
        for name in _FINITE:
            if not math.isfinite(getattr(self, name)):
                raise GateConfigError(name, getattr(self, name), "a finite number")
        if not 0.0 <= self.force_filter_s <= 1.0:
            raise GateConfigError("force_filter_s", self.force_filter_s, "0 to 1 s")
        if not all(a < b for a, b in zip(self.workspace_min_m, self.workspace_max_m, strict=True)):
            raise GateConfigError("workspace_min_m", self.workspace_min_m, "below workspace_max_m")
        for name in _POSITIVE:
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise GateConfigError(name, value, "a positive number")
        for name, age in self.required_senses.items():
            if not (math.isfinite(age) and age > 0):
                raise GateConfigError(f"required_senses[{name}]", age, "a positive age in seconds")


_FINITE = (
    "tip_below_tool_m",
    "table_clearance_m",
    "approach_m_s2",
    "collision_margin_m",
    "command_timeout_s",
    "heartbeat_timeout_s",
    "resume_s",
    "retract_s",
    "frozen_s",
)
_POSITIVE = (
    "acceleration_rad_s2",
    "jerk_rad_s3",
    "stray_rad",
    "force_peak_n",
    "wrench_range_n",
    "tracking_rad",
    "tracking_s",
    "clock_step_s",
    "continuity_rad",
    "seam_rad",
    "path_step_rad",
    "max_points",
    "max_duration_s",
    "max_age_s",
    "max_future_s",
    "force_limit_n",
    "torque_limit_nm",
    "joints_timeout_s",
)
_BOX_MARGIN_M = 0.005
_LIMIT_KEYS = ("lower", "upper", "velocity")


@dataclass(frozen=True, eq=False)
class JointLimits:
    """Bounds per joint, each `(n_joints,)`, in the order of `names` [rad; gripper m]."""

    names: tuple[str, ...]
    lower: Array
    upper: Array
    speed: Array
    acceleration: Array
    """Infinite for the gripper, whose own controller ramps its motor."""
    jerk: Array
    """Infinite for the gripper."""
    stray: Array
    """From what was proposed; infinite for the gripper."""
    continuity: Array
    """From the measured joints; infinite for the gripper: a held object keeps its fingers open."""
    seam: Array
    """From the motion under way; infinite for the gripper."""


def load_joint_limits(urdf_xml: str, kinematics: Kinematics, config: GateConfig) -> JointLimits:
    """Limits of arm and gripper from the URDF, scaled by the configuration."""
    grip_lower, grip_upper, grip_speed = gripper_limits(urdf_xml)
    arm = kinematics.position_limits
    grip_speed = grip_speed if config.limit_gripper_speed else math.inf

    def per_joint(arm_value: float) -> Array:
        return np.append(np.full(len(ARM_JOINTS), arm_value), math.inf)

    return JointLimits(
        names=JOINTS,
        lower=np.append(arm[:, 0], grip_lower),
        upper=np.append(arm[:, 1], grip_upper),
        speed=np.append(kinematics.velocity_limits, grip_speed) * config.scale,
        acceleration=per_joint(config.acceleration_rad_s2 * config.scale),
        jerk=per_joint(config.jerk_rad_s3 * config.scale),
        stray=per_joint(config.stray_rad),
        continuity=per_joint(config.continuity_rad),
        seam=per_joint(config.seam_rad),
    )


def gripper_limits(urdf_xml: str) -> tuple[float, float, float]:
    """`(lower [m], upper [m], speed [m/s])` of the gripper joint. Raises `KinematicsError`."""
    for joint in ET.fromstring(check_urdf(urdf_xml)).iter("joint"):
        limit = joint.find("limit")
        if joint.get("name") == GRIPPER_JOINT and limit is not None:
            lower, upper, speed = (read_number(limit.get(k, "nan")) for k in _LIMIT_KEYS)
            return lower, upper, speed
    raise KinematicsError(f"the URDF gives no <limit> for {GRIPPER_JOINT}", "add one")
