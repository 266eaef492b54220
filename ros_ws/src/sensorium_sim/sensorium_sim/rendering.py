"""Renders the cameras without a screen: one pass gives colour and depth.

Owns the OpenGL context. Use from one thread, the one that built it. No shadows, no multisampling:
both cost more than everything else together in software rendering.
"""

from __future__ import annotations

import weakref

import mujoco
import numpy as np
from numpy.typing import NDArray

from sensorium_sim.model import HIDDEN_GROUP


class CameraRig:
    """Every camera of a model, all with the same picture size."""

    def __init__(
        self, model: mujoco.MjModel, width: int, height: int, cameras: tuple[str, ...]
    ) -> None:
        self._model = model
        self._gl = mujoco.GLContext(width, height)
        self._gl.make_current()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        self._end = weakref.finalize(self, free_context, self._gl, self._context)
        self._end.atexit = False
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION,
                     mujoco.mjtRndFlag.mjRND_HAZE, mujoco.mjtRndFlag.mjRND_SKYBOX):  # fmt: skip
            self._scene.flags[flag] = 0
        self._option = mujoco.MjvOption()
        self._option.geomgroup[HIDDEN_GROUP] = 0
        self._rect = mujoco.MjrRect(0, 0, width, height)
        self._cameras = {name: _fixed_camera(model, name) for name in cameras}
        self._rgb = np.zeros((height, width, 3), dtype=np.uint8)
        self._depth = np.zeros((height, width), dtype=np.float32)
        near = model.vis.map.znear * model.stat.extent
        far = model.vis.map.zfar * model.stat.extent
        self.depth_scale = np.float32(far * near / (far - near))
        self.depth_offset = np.float32(near / (far - near))
        self.far_m = float(far)

    def render(
        self, data: mujoco.MjData, name: str, depth: bool = True
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Colour `(h, w, 3)` and reversed depth buffer `(h, w)`: upside-up views, valid until the
        next call. Metres are `depth_scale / (buffer + depth_offset)`. Without `depth` the buffer
        is not read: what it holds is old.
        """
        self._gl.make_current()
        mujoco.mjv_updateScene(
            self._model, data, self._option, None, self._cameras[name],
            mujoco.mjtCatBit.mjCAT_ALL, self._scene,
        )  # fmt: skip
        mujoco.mjr_render(self._rect, self._scene, self._context)
        buffer = self._depth if depth else None
        mujoco.mjr_readPixels(self._rgb, buffer, self._rect, self._context)
        return self._rgb[::-1], self._depth[::-1]

    def close(self) -> None:
        """Frees the OpenGL context; without this call it goes with the last use of this object."""
        self._end()


def free_context(gl: mujoco.GLContext, context: mujoco.MjrContext) -> None:
    """Frees what lies in its own context: in another that were the pictures of another rig."""
    gl.make_current()
    context.free()
    gl.free()


def _fixed_camera(model: mujoco.MjModel, name: str) -> mujoco.MjvCamera:
    camera = mujoco.MjvCamera()
    camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
    camera.fixedcamid = model.camera(name).id
    return camera


def intrinsics(fovy_deg: float, width: int, height: int) -> NDArray[np.float64]:
    """Pinhole matrix K `(3, 3)`; pixel centres are at integer coordinates."""
    focal = 0.5 * height / np.tan(np.radians(fovy_deg) / 2)
    return np.array(
        [[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]], dtype=float
    )
