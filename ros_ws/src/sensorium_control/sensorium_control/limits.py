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

Array = NDArray[np.float64]


@dataclass(frozen=True)
class GateConfig:
    """Every number that does not come from the URDF. Lengths m, angles rad, times s."""

    scale: float = 1.0
    """Factor in (0, 1] on every speed and acceleration limit."""
    acceleration_rad_s2: float = 60.0
    """Joint acceleration limit, for which a URDF has no field; set it for the robot.

    The default lets a chunk brake from 0.35 m/s of the tool within one step of 0.1 s."""
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
    joints_timeout_s: float = 0.2
    """Silence of joint_states that stops the arm while it is armed."""
    required_senses: Mapping[str, float] = field(default_factory=dict)
    """Senses without which the arm holds still, and the age beyond which each counts as silent."""
    command_timeout_s: float = 0.5
    """Silence of the proposer that holds a moving arm; 0 lets an accepted trajectory run out."""
    resume_s: float = 0.2
    """How long every required sense must be back before a hold ends."""

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
        ages = {
            sense: max(m.max_age_s for m in contract.modalities if m.sense == sense)
            for sense in required
        }
        box = {
            "workspace_min_m": tuple(v - _BOX_MARGIN_M for v in action.workspace_min_m),
            "workspace_max_m": tuple(v + _BOX_MARGIN_M for v in action.workspace_max_m),
        }
        return cls(**{**box, "required_senses": ages, **changes})

    def __post_init__(self) -> None:
        if not 0.0 < self.scale <= 1.0:
            raise GateConfigError("scale", self.scale, "a factor in (0, 1]")
        for name in ("tip_below_tool_m", "table_clearance_m", "command_timeout_s", "resume_s"):
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


_POSITIVE = (
    "acceleration_rad_s2",
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
        continuity=per_joint(config.continuity_rad),
        seam=per_joint(config.seam_rad),
    )


def gripper_limits(urdf_xml: str) -> tuple[float, float, float]:
    """`(lower [m], upper [m], speed [m/s])` of the gripper joint. Raises `KinematicsError`."""
    for joint in ET.fromstring(urdf_xml).iter("joint"):
        limit = joint.find("limit")
        if joint.get("name") == GRIPPER_JOINT and limit is not None:
            lower, upper, speed = (float(limit.get(k, "nan")) for k in _LIMIT_KEYS)
            return lower, upper, speed
    raise KinematicsError(f"the URDF gives no <limit> for {GRIPPER_JOINT}", "add one")
