"""The gate of a simulated episode, and a record of all that it refused, held or stopped.

It is configured as the robot's gate node is by default, hears what the node hears and is asked as
often. Switched off, it lets everything pass, to measure what the gate costs. One thread; the
simulator's clock is the only clock.
"""

import numpy as np
from sensorium_control.gate import Gate
from sensorium_control.limits import GateConfig
from sensorium_control.reasons import GateState
from sensorium_core.contract import Contract
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_urdf
from sensorium_sim.readings import Readings


class Guard:
    """Between proposals and the arm of one episode."""

    def __init__(self, config: GateConfig, on: bool = True) -> None:
        self.gate = Gate(config, load_urdf())
        self.refusals: list[str] = []
        """Why proposals were refused, `reason: detail`."""
        self.trips: list[str] = []
        """Why the gate held or stopped the arm after it was armed, `reason: detail`."""
        self._on = on
        self._was = GateState.DISARMED

    @classmethod
    def of(cls, contract: Contract, on: bool = True) -> "Guard":
        """The gate as its node is configured by default, for a contract."""
        return cls(GateConfig.from_contract(contract), on)

    def arm(self, now_ns: int) -> None:
        """Arm; the senses must have been heard."""
        armed = self.gate.arm(now_ns)
        assert armed.accepted or not self._on, armed.detail
        self._was = self.gate.state

    def hear(self, readings: Readings) -> Trajectory | None:
        """Take every joint state and wrench of a stretch; returns a hold to send, or None."""
        if not self._on:
            return None
        times = readings.stamps_ns.tolist()
        for now_ns, joints, wrench in zip(times, readings.joints, readings.wrench, strict=True):
            self.gate.observe_joints(now_ns, joints[:7], joints[7:])
            self.gate.observe_wrench(now_ns, wrench)
        self.gate.tick(times[-1], times[-1])
        self.gate.observe_heartbeat(times[-1])
        return self._reaction()

    def propose(self, trajectory: Trajectory, now_ns: int) -> list[Trajectory]:
        """What goes to the arm: the motion, a hold, or nothing."""
        if not self._on:
            return [trajectory]
        decision = self.gate.propose(trajectory, now_ns)
        if decision.trajectory is None:
            self.refusals.append(f"{decision.reason.value}: {decision.detail}")
        sent = (decision.trajectory, self._reaction())
        return [motion for motion in sent if motion is not None]

    def _reaction(self) -> Trajectory | None:
        state, cause = self.gate.state, self.gate.cause
        if state is not self._was and state in (GateState.HOLDING, GateState.STOPPED):
            self.trips.append(f"{cause.reason.value}: {cause.detail}")
        self._was = state
        return self.gate.pop_reaction()


def peak_force_n(readings: Readings) -> float:
    """Largest measured force on the tool of a stretch [N]."""
    return float(np.linalg.norm(readings.wrench[:, :3], axis=1).max())
