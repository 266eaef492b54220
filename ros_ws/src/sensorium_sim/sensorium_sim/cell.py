"""The simulated cell: an arm, a gripper, objects and buttons, with the sensors of the real one.

`Cell` is the only door to MuJoCo. It knows nothing of ROS, tasks or policies. Use from one
thread. The same scene, noise seed and commands give the same bytes, whatever was run before.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import UnknownNameError
from sensorium_core.kinematics import Kinematics
from sensorium_core.trajectory import Trajectory
from sensorium_description import load_constants, load_urdf

from sensorium_sim.controller import TrajectoryController
from sensorium_sim.ground_truth import GroundTruth
from sensorium_sim.model import SERVO_KP, SERVO_KV, build_spec
from sensorium_sim.readings import RawLog, Readings
from sensorium_sim.rendering import CameraRig, intrinsics
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.sensors import (
    FORCE_NOISE_N,
    FORCE_STEP_N,
    JOINT_POSITION_NOISE_RAD,
    JOINT_POSITION_STEP_RAD,
    JOINT_VELOCITY_NOISE_RAD_S,
    JOINT_VELOCITY_STEP_RAD_S,
    TORQUE_NOISE_NM,
    TORQUE_STEP_NM,
    TOUCH_NOISE_N,
    TOUCH_STEP_N,
    ForceReader,
    Noise,
    rounded,
)
from sensorium_sim.staging import stage

Array = NDArray[np.float64]

STEP_NS = 2_000_000
"""One simulation step."""

_LEAD_S = np.array([kv / kp for kp, kv in zip(SERVO_KP, SERVO_KV, strict=True)] + [0.0])
_JOINT_NOISE = np.array([JOINT_POSITION_NOISE_RAD] * 7 + [JOINT_VELOCITY_NOISE_RAD_S] * 7)
_JOINT_STEP = np.array([JOINT_POSITION_STEP_RAD] * 7 + [JOINT_VELOCITY_STEP_RAD_S] * 7)
_WRENCH_NOISE = np.array([FORCE_NOISE_N] * 3 + [TORQUE_NOISE_NM] * 3)
_WRENCH_STEP = np.array([FORCE_STEP_N] * 3 + [TORQUE_STEP_NM] * 3)
_JOINT_CHANNEL, _WRENCH_CHANNEL, _TOUCH_CHANNEL, _CAMERA_CHANNEL = 0, 1, 2, 3


class Cell:
    """MuJoCo cell driven by joint trajectories.

    Typical use:
        cell = Cell()
        cell.reset(scene)
        cell.command(trajectory)
        cell.step(50)                       # 0.1 s
        rgb, depth_mm = cell.render("scene")

    Args:
        camera_width, camera_height: picture size of every camera, 4:3.
        cameras: those that may be rendered; none means that no OpenGL context is made.
        noise_seed: combined with the scene's seed to choose the sensor noise.
    """

    def __init__(
        self,
        camera_width: int = 128,
        camera_height: int = 96,
        cameras: tuple[str, ...] = ("scene", "wrist"),
        noise_seed: int = 0,
    ) -> None:
        self.constants = load_constants()
        self.joint_names = self.constants.joints
        self.kinematics = Kinematics(load_urdf())
        self.model = self._build(camera_width, camera_height)
        self.data = mujoco.MjData(self.model)
        self._size = (camera_width, camera_height)
        self._noise_seed = noise_seed
        self._cameras = cameras
        self._rig = (
            CameraRig(self.model, camera_width, camera_height, cameras) if cameras else None
        )
        self._noise = Noise(camera_width * camera_height)
        self._force = ForceReader(self.model)
        self._truth = self._make_truth()
        self._controller = TrajectoryController(self.joint_names, STEP_NS, _LEAD_S)
        self._steps = 0
        self._forces_at = -1

    def _build(self, width: int, height: int) -> mujoco.MjModel:
        return build_spec(width, height).compile()

    def _make_truth(self) -> GroundTruth:
        return GroundTruth(self.model, self.data)

    def _stage(self, scene: Scene) -> None:
        stage(self.model, self.data, scene)

    def reset(self, scene: Scene) -> None:
        """Starts an episode: time 0, everything at rest, no trajectory, fresh noise."""
        mujoco.mj_resetData(self.model, self.data)
        self._stage(scene)
        self._noise.restart((self._noise_seed << 32) ^ scene.seed)
        seed_q = np.array(self.constants.home_seed_q)
        q = np.array([*self.kinematics.ik(seed_q, np.array(scene.start_pose)), 0.0])
        q[6] = scene.start_opening_m
        self.data.qpos[:7] = q
        self.data.qpos[7] = q[6]
        self.data.ctrl[:] = q
        self._controller.reset(q)
        self._truth.reset(scene)
        self._steps, self._forces_at = 0, -1
        self._settle_everything()

    def _settle_everything(self) -> None:
        """Places every body. With sleep on, MuJoCo leaves out those that never move by
        themselves, and the buttons have just been put elsewhere.
        """
        sleep = int(mujoco.mjtEnableBit.mjENBL_SLEEP)
        self.model.opt.enableflags &= ~sleep
        mujoco.mj_forward(self.model, self.data)
        self.model.opt.enableflags |= sleep

    def step(self, n: int = 1) -> None:
        """Advances `n` steps of 2 ms, following the commanded trajectory."""
        model, data = self.model, self.data
        ctrl, advance, watch = data.ctrl, self._controller.advance, self._truth.watch
        for _ in range(n):
            advance(ctrl)
            mujoco.mj_step(model, data)
            watch()
        self._steps += n

    def sense(self, n: int) -> Readings:
        """Advances `n` steps and returns the fast sensors of each."""
        log = RawLog(n, self.model, self.data, self._force)
        write = log.writer()
        first = self._steps + 1
        for i in range(n):
            self.step()
            write(i)
        times = STEP_NS * np.arange(first, first + n)
        joint_noise = self._noise.series(_JOINT_CHANNEL, times, 14)
        wrench_noise = self._noise.series(_WRENCH_CHANNEL, times, 6)
        touch_noise = self._noise.series(_TOUCH_CHANNEL, times, 6).reshape(n, 2, 3)
        joints = np.hstack([log.positions, log.velocities]) + _JOINT_NOISE * joint_noise
        return Readings(
            stamps_ns=times,
            joints=rounded(joints, _JOINT_STEP),
            wrench=rounded(log.wrench() + _WRENCH_NOISE * wrench_noise, _WRENCH_STEP),
            touch=rounded(log.touch() + TOUCH_NOISE_N * touch_noise, TOUCH_STEP_N),
        )

    def command(self, trajectory: Trajectory) -> bool:
        """Follows `trajectory` from now on (see `TrajectoryController`); stamp 0 means now.

        Arm and gripper are separate: commanding one leaves the other on its way. Returns False
        when every waypoint is past. Raises `TrajectoryError` when it is malformed.
        """
        return self._controller.command(trajectory, self.time_ns)

    def setpoint(self) -> Array:
        """Joint positions `(7,)` that the servos are told now [rad, gripper m]."""
        return self._controller.position

    @property
    def time_ns(self) -> int:
        """Time since the reset."""
        return self._steps * STEP_NS

    def joints(self) -> tuple[Array, Array]:
        """Measured positions and velocities `(7,)` each [rad, rad/s; gripper m, m/s]."""
        noise = self._noise.values(_JOINT_CHANNEL, self.time_ns, 14)
        position = self.data.qpos[:7] + _JOINT_NOISE[:7] * noise[:7]
        velocity = self.data.qvel[:7] + _JOINT_NOISE[7:] * noise[7:]
        return rounded(position, _JOINT_STEP[:7]), rounded(velocity, _JOINT_STEP[7:])

    def wrench(self) -> Array:
        """Force and torque `(6,)` of the world on the tool, in frame `tool`, tared [N, Nm]."""
        self._update_forces()
        noise = self._noise.values(_WRENCH_CHANNEL, self.time_ns, 6)
        return rounded(self._force.wrench(self.data) + _WRENCH_NOISE * noise, _WRENCH_STEP)

    def touch(self) -> Array:
        """Contact force `(2, 3)` on the left and right pad, in the pads' frames [N]."""
        self._update_forces()
        noise = self._noise.values(_TOUCH_CHANNEL, self.time_ns, 6).reshape(2, 3)
        return rounded(self._force.touch(self.data) + TOUCH_NOISE_N * noise, TOUCH_STEP_N)

    def _update_forces(self) -> None:
        if self._forces_at != self._steps:
            self._force.update(self.data)
            self._forces_at = self._steps

    def render(self, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """Colour `(h, w, 3)` uint8 and depth `(h, w)` uint16 [mm, 0 = no reading], new arrays."""
        rig, channel = self._camera(name)
        rgb, buffer = rig.render(self.data, name)
        colour = self._noise.colour(channel, self.time_ns, rgb)
        return colour, self._noise.depth(channel + 1, self.time_ns, buffer, rig)

    def render_colour(self, name: str) -> NDArray[np.uint8]:
        """The colour of `render` alone, for less."""
        rig, channel = self._camera(name)
        return self._noise.colour(channel, self.time_ns, rig.render(self.data, name, False)[0])

    def _camera(self, name: str) -> tuple[CameraRig, int]:
        """The renderer and a camera's first noise channel."""
        if self._rig is None or name not in self._cameras:
            raise UnknownNameError("camera", name, self._cameras or ("none in this cell",))
        return self._rig, _CAMERA_CHANNEL + 2 * self._cameras.index(name)

    def camera_info(self, name: str) -> tuple[Array, Array]:
        """Pinhole matrix K `(3, 3)` [px] and present `T_base_optical` `(4, 4)`."""
        fovy = self.constants.cameras[name]["vertical_fov_deg"]
        body = self.model.body(f"camera_{name}_optical_frame").id
        pose = np.eye(4)
        pose[:3, :3] = self.data.xmat[body].reshape(3, 3)
        pose[:3, 3] = self.data.xpos[body]
        return intrinsics(fovy, *self._size), pose

    def ground_truth(self) -> SceneState:
        """The true state of everything, for judging and for experts; never for policies."""
        return self._truth.read(self.time_ns)

    def close(self) -> None:
        """Frees the renderer."""
        if self._rig is not None:
            self._rig.close()
            self._rig = None
