"""What real sensors would make of the simulator's truth: noise, rounding, dropouts.

Noise is read from banks drawn once, at an offset that depends only on seed, sensor and time:
cheap at any picture size, and the same however often and in whichever order sensors are read.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from sensorium_sim.model import GRIPPER_BODIES
from sensorium_sim.rendering import CameraRig

Array = NDArray[np.float64]

JOINT_POSITION_NOISE_RAD = 2e-5
JOINT_VELOCITY_NOISE_RAD_S = 1e-3
FORCE_NOISE_N = 0.08
TORQUE_NOISE_NM = 0.004
TOUCH_NOISE_N = 0.03
JOINT_POSITION_STEP_RAD = 2.0**-18
JOINT_VELOCITY_STEP_RAD_S = 2.0**-13
FORCE_STEP_N = 2.0**-6
TORQUE_STEP_NM = 2.0**-10
TOUCH_STEP_N = 2.0**-7
"""Resolutions, as converters have them; a fifth of the noise. Rounded readings compress well."""
COLOUR_NOISE = 2.0
"""Standard deviation of each colour channel, of 255."""
DEPTH_NOISE_M = 0.001
DEPTH_DROPOUT = 0.002
"""Fraction of depth pixels without a reading."""

_PADS = tuple(GRIPPER_BODIES.index(f"{side}_pad") for side in ("left", "right"))
_COLOUR_CLIP = 6
_MASK = (1 << 64) - 1
_SPAN = 1 << 14


class Noise:
    """Banks of noise, addressed by time."""

    def __init__(self, n_pixels: int, n_values: int = 64) -> None:
        rng = np.random.default_rng(20_240_607)
        colour = rng.normal(0.0, COLOUR_NOISE, 3 * n_pixels + _SPAN)
        clipped = np.clip(np.rint(colour), -_COLOUR_CLIP, _COLOUR_CLIP)
        self._colour = clipped.astype(np.int8).view(np.uint8)
        depth_mm = rng.normal(0.0, 1e3 * DEPTH_NOISE_M, n_pixels + _SPAN)
        self._depth_mm = (depth_mm + 0.5).astype(np.float32)
        self._seen = (rng.random(n_pixels + _SPAN) >= DEPTH_DROPOUT).astype(np.uint16)
        self._values = rng.normal(0.0, 1.0, n_values + _SPAN)
        self._seed = 0

    def restart(self, seed: int) -> None:
        """Chooses the noise of an episode."""
        self._seed = _mix(seed)

    def values(self, channel: int, time_ns: int, n: int) -> Array:
        """`n` standard normal values, a view."""
        offset = self._offset(channel, time_ns)
        return self._values[offset : offset + n]

    def series(self, channel: int, times_ns: NDArray[np.int64], n: int) -> Array:
        """`values` at each of some times `(n_times, n)`."""
        keys = _mix_all(times_ns.astype(np.uint64) * np.uint64(8) + np.uint64(channel))
        offsets = (_mix_all(keys ^ np.uint64(self._seed)) % np.uint64(_SPAN)).astype(np.intp)
        return self._values[offsets[:, None] + np.arange(n)]

    def colour(self, channel: int, time_ns: int, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """A noisy copy. The clamp leaves room, so that modular addition cannot wrap."""
        offset = self._offset(channel, time_ns)
        noise = self._colour[offset : offset + rgb.size].reshape(rgb.shape)
        out = np.empty(rgb.shape, dtype=np.uint8)
        np.clip(rgb, np.uint8(_COLOUR_CLIP), np.uint8(255 - _COLOUR_CLIP), out=out)
        out += noise
        return out

    def depth(
        self, channel: int, time_ns: int, buffer: NDArray[np.float32], rig: CameraRig
    ) -> NDArray[np.uint16]:
        """Depth buffer to noisy millimetres `(h, w)`; 0 where there is no reading."""
        offset = self._offset(channel, time_ns)
        window = slice(offset, offset + buffer.size)
        metres = buffer + rig.depth_offset
        np.divide(np.float32(1e3) * rig.depth_scale, metres, out=metres)
        metres += self._depth_mm[window].reshape(buffer.shape)
        out = metres.astype(np.uint16)
        out *= self._seen[window].reshape(buffer.shape)
        return out

    def _offset(self, channel: int, time_ns: int) -> int:
        return _mix(self._seed ^ _mix(time_ns * 8 + channel)) % _SPAN


def rounded(values: Array, step: Array | float) -> Array:
    """To the nearest multiple of a sensor's resolution."""
    out: Array = np.rint(values / step) * step
    return out


def _mix(value: int) -> int:
    """SplitMix64 (Steele et al. 2014): spreads neighbouring integers over 64 bits."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def _mix_all(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """`_mix` of each value; unsigned arithmetic wraps as it should."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class ForceReader:
    """Wrench at the wrist and force on each pad, from MuJoCo's external body forces.

    The external force on the gripper's bodies is what an ideal wrist sensor reads after taring:
    weight and inertia of the tool are not in it.
    """

    def __init__(self, model: mujoco.MjModel) -> None:
        self._model = model
        self.bodies = np.array([model.body(name).id for name in GRIPPER_BODIES])
        self.tool = model.body("tool").id
        self.root = int(model.body_rootid[self.tool])

    def update(self, data: mujoco.MjData) -> None:
        """Evaluates the forces of the last step; call before reading."""
        mujoco.mj_rnePostConstraint(self._model, data)

    def wrench(self, data: mujoco.MjData) -> Array:
        """Force and torque `(6,)` of the world on the tool, in and about the frame `tool`."""
        arm = data.subtree_com[self.root] - data.xpos[self.tool]
        forces, rotation = data.cfrc_ext[self.bodies], data.xmat[self.tool]
        return tool_wrench(forces[None], arm[None], rotation[None])[0]

    def touch(self, data: mujoco.MjData) -> Array:
        """Force `(2, 3)` on the left and the right pad, in the pads' frames."""
        return pad_forces(data.cfrc_ext[self.bodies][None], data.xmat[self.tool][None])[0]


def tool_wrench(forces: Array, arm: Array, rotation: Array) -> Array:
    """Wrench `(n, 6)` in and about the tool frame.

    Args:
        forces: torque and force on the gripper's bodies `(n, n_bodies, 6)`, about the root's
            centre of mass, world axes.
        arm: from the tool's origin to that centre `(n, 3)`.
        rotation: of the tool, row by row `(n, 9)`.
    """
    total = forces.sum(axis=1)
    tx, ty, tz, fx, fy, fz = total.T
    ax, ay, az = arm.T
    about_tool = np.stack(
        [tx + (ay * fz - az * fy), ty + (az * fx - ax * fz), tz + (ax * fy - ay * fx)], axis=1
    )
    return np.hstack([_into_tool(total[:, 3:], rotation), _into_tool(about_tool, rotation)])


def pad_forces(forces: Array, rotation: Array) -> Array:
    """Force on the left and right pad `(n, 2, 3)`; arguments as for `tool_wrench`."""
    return np.stack([_into_tool(forces[:, i, 3:], rotation) for i in _PADS], axis=1)


def _into_tool(vectors: Array, rotation: Array) -> Array:
    """World to tool axes, `(n, 3)`, with the same rounding for any `n`."""
    x, y, z = vectors.T[:, :, None]
    out: Array = x * rotation[:, 0:3] + y * rotation[:, 3:6] + z * rotation[:, 6:9]
    return out
