"""What baselines share with a policy: the state of a proposer, and how motions become plans."""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract
from sensorium_core.errors import KinematicsError
from sensorium_core.geometry import Camera
from sensorium_core.inputs import CommandHistory
from sensorium_core.kinematics import GRIPPER_OPEN_M, Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_fusion.plan import commanded_velocity, joint_trajectory, tool_waypoints
from sensorium_fusion.step import State

Array = NDArray[np.float64]


class Planned:
    """Keeps what was commanded; turns chunks into trajectories as `Runner` does. One thread."""

    def __init__(self, contract: Contract, arm: Kinematics) -> None:
        self._action, self._arm = contract.action, arm
        self._history = CommandHistory(contract.action.joints)

    def clear(self) -> None:
        """Forget what was commanded, for a new episode."""
        self._history.clear()

    def commanded(self, trajectory: Trajectory) -> None:
        """Take what the gate let pass."""
        self._history.push(trajectory)

    def reference(self, t_ns: int) -> Array | None:
        """Commanded tool x, y, z, yaw, open fraction `(5,)`; None before any command."""
        joints = self._history.sample(t_ns)
        if joints is None:
            return None
        opening = min(max(float(joints[6]) / GRIPPER_OPEN_M, 0.0), 1.0)
        return np.array([*self._arm.tool_pose(joints[:6]), opening])

    def trajectory(self, chunk: Array, t_ns: int) -> Trajectory | None:
        """The plan of a chunk `(n, 5)` from what is commanded at a time; None: out of reach."""
        joints, reference = self._history.sample(t_ns), self.reference(t_ns)
        if joints is None or reference is None:
            return None
        velocity, action = commanded_velocity(self._history, t_ns), self._action
        try:
            ahead = self._arm.tool_pose(joints[:6] + velocity[:6] * action.step_s)
            motions = chunk.astype(np.float32)
            waypoints = tool_waypoints(motions, reference, ahead - reference[:4], action)
            return joint_trajectory(waypoints, joints, velocity, t_ns, action, self._arm)
        except KinematicsError:
            return None


class Scripted:
    """A proposer that has no policy; it acts from the instruction on and never ends by itself."""

    def __init__(self) -> None:
        self.state, self.reason = State.IDLE, "no instruction"

    def reset(self) -> None:
        """Forget the episode."""
        self.state, self.reason = State.IDLE, "no instruction"

    def set_camera(self, camera: Camera | None) -> None:
        """It looks at nothing."""

    def push(self, modality: str, stamp_ns: int, value: NDArray[np.generic]) -> object:
        """It feels nothing."""

    def instruct(self, text: str) -> None:
        """Begin."""
        self.state, self.reason = State.ACTING, "acting"

    def commanded(self, trajectory: Trajectory) -> None:
        """It remembers nothing."""
