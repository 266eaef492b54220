"""What is proposed next, from what the gate let pass: plans, their take-over, stops.

Owns the history of commands. Decides nothing: the runner says what is to be proposed. One thread.
"""

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import ActionSpec
from sensorium_core.errors import KinematicsError
from sensorium_core.inputs import CommandHistory, reference_pose
from sensorium_core.kinematics import Kinematics
from sensorium_core.observation import Observation
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Ahead, beginning_ns
from sensorium_fusion.corrected_plan import displaced
from sensorium_fusion.plan import (
    DIFFERENCE_NS,
    commanded_velocity,
    joint_trajectory,
    stop_trajectory,
    tool_waypoints,
)

Array = NDArray[np.float64]

_KEPT = 128
"""Commands remembered: with a fast half a hundred come in a second, for arm and gripper."""
_LEAST_LEAD = 0.5
"""Waypoints nearer than this part of an action step are left out of a plan that takes over."""


class Planner:
    """Makes trajectories of one arm; raises `KinematicsError` where they are out of reach."""

    def __init__(self, action: ActionSpec, arm: Kinematics) -> None:
        self._action, self._arm = action, arm
        self.history = CommandHistory(action.joints, _KEPT)

    def reference(self, t_ns: int, seen: Observation) -> tuple[Array, Array]:
        """Commanded joints `(7,)` and tool `(5,)` at a time; see `reference_pose`."""
        return reference_pose(self.history.sample(t_ns), seen, self._arm)

    def plan(
        self, t_ns: int, chunk: NDArray[np.float32], joints: Array, reference: Array
    ) -> Trajectory:
        """The trajectory of a chunk, from the joints and tool that `reference` gave on."""
        action, arm = self._action, self._arm
        velocity = commanded_velocity(self.history, t_ns)
        ahead = arm.tool_pose(joints[:6] + velocity[:6] * action.step_s)
        waypoints = tool_waypoints(chunk, reference, ahead - reference[:4], action)
        return joint_trajectory(waypoints, joints, velocity, t_ns, action, arm)

    def taking_over(self, plan: Trajectory, ahead: Ahead | None) -> Trajectory:
        """A plan as it goes on after what the fast half did meanwhile; itself where that is none.

        It begins after all that was proposed, at the setpoint commanded for then; the rest of it
        is displaced by what was corrected and its own start does not show.
        """
        if ahead is None:
            return plan
        begin_ns, unseen_m = beginning_ns(plan.stamp_ns, ahead), np.array(ahead[1])
        if begin_ns == plan.stamp_ns and not unseen_m.any():
            return plan
        times = plan.times_s - (begin_ns - plan.stamp_ns) * 1e-9
        left = times >= _LEAST_LEAD * self._action.step_s
        if not left.any():
            raise KinematicsError("nothing is left of the plan", "let the policy answer sooner")
        assert plan.velocities is not None
        rest = plan.positions[left]
        if unseen_m.any():
            rest = displaced(rest, unseen_m, self._action, self._arm)
        start = self.history.sample(begin_ns)
        start = plan.sample(begin_ns) if start is None else start
        rates = np.vstack([commanded_velocity(self.history, begin_ns), plan.velocities[left]])
        rates[:, 6] = 0.0
        positions, times = np.vstack([start, rest]), np.append(0.0, times[left])
        return Trajectory(begin_ns, plan.joint_names, times, positions, rates)

    def stop(self, t_ns: int) -> Trajectory | None:
        """To rest from what is commanded at a time; None before anything was."""
        setpoint = self.history.sample(t_ns)
        if setpoint is None:
            return None
        velocity = commanded_velocity(self.history, t_ns)
        return stop_trajectory(setpoint, velocity, t_ns, self._action.joints)

    def consulted(self, t_ns: int, begin_ns: int) -> tuple[Trajectory, ...]:
        """The commands that a step looks at whose motion begins then; oldest first."""
        return self.history.consulted(t_ns, begin_ns + DIFFERENCE_NS)
