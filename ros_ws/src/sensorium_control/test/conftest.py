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
    """A gate, its clock and an arm that keeps reporting, and follows unless `follows` is False."""

    config: GateConfig = field(default_factory=GateConfig)
    now_ns: int = START_NS
    q: np.ndarray = field(default_factory=home_joints)
    follows: bool = True
    noise: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def __post_init__(self) -> None:
        self.gate = Gate(self.config, load_urdf())

    def armed(self) -> "Rig":
        """Report once and arm."""
        self.report()
        assert self.gate.arm(self.now_ns).accepted
        return self

    def report(self) -> None:
        """Joint states and a wrench of next to nothing, now."""
        self.report_joints()
        self.gate.observe_wrench(self.now_ns, self.noise.normal(0, 0.1, 6), self.now_ns)

    def report_joints(self) -> None:
        """Joint states alone, of an arm that is where it was told to be."""
        setpoint = self.gate.setpoint(self.now_ns)
        if self.follows and setpoint is not None:
            self.q = setpoint
        speed = self.noise.normal(0, 1e-3, 7)
        self.gate.observe_joints(self.now_ns, self.q, speed, self.now_ns)

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
