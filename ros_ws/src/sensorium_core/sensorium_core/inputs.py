"""From an observation to the exact tensors that a policy file takes. Live, headless and training.

Besides the senses a policy is told where the *commanded* tool is (the measured one lags), what was
said, and two things to remember about this instruction: where the target was when it was given and
how hard the tool has pressed since.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensorium_core.contract import Contract
from sensorium_core.kinematics import GRIPPER_OPEN_M, JOINTS, Kinematics
from sensorium_core.observation import Observation, sense_validity
from sensorium_core.trajectory import Trajectory

Float32 = NDArray[np.float32]
Array = NDArray[np.float64]

PRESS_SCALE_N = 20.0


class CommandHistory:
    """The commanded setpoint at any recent time, from the trajectories that the gate let pass.

    A trajectory may move some of the joints; the others keep to the one that last moved them.
    """

    def __init__(self, joints: tuple[str, ...] = JOINTS, keep: int = 32) -> None:
        self._joints, self._keep = joints, keep
        self._trajectories: list[Trajectory] = []

    def push(self, trajectory: Trajectory) -> None:
        """Remember a commanded trajectory; one much older than the last means a clock reset."""
        if self._trajectories and trajectory.stamp_ns < self._trajectories[-1].stamp_ns - 10**9:
            self._trajectories.clear()
        self._trajectories = [*self._trajectories, trajectory][-self._keep :]

    def clear(self) -> None:
        """Forget all, for a new episode."""
        self._trajectories.clear()

    def has_since(self, t_ns: int) -> bool:
        """Whether anything was commanded to begin at a time or later."""
        return any(trajectory.stamp_ns >= t_ns for trajectory in self._trajectories)

    def consulted(self, t_ns: int, until_ns: int) -> tuple[Trajectory, ...]:
        """Those that `sample` looks at for any time in between, oldest first."""
        found: list[Trajectory] = []
        covered: set[str] = set()
        for trajectory in reversed(self._trajectories):
            if trajectory.stamp_ns > until_ns or len(covered) == len(self._joints):
                continue
            found.append(trajectory)
            if trajectory.stamp_ns <= t_ns:
                covered.update(trajectory.joint_names)
        return tuple(reversed(found))

    def sample(self, t_ns: int) -> Array | None:
        """Setpoint `(n_joints,)` at a time, by the latest trajectory not later; else None."""
        setpoint: dict[str, float] = {}
        for trajectory in reversed(self._trajectories):
            if trajectory.stamp_ns > t_ns or set(trajectory.joint_names) <= setpoint.keys():
                continue
            row = trajectory.sample(t_ns)
            for name, value in zip(trajectory.joint_names, row, strict=True):
                setpoint.setdefault(name, float(value))
            if len(setpoint) == len(self._joints):
                return np.array([setpoint[name] for name in self._joints])
        return None


@dataclass
class Memory:
    """What a policy remembers of the current instruction; reset by each new one."""

    anchor_m: Array | None = None
    """Where the target was when the instruction was given, in base_link `(3,)`."""
    peak_press_n: float = field(default=0.0)
    """Largest force against the tool's axis since then [N]."""

    def feel(self, seen: Observation) -> None:
        """Take in the wrench of one step."""
        if seen.valid.get("wrench", False):
            self.peak_press_n = max(self.peak_press_n, press_force_n(seen.values["wrench"]))

    def vector(self) -> Float32:
        """`(5,)`: anchor x, y, z [m], whether there is one, peak press / 20 N clipped to 1.5."""
        anchor = np.zeros(3) if self.anchor_m is None else self.anchor_m
        press = min(self.peak_press_n / PRESS_SCALE_N, 1.5)
        return np.array([*anchor, self.anchor_m is not None, press], dtype=np.float32)


def press_force_n(wrench_window: NDArray[np.generic]) -> float:
    """Largest push against the tool axis in a window `(n, 6)`, averaged over 3 samples [N]."""
    push = -wrench_window[:, 2].astype(np.float64)
    return float(np.convolve(push, np.full(3, 1 / 3), mode="valid").max())


def joints_now(seen: Observation) -> Array:
    """The newest measured positions and velocities `(2 * n_joints,)`."""
    joints = seen.values["joints"].astype(np.float64)
    return joints if joints.ndim == 1 else joints[-1]


def reference_pose(
    setpoint: Array | None, seen: Observation, kinematics: Kinematics
) -> tuple[Array, Array]:
    """Commanded joints `(7,)` and tool `(x, y, z, yaw, open fraction)` `(5,)`.

    Before anything was commanded, the measured joints stand in.
    """
    joints = joints_now(seen)[:7] if setpoint is None else setpoint
    opening = min(max(float(joints[6]) / GRIPPER_OPEN_M, 0.0), 1.0)
    return joints, np.array([*kinematics.tool_pose(joints[:6]), opening])


def policy_inputs(
    contract: Contract,
    seen: Observation,
    reference: Array,
    memory: Memory,
    tokens: Float32,
) -> dict[str, NDArray[np.generic]]:
    """The named tensors of one step, each with a leading batch axis of 1."""
    images = {m.name: seen.values[m.name] for m in contract.modalities if m.kind == "image"}
    vectors = {
        m.name: seen.values[m.name] for m in contract.modalities if m.kind in ("vector", "joints")
    }
    tensors: dict[str, NDArray[np.generic]] = {
        **images,
        "cloud": seen.values["cloud"],
        **vectors,
        "reference": reference.astype(np.float32),
        "memory": memory.vector(),
        "text": tokens.astype(np.float32),
        "valid": sense_validity(contract, seen),
    }
    return {name: tensor[None] for name, tensor in tensors.items()}
