"""What the gate can say: its states, its reason codes and the answer to one proposal.

Owns the closed list of reasons. `docs/gate.md` holds one row for each; a test compares the two.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from sensorium_core.trajectory import Trajectory


class GateState(str, Enum):
    """What the gate lets through. Only `ARMED` passes new motion, except as `Reason` says."""

    DISARMED = "disarmed"
    """Nothing passes until somebody arms the gate."""
    ARMED = "armed"
    """Proposals that pass every check reach the arm."""
    HOLDING = "holding"
    """The arm rests because something is missing; clears by itself when that is back."""
    STOPPED = "stopped"
    """The arm rests and stays so until somebody arms the gate again."""


class Reason(str, Enum):
    """Why a proposal was refused, or why the gate holds or has stopped."""

    OK = "ok"
    NOT_ARMED = "not_armed"
    HOLDING = "holding"
    STOPPED = "stopped"
    MALFORMED = "malformed"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    WRONG_JOINTS = "wrong_joints"
    NOT_FINITE = "not_finite"
    TIMES_NOT_INCREASING = "times_not_increasing"
    STAMP_OLD = "stamp_old"
    STAMP_FUTURE = "stamp_future"
    STAMP_NOT_MONOTONIC = "stamp_not_monotonic"
    NO_JOINT_STATE = "no_joint_state"
    POSITION_LIMIT = "position_limit"
    SPEED_LIMIT = "speed_limit"
    ACCELERATION_LIMIT = "acceleration_limit"
    JERK_LIMIT = "jerk_limit"
    NOT_CONTINUOUS = "not_continuous"
    OUTSIDE_WORKSPACE = "outside_workspace"
    APPROACH_SPEED = "approach_speed"
    SELF_COLLISION = "self_collision"
    SENSE_SILENT = "sense_silent"
    SENSE_SLOW = "sense_slow"
    SENSE_FROZEN = "sense_frozen"
    SECOND_PROPOSER = "second_proposer"
    PROPOSER_SILENT = "proposer_silent"
    COMMAND_SILENT = "command_silent"
    JOINTS_SILENT = "joints_silent"
    JOINTS_FROZEN = "joints_frozen"
    TRACKING_ERROR = "tracking_error"
    FORCE_SPIKE = "force_spike"
    FORCE_LIMIT = "force_limit"
    TORQUE_LIMIT = "torque_limit"
    SENSE_SATURATED = "sense_saturated"
    SECOND_COMMANDER = "second_commander"
    CONTROLLER_GONE = "controller_gone"
    CLOCK_DISAGREES = "clock_disagrees"
    CLOCK_BACKWARD = "clock_backward"
    OPERATOR_STOP = "operator_stop"
    INTERNAL_ERROR = "internal_error"


class Refusal(NamedTuple):
    """Why a check did not pass."""

    reason: Reason
    detail: str
    """The same in words, with the numbers."""


@dataclass(frozen=True)
class Decision:
    """The gate's answer to a proposal or to a request to arm."""

    accepted: bool
    reason: Reason
    detail: str
    trajectory: Trajectory | None = None
    """What to send to the arm: the proposal, joints in the gate's order; None if refused."""


@dataclass(frozen=True)
class GateStatus:
    """A snapshot for people and for `gate/status`."""

    state: GateState
    reason: Reason
    detail: str
    accepted: int
    refused: int
    dropped: int
    """Measurements ignored because they were not finite, out of order or from the future."""
    last_refusal: Refusal | None
    force_n: float
    ages_s: tuple[tuple[str, float], ...]
    """Age of everything watched; infinity when never seen."""
