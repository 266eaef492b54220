"""What the gate's tests share: a gate on the real URDF, its own clock, easy trajectories."""

from dataclasses import dataclass, field

import numpy as np
import pytest
from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import Decision
from sensorium_core.kinematics import JOINTS, Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_constants, load_urdf

MS = 1_000_000
START_NS = 1_000_000_000_000


def home_joints() -> np.ndarray:
    """Joints `(7,)` with the tool at home and the gripper open."""
    cell = load_constants()
    kinematics = Kinematics(load_urdf())
    arm = kinematics.ik(np.array(cell.home_seed_q), np.array(cell.home_tool_pose))
    return np.append(arm, cell.gripper_stroke_m)


@dataclass
class Rig:
    """A gate, its clock and a motionless arm that keeps reporting."""

    config: GateConfig = field(default_factory=GateConfig)
    now_ns: int = START_NS
    q: np.ndarray = field(default_factory=home_joints)

    def __post_init__(self) -> None:
        self.gate = Gate(self.config, load_urdf())

    def armed(self) -> "Rig":
        """Report once and arm."""
        self.report()
        assert self.gate.arm(self.now_ns).accepted
        return self

    def report(self) -> None:
        """Joint states and a wrench of nothing, now."""
        self.gate.observe_joints(self.now_ns, self.q, np.zeros(7), self.now_ns)
        self.gate.observe_wrench(self.now_ns, np.zeros(6), self.now_ns)

    def wait(self, seconds: float, report: bool = True) -> None:
        """Let time pass in 10 ms ticks."""
        for _ in range(round(seconds * 100)):
            self.now_ns += 10 * MS
            if report:
                self.report()
            self.gate.tick(self.now_ns)

    def chunk(self, joint: int = 0, rad_per_step: float = 0.02, **changes: object) -> Trajectory:
        """Eight waypoints 0.1 s apart that start at the measured joints and turn one of them."""
        times = np.arange(9) * 0.1
        positions = np.repeat(self.q[None], 9, axis=0)
        positions[:, joint] += rad_per_step * np.arange(9)
        return Trajectory(
            **{
                "stamp_ns": self.now_ns,
                "joint_names": JOINTS,
                "times_s": times,
                "positions": positions,
                **changes,
            }
        )

    def propose(self, trajectory: Trajectory | None = None) -> Decision:
        """Propose now; a harmless chunk by default."""
        return self.gate.propose(trajectory or self.chunk(), self.now_ns)


@pytest.fixture
def rig() -> Rig:
    """An armed gate over a motionless arm at home."""
    return Rig().armed()
