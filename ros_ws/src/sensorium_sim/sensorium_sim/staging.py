"""Puts a scene on the table: switches the geometry of the model's slots and moves the buttons."""

from __future__ import annotations

import mujoco
import numpy as np
from sensorium_core.errors import UnknownNameError

from sensorium_sim.scene import MAX_OBJECTS, N_BUTTONS, RGB, ObjectSpec, Scene

_TYPES = {
    "cube": mujoco.mjtGeom.mjGEOM_BOX,
    "cylinder": mujoco.mjtGeom.mjGEOM_CYLINDER,
    "ball": mujoco.mjtGeom.mjGEOM_SPHERE,
}
_ROLLING = {"cube": 0.0001, "cylinder": 0.0001, "ball": 0.004}
"""Rolling friction [m]: a ball comes to rest within a centimetre, as on felt."""


def stage(model: mujoco.MjModel, data: mujoco.MjData, scene: Scene) -> None:
    """Makes `model` and the free bodies of `data` show `scene`. The arm is left alone."""
    for slot in range(MAX_OBJECTS):
        spec = scene.objects[slot] if slot < len(scene.objects) else None
        _stage_slot(model, data, slot, spec)
    for index in range(N_BUTTONS):
        button = scene.buttons[index]
        body = model.body(f"button_{index}").id
        model.body_pos[body] = (button.x, button.y, 0.0)
        model.geom_rgba[model.geom(f"cap_{index}").id, :3] = button.rgb or _rgb(button.colour)
    model.light_diffuse[0] = 0.62 * scene.light
    model.light_ambient[0] = 0.38 * scene.light
    table = model.body("table").id
    model.geom_rgba[model.geom_bodyid == table, :3] = scene.table_rgb


def _rgb(colour: str) -> tuple[float, float, float]:
    if colour not in RGB:
        raise UnknownNameError("colour", colour, RGB)
    return RGB[colour]


def _stage_slot(
    model: mujoco.MjModel, data: mujoco.MjData, slot: int, spec: ObjectSpec | None
) -> None:
    joint = model.joint(f"object_{slot}")
    geom, body = model.geom(f"object_{slot}").id, int(joint.bodyid[0])
    qpos, dof = int(joint.qposadr[0]), int(joint.dofadr[0])
    active = spec is not None
    spec = spec or ObjectSpec("red", "cube", 0.04, -1.5, 0.3 * slot, 0.0)
    height = 0.5 * spec.size_m if active else -0.5
    model.geom_contype[geom] = model.geom_conaffinity[geom] = int(active)
    model.body_gravcomp[body] = float(not active)
    model.geom_rgba[geom] = (*(spec.rgb or _rgb(spec.colour)), float(active))
    _set_shape(model, geom, spec)
    _set_inertia(model, body, dof, spec)
    quat = (np.cos(spec.yaw / 2), 0.0, 0.0, np.sin(spec.yaw / 2))
    data.qpos[qpos : qpos + 7] = (spec.x, spec.y, height, *quat)


def _set_shape(model: mujoco.MjModel, geom: int, spec: ObjectSpec) -> None:
    """Sets the geometry and the bounds that the broad phase reads."""
    if spec.shape not in _TYPES:
        raise UnknownNameError("shape", spec.shape, _TYPES)
    half = 0.5 * spec.size_m
    ball = spec.shape == "ball"
    model.geom_type[geom] = _TYPES[spec.shape]
    model.geom_size[geom] = {
        "cube": (half, half, half), "cylinder": (half, half, 0.0), "ball": (half, 0.0, 0.0)
    }[spec.shape]  # fmt: skip
    reach = {"cube": np.sqrt(3.0), "cylinder": np.sqrt(2.0), "ball": 1.0}[spec.shape]
    model.geom_rbound[geom] = half * reach
    model.geom_aabb[geom] = (0.0, 0.0, 0.0, half, half, half)
    model.geom_condim[geom] = 6 if ball else 4
    model.geom_friction[geom] = (0.4, 0.005, _ROLLING[spec.shape])


def _set_inertia(model: mujoco.MjModel, body: int, dof: int, spec: ObjectSpec) -> None:
    mass, half = spec.mass_kg, 0.5 * spec.size_m
    side, axial = {
        "cube": (2 / 3, 2 / 3),
        "cylinder": (0.25 + 1 / 3, 0.5),
        "ball": (0.4, 0.4),
    }[spec.shape]
    inertia = mass * half * half * np.array([side, side, axial])
    model.body_mass[body] = model.body_subtreemass[body] = mass
    model.body_inertia[body] = inertia
    turning = float(np.mean(1.0 / inertia))
    model.body_invweight0[body] = (1.0 / mass, turning)
    model.dof_invweight0[dof : dof + 3] = 1.0 / mass
    model.dof_invweight0[dof + 3 : dof + 6] = turning
