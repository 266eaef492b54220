"""What a policy of contract version 2 remembers of its instruction, from its senses alone.

Nothing here knows a task. Two things are kept beside what `inputs.Memory` keeps: the latest
*press* (where the tool met something below it, since when, between which forces) and the latest
two *grasps* (where, how heavy it hung, how far it gave way under how much squeeze).
They are computed 100 times a second from the windows of one observation after another: the same
live, headless and from a bag, however often the policy is asked, as long as observations are not
further apart than their windows. Weights alone are taken from one observation at a time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, fields, replace

import numpy as np
from numpy.typing import NDArray

from sensorium_core.contract import Contract
from sensorium_core.errors import MessageDecodeError
from sensorium_core.felt import PRESS_NUMBERS, Grasp, Hand, Press
from sensorium_core.inputs import Float32, Memory
from sensorium_core.kinematics import Kinematics
from sensorium_core.observation import Observation

Array = NDArray[np.float64]

Felt = tuple[int | None, tuple[float, ...]]
"""All that `FeltMemory` holds but anchor and peak press: until when it has felt [ns], numbers."""
WIDTH = 32
"""Numbers of `FeltMemory.vector`."""
SHORT_WIDTH = 5
"""Numbers of `Memory.vector`: the memory of contract version 1."""
TOLD_BY: Mapping[str, tuple[int, ...]] = {
    "cloud": (*range(3),),
    "wrench": (*range(4, 15), 20, 21, 28, 29),
    "pads": (*range(15, 32),),
    "joints": (*range(7, 11), *range(15, 32)),
}
"""Which numbers of it need which sense: the target's place; presses and weights; grasps; the
places of presses, and grasps."""
PERIOD_NS = 10_000_000
"""Spacing of the samples of a window."""
LIFTED_M, STILL_RAD_S = 0.025, 0.015
"""What hangs this high, from an arm no faster than this, is weighed."""
_NOW = 10
"""Samples that count as "now": 0.1 s."""


class FeltMemory(Memory):
    """`Memory` with the latest press and grasps. `arm` tells where the tool is."""

    def __init__(self, arm: Kinematics) -> None:
        super().__init__()
        self._arm = arm
        self.press, self.hand = Press(), Hand()
        self.felt_ns: int | None = None
        """Until when the senses have been taken in."""

    def copy(self) -> FeltMemory:
        """One that shares nothing that changes."""
        other = FeltMemory(self._arm)
        other.anchor_m, other.peak_press_n = self.anchor_m, self.peak_press_n
        other.recall(self.felt())
        return other

    def felt(self) -> Felt:
        """What it holds besides anchor and peak press; floats keep every bit."""
        hand = self.hand
        *plain, _, _ = astuple(hand)
        things = (*astuple(hand.latest), *astuple(hand.before))
        return self.felt_ns, (*self.press.numbers(), *plain, *things)

    def recall(self, felt: Felt | None) -> None:
        """Become what `felt` told. Raises `MessageDecodeError` when that is of another version."""
        n, m = PRESS_NUMBERS, len(fields(Grasp))
        first = n + len(fields(Hand)) - 2
        if felt is None or len(felt[1]) != first + 2 * m:
            got = "nothing" if felt is None else f"{len(felt[1])} numbers"
            raise MessageDecodeError("memory", f"holds {got}", f"{first + 2 * m} numbers")
        self.felt_ns, numbers = felt
        self.press = Press.of(numbers[:n])
        grasps = Grasp(*numbers[first : first + m]), Grasp(*numbers[first + m :])
        self.hand = Hand(*numbers[n:first], *grasps)  # type: ignore[arg-type, call-arg]

    def feel(self, seen: Observation) -> None:
        """Take in what the windows of an observation hold since the one before."""
        super().feel(seen)
        fresh = self._fresh(seen)
        joints = seen.values["joints"].astype(np.float64)
        valid = seen.valid
        arm_known = valid.get("joints", False)
        if valid.get("wrench", False):
            self._press(seen.values["wrench"].astype(np.float64), joints, fresh, arm_known)
        else:
            self.press.lose()
        if arm_known and valid.get("touch_left", False) and valid.get("touch_right", False):
            sides = (seen.values[name][:, 1] for name in ("touch_left", "touch_right"))
            left, right = (side.astype(np.float64) for side in sides)
            self._grasp(np.minimum(left, -right), joints, fresh)
            if self.hand.holding and valid.get("wrench", False):
                self._weigh(seen.values["wrench"].astype(np.float64), joints)

    def _fresh(self, seen: Observation) -> int:
        """How many of a window's samples are new; the newest alone at the very first.

        What is left of a period counts towards the next observation.
        """
        length = len(seen.values["wrench"])
        if self.felt_ns is None or seen.t_ns < self.felt_ns:
            self.felt_ns = seen.t_ns
            return 1
        count = (seen.t_ns - self.felt_ns) // PERIOD_NS
        self.felt_ns += count * PERIOD_NS
        if count > length:
            self.press.lose()
        return min(count, length)

    def _press(self, wrench: Array, joints: Array, fresh: int, arm_known: bool) -> None:
        for row in range(len(wrench) - fresh, len(wrench)):
            if self.press.feel(-float(wrench[row, 2])) and arm_known:
                x, y, z, _ = self._arm.tool_pose(joints[row, :6])
                press = self.press
                press.known, press.x, press.y, press.z = 1.0, float(x), float(y), float(z)

    def _grasp(self, squeeze: Array, joints: Array, fresh: int) -> None:
        for row in range(len(squeeze) - fresh, len(squeeze)):
            taken, let_go = self.hand.feel(float(squeeze[row]), float(joints[row, 6]))
            if taken:
                self.hand.take(self._arm.tool_pose(joints[row, :6]))
            elif let_go:
                self.hand.put(self._arm.tool_pose(joints[row, :6]))

    def _weigh(self, wrench: Array, joints: Array) -> None:
        speed = float(np.abs(joints[-_NOW:, 7:13].mean(axis=0)).max())
        if speed > STILL_RAD_S:
            return
        if float(self._arm.tool_pose(joints[-1, :6])[2]) - self.hand.taken_z > LIFTED_M:
            self.hand.weigh(float(wrench[-_NOW:, 2].mean()))

    def vector(self) -> Float32:
        """`(32,)`: the five of `Memory.vector`; of the press whether it lasts, how long [1.5 s],
        where, whether that is known, least and largest force of the last 1.1 s, and of the
        steadiest 1.1 s [20 N]; whether something is held; of the latest two things known, where,
        weighed, load [3 N], sink [5 mm], squeeze [20 N]. All but places is cut at 2 of its unit.
        """
        more = [*self.press.vector(), *self.hand.vector()]
        return np.concatenate([super().vector(), np.array(more, dtype=np.float32)])


def new_memory(contract: Contract, arm: Kinematics | None) -> Memory:
    """The memory that policies of this contract have; version 1 needs no arm."""
    if contract.version == 1:
        return Memory()
    assert arm is not None
    return FeltMemory(arm)


def copy_of(memory: Memory) -> Memory:
    """A memory that does not change with the original."""
    return memory.copy() if isinstance(memory, FeltMemory) else replace(memory)


def memory_width(contract: Contract) -> int:
    """Numbers of the tensor `memory`."""
    return SHORT_WIDTH if contract.version == 1 else WIDTH
