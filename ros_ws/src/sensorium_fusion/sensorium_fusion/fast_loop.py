"""The fast half of the policy loop without ROS: every wrench in, displaced plans out.

`FastHalf` drives it, on the runner's thread: it is given what the runner plans and what shall be
felt, then ticked every 10 ms. A tick sees every reading up to its own time; every second one
proposes, since the gate takes motions over at knots of 20 ms. While the wrench is silent nothing
is added; without an intent the plan of the slow half goes on as it is; at its end the fast half
sleeps.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import ActionSpec
from sensorium_core.fast_policy import FastIntent, FastSenses
from sensorium_core.kinematics import Kinematics
from sensorium_core.stream import Stream
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.corrected_plan import STEP_NS, CorrectedPlan

Array = NDArray[np.float64]

TICK_NS = 10_000_000
READINGS = 32
"""Readings of the wrench that a correction is given."""
READING_S = 0.002
"""Between two of them."""
_SILENT_NS = 20_000_000
"""A wrench that is older is not acted on."""
_STUCK = 16
"""Nor one whose newest readings, of 32 ms, are all the same, long before the gate finds it out."""
_NO_TOUCH, _NO_JOINTS = np.zeros((READINGS, 2, 3)), np.zeros((READINGS, 14))


class Correction(Protocol):
    """The fast half: `FastPolicy`, or what stands in for it."""

    def reset(self) -> None:
        """Forgets everything."""

    def __call__(self, given: FastSenses) -> Array:
        """Displacement `(3,)` [m] until the next tick, yaw frame of the tool."""


class Felt:
    """What one correction is given; of touch and joints, nothing."""

    def __init__(self, wrench: Array, intent: FastIntent) -> None:
        self.wrench, self.intent = wrench, intent
        self.touch, self.joints = _NO_TOUCH, _NO_JOINTS


class FastLoop:
    """Corrects the plan under way from force; the gate judges the outcome like any proposal."""

    def __init__(self, correct: Correction, action: ActionSpec, arm: Kinematics) -> None:
        self._correct = correct
        self._plan = CorrectedPlan(action, arm)
        self._wrench = Stream(0.2)
        self._intent: FastIntent | None = None
        self._displaced = False

    @property
    def offset_m(self) -> Array:
        """How far the plan is displaced now `(3,)` [m], base_link."""
        return self._plan.offset_m

    def reset(self) -> None:
        """Forget everything, for a new episode or after a step of the clock."""
        self._wrench.clear()
        self.sleep()

    def sleep(self) -> None:
        """Nothing is to be corrected until the next plan."""
        self._intent = None
        self._plan.forget()
        self._correct.reset()

    @property
    def is_awake(self) -> bool:
        """Whether there is a plan to correct."""
        return self._intent is not None

    def planned(
        self, plan: Trajectory, intent: FastIntent | None, offset_m: Array | None = None
    ) -> None:
        """The runner proposed a plan, with what to feel on it; None: leave it as it is.

        `offset_m` `(3,)` [m], base_link, is how far it was displaced when it was proposed.
        """
        if intent is None:
            self.sleep()
            return
        self._plan.begin(plan, offset_m)
        self._intent, self._displaced = intent, False

    def push(self, stamp_ns: int, wrench: Array) -> None:
        """One reading `(6,)`, tool frame [N, Nm]."""
        self._wrench.push(stamp_ns, wrench)

    def tick(self, t_ns: int, believed: bool = True) -> Trajectory | None:
        """One tick at a multiple of `TICK_NS`; what to propose now, if anything.

        Nothing is proposed of a plan that needed no correction yet: it is under way as it is.
        A wrench that is not `believed` counts as silent, as does a stuck one. Raises
        `KinematicsError` where the displaced plan is out of reach.
        """
        if self._intent is None or not self._plan.has_begun(t_ns):
            return None
        if self._plan.is_over(t_ns):
            self.sleep()
            return None
        step = self._step(t_ns, self._intent, believed)
        if step.any():
            self._plan.displace(step, self._plan.yaw_at(t_ns))
            self._displaced = True
        is_due = t_ns // TICK_NS % (STEP_NS // TICK_NS) == 1
        return self._plan.proposal(t_ns) if is_due and self._displaced else None

    def _step(self, t_ns: int, intent: FastIntent, believed: bool) -> Array:
        """The correction of this tick; 0 where the wrench is silent or stuck."""
        seen = self._wrench.window(t_ns, READINGS, READING_S)
        silent = not believed or seen is None or t_ns - seen.stamp_ns > _SILENT_NS
        if silent or seen is None or _is_stuck(seen.value):
            self._correct.reset()
            return np.zeros(3)
        return self._correct(Felt(np.asarray(seen.value, np.float64), intent))


def _is_stuck(wrench: NDArray[np.generic]) -> bool:
    """Whether a sensor repeats itself bit for bit, which none does that feels something."""
    newest = wrench[-1]
    return bool(newest.any() and (wrench[-_STUCK:] == newest).all())
