"""Reads the true state of the cell, and watches the buttons at every step."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray
from sensorium_core.kinematics import pose_to_xyzyaw

from sensorium_sim.model import (
    BUTTON_CLICK_TRAVEL_M,
    BUTTON_RELEASE_TRAVEL_M,
    BUTTON_TOP_M,
    GRIPPER_BODIES,
)
from sensorium_sim.scene import (
    N_BUTTONS,
    ButtonState,
    ObjectState,
    Scene,
    SceneState,
)

Array = NDArray[np.float64]

_TOUCHED_M = 2e-5
"""Button travel that only a touch causes; at rest the preload holds the cap at its stop."""
_CLOSED_M = 0.008
"""Fingers closer than this hold nothing, even when an object leans on both."""


class GroundTruth:
    """Latches clicks and peak forces; turns MuJoCo's arrays into `SceneState`."""

    def __init__(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._model = model
        self._data = data
        joints = [model.joint(f"button_{i}") for i in range(N_BUTTONS)]
        self._travel = data.qpos[joints[0].qposadr[0] : joints[-1].qposadr[0] + 1]
        self._tool = model.body("tool").id
        pads = [model.body(f"{side}_pad").id for side in ("left", "right")]
        gripper = [model.body(name).id for name in GRIPPER_BODIES]
        self._pad_of_geom = np.full(model.ngeom, -1)
        self._is_gripper = np.isin(model.geom_bodyid, gripper)
        for side, body in enumerate(pads):
            self._pad_of_geom[model.geom_bodyid == body] = side
        self._object_of_geom = np.full(model.ngeom, -1)
        self._set_click_travel(np.full(N_BUTTONS, BUTTON_CLICK_TRAVEL_M))
        self._clear()

    def _set_click_travel(self, travel: Array) -> None:
        """Travel `(N_BUTTONS,)` at which each button clicks."""
        self._click_travel = travel
        self._release_travel = BUTTON_RELEASE_TRAVEL_M / BUTTON_CLICK_TRAVEL_M * travel

    def _clear(self) -> None:
        self._peak = np.zeros(N_BUTTONS)
        self._clicks = np.zeros(N_BUTTONS, dtype=int)
        self._armed = np.ones(N_BUTTONS, dtype=bool)

    def reset(self, scene: Scene) -> None:
        """Begins an episode with nothing clicked."""
        self._scene = scene
        self._clear()
        self._object_of_geom[:] = -1
        self._adr = []
        for index in range(len(scene.objects)):
            self._object_of_geom[self._model.geom(f"object_{index}").id] = index
            joint = self._model.joint(f"object_{index}")
            self._adr.append((int(joint.qposadr[0]), int(joint.dofadr[0])))

    def watch(self) -> None:
        """Notes button travel and force; call after every step. Costs little until touched."""
        travel = self._travel
        if travel[0] < _TOUCHED_M and travel[1] < _TOUCHED_M:
            return
        np.maximum(self._peak, self._data.sensordata, out=self._peak)
        down = travel >= self._click_travel
        self._clicks += down & self._armed
        self._armed = (self._armed & ~down) | (travel < self._release_travel)

    def read(self, time_ns: int) -> SceneState:
        """A snapshot that shares no memory with the simulator."""
        data = self._data
        pose = np.eye(4)
        pose[:3, :3] = data.xmat[self._tool].reshape(3, 3)
        pose[:3, 3] = data.xpos[self._tool]
        held, touched = self._contacts()
        return SceneState(
            time_ns=time_ns,
            objects=tuple(self._object(i) for i in range(len(self._scene.objects))),
            buttons=tuple(self._button(i) for i in range(N_BUTTONS)),
            tool_pose=pose_to_xyzyaw(pose),
            opening_m=float(data.qpos[6]),
            holding=held,
            peak_button_force_n=float(self._peak.max()),
            touched=touched,
        )

    def _object(self, index: int) -> ObjectState:
        spec, data = self._scene.objects[index], self._data
        qpos, dof = self._adr[index]
        w, x, y, z = data.qpos[qpos + 3 : qpos + 7]
        return ObjectState(
            colour=spec.colour,
            shape=spec.shape,
            size_m=spec.size_m,
            position=data.qpos[qpos : qpos + 3].copy(),
            quat_xyzw=np.array([x, y, z, w]),
            velocity=data.qvel[dof : dof + 3].copy(),
        )

    def _button(self, index: int) -> ButtonState:
        spec = self._scene.buttons[index]
        return ButtonState(
            colour=spec.colour,
            position=np.array([spec.x, spec.y, BUTTON_TOP_M]),
            travel_m=float(self._travel[index]),
            clicks=int(self._clicks[index]),
            peak_force_n=float(self._peak[index]),
        )

    def _contacts(self) -> tuple[int | None, tuple[int, ...]]:
        """The object between both pads, and every object that the gripper touches."""
        pairs = self._data.contact.geom
        if not len(pairs):
            return None, ()
        both = np.concatenate([pairs, pairs[:, ::-1]])
        objects = self._object_of_geom[both[:, 1]]
        mine = self._is_gripper[both[:, 0]] & (objects >= 0)
        touched = sorted({int(i) for i in objects[mine]})
        pads = self._pad_of_geom[both[:, 0]]
        between = [i for i in touched if {0, 1} <= set(pads[mine & (objects == i)].tolist())]
        apart = self._data.qpos[6] > _CLOSED_M
        return (between[0] if between and apart else None), tuple(touched)
