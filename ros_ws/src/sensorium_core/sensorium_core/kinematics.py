"""Forward and inverse kinematics of the arm, by Pinocchio, from the URDF alone.

Not thread safe: one instance per thread. Poses are `T_base_tool`, tool expressed in base_link.
"""

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from sensorium_core.bounded import one_line
from sensorium_core.errors import KinematicsError
from sensorium_core.urdf_text import check_urdf

Array = NDArray[np.float64]

ARM_JOINTS = (
    "shoulder_pan_joint",
    "shoulder_lift_joint",
    "elbow_joint",
    "wrist_1_joint",
    "wrist_2_joint",
    "wrist_3_joint",
)
GRIPPER_JOINT = "gripper_joint"
JOINTS = (*ARM_JOINTS, GRIPPER_JOINT)
GRIPPER_OPEN_M = 0.0425
"""Opening of one finger from the centre when the gripper is fully open [m]."""

_DAMPING = 1e-6
_TOLERANCE = 1e-5
_MAX_ITERATIONS = 60


class Kinematics:
    """Tool pose from arm joints and back, for a tool that works pointing straight down."""

    def __init__(
        self, urdf_xml: str, tool_frame: str = "tool", base_frame: str = "base_link"
    ) -> None:
        full = _model_of(urdf_xml)
        for frame in (tool_frame, base_frame):
            if not full.existFrame(frame):
                raise KinematicsError(
                    f"the URDF has no frame {frame!r}", "name the tool and base frames"
                )
        absent = [j for j in ARM_JOINTS if not full.existJointName(j)]
        if absent:
            raise KinematicsError(f"the URDF lacks the joints {absent}", "check the description")
        lock = [i for i in range(1, full.njoints) if full.names[i] not in ARM_JOINTS]
        self._model = pin.buildReducedModel(full, lock, pin.neutral(full))
        self._data = self._model.createData()
        self._tool = self._model.getFrameId(tool_frame)
        base = self._model.getFrameId(base_frame)
        pin.framesForwardKinematics(self._model, self._data, pin.neutral(self._model))
        self._base_inverse = self._data.oMf[base].inverse()

    @property
    def position_limits(self) -> Array:
        """Joint limits `(6, 2)` [rad]."""
        return np.column_stack([self._model.lowerPositionLimit, self._model.upperPositionLimit])

    @property
    def velocity_limits(self) -> Array:
        """Joint speed limits `(6,)` [rad/s]."""
        return np.array(self._model.velocityLimit)

    def fk(self, q: Array) -> Array:
        """`T_base_tool` `(4, 4)` of arm joints `(6,)` [rad]."""
        pin.framesForwardKinematics(self._model, self._data, np.asarray(q, dtype=float))
        pose: Array = (self._base_inverse * self._data.oMf[self._tool]).homogeneous
        return pose

    def tool_pose(self, q: Array) -> Array:
        """`(x, y, z, yaw)` of the tool in base_link [m, rad]."""
        return pose_to_xyzyaw(self.fk(q))

    def ik(self, q_seed: Array, xyzyaw: Array) -> Array:
        """Arm joints `(6,)` nearest the seed that bring the tool, pointing down, to a pose.

        Damped least squares on SE(3) (Buss 2004). Raises `KinematicsError` out of reach.
        """
        target = self._base_inverse.inverse() * pin.SE3(xyzyaw_to_pose(xyzyaw))
        q = np.array(q_seed, dtype=float)
        error = np.full(6, np.inf)
        for _ in range(_MAX_ITERATIONS):
            pin.computeJointJacobians(self._model, self._data, q)
            pin.updateFramePlacement(self._model, self._data, self._tool)
            delta = self._data.oMf[self._tool].actInv(target)
            error = pin.log6(delta).vector
            if float(np.abs(error).max()) < _TOLERANCE:
                return q
            jacobian = pin.getFrameJacobian(self._model, self._data, self._tool, pin.LOCAL)
            gram = jacobian @ jacobian.T + _DAMPING * np.eye(6)
            step = jacobian.T @ np.linalg.solve(gram, error)
            q += step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-12))
        raise KinematicsError(
            f"no joint angles reach the tool pose {np.round(xyzyaw, 3).tolist()} "
            f"(error {float(np.abs(error).max()):.3g})",
            "keep targets inside the workspace of the contract",
        )


def _model_of(urdf_xml: str) -> pin.Model:
    check_urdf(urdf_xml)
    try:
        model = pin.buildModelFromXML(urdf_xml)
    except (ValueError, RuntimeError, IndexError) as error:
        raise KinematicsError(
            f"the URDF is no robot ({one_line(error)})", "check it with `check_urdf`"
        ) from None
    placements = (joint.homogeneous for joint in model.jointPlacements)
    if not all(bool(np.isfinite(placement).all()) for placement in placements):
        raise KinematicsError("the URDF places a joint at no finite pose", "correct its <origin>")
    return model


def xyzyaw_to_pose(xyzyaw: Array) -> Array:
    """`T_base_tool` `(4, 4)` of a tool pointing straight down: `Rz(yaw) @ Rx(pi)`."""
    x, y, z, yaw = (float(v) for v in xyzyaw)
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, s, 0.0, x], [s, -c, 0.0, y], [0.0, 0.0, -1.0, z], [0.0, 0.0, 0.0, 1.0]])


def pose_to_xyzyaw(pose: Array) -> Array:
    """`(x, y, z, yaw)` of a pose; yaw is the heading of the tool's x axis."""
    yaw = np.arctan2(pose[1, 0], pose[0, 0])
    return np.array([pose[0, 3], pose[1, 3], pose[2, 3], yaw])
