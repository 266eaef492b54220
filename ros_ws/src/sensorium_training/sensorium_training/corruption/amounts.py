"""What can ail a sense, and how bad it gets before it is dead: in N, Nm, m, rad, s and pixels."""

from dataclasses import dataclass

import torch
from sensorium_core.contract import Modality
from sensorium_core.errors import UnknownNameError
from torch import Tensor

KINDS = ("dropped", "stale", "late", "frozen", "noisy", "saturated", "biased")
"""Stale readings come late with the stamps of their capture, late ones with those of now."""
LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""From nothing to blackout: steps that cover the range. `sensorium evaluate --level` takes any."""
_ARM = 6
"""Joints before the gripper."""


@dataclass(frozen=True)
class Worst:
    """Amounts towards which a level of 1 tends; at 1 itself the sense is dead.

    Noise has this standard deviation on each axis. A bias is a vector of this length, on joints
    this much on each, either way.
    """

    late_s: float = 0.5
    frozen_s: float = 1.0
    force_n: float = 10.0
    torque_nm: float = 0.5
    pad_n: float = 5.0
    joint_rad: float = 0.05
    joint_rad_s: float = 0.2
    gripper_m: float = 0.005
    gripper_m_s: float = 0.02
    point_m: float = 0.03
    intensity: float = 60.0
    """Noise of pictures, of 255."""
    shift_px: float = 24.0
    """Bias of pictures: a camera that was knocked."""
    full_force_n: float = 150.0
    full_torque_nm: float = 10.0
    full_pad_n: float = 50.0
    full_joint_rad: float = 6.3
    full_joint_rad_s: float = 3.2
    full_gripper_m: float = 0.05
    full_gripper_m_s: float = 0.2
    """Ranges of healthy sensors; saturation shrinks them, to `saturated_share` of it."""
    saturated_share: float = 0.01
    gain: float = 8.0
    """Of pictures: how many times too bright."""

    def scales(self, modality: Modality) -> Tensor:
        """Worst noise or bias of each channel `(channels,)`."""
        force, torque, pad = self.force_n, self.torque_nm, self.pad_n
        joints = (self.joint_rad, self.gripper_m, self.joint_rad_s, self.gripper_m_s)
        return _channels(modality, force, torque, pad, joints)

    def ranges(self, modality: Modality) -> Tensor:
        """Range of each channel of a healthy sensor `(channels,)`."""
        full = (self.full_force_n, self.full_torque_nm, self.full_pad_n)
        joints = (
            self.full_joint_rad, self.full_gripper_m,
            self.full_joint_rad_s, self.full_gripper_m_s,
        )  # fmt: skip
        return _channels(modality, *full, joints)


def _channels(
    modality: Modality, force: float, torque: float, pad: float, joints: tuple[float, ...]
) -> Tensor:
    """One number per channel of a force, a pad or the joints' positions and velocities."""
    kind, width = modality.kind, modality.shape[-1]
    if kind == "joints" and width == 2 * (_ARM + 1):
        arm, gripper, arm_speed, gripper_speed = joints
        return torch.tensor([arm] * _ARM + [gripper] + [arm_speed] * _ARM + [gripper_speed])
    if kind == "vector" and width in (3, 6):
        return torch.tensor([force] * 3 + [torque] * 3 if width == 6 else [pad] * 3)
    allowed = ("vectors of 3 [N]", "vectors of 6 [N, Nm]", "positions and speeds of 7 joints")
    raise UnknownNameError("modality to corrupt", f"{modality.name} {modality.shape}", allowed)
