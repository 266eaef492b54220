"""Gives staged objects and buttons the traits of a touch scene: height, give, springs.

Call after `staging.stage`. Whatever a scene says nothing about gets the ordinary value back, so
that nothing of an earlier episode stays.
"""

from __future__ import annotations

import mujoco
import numpy as np

from sensorium_sim.model import BUTTON_RADIUS_M, CONTACT_SOLIMP, CONTACT_SOLREF
from sensorium_sim.scene import MAX_OBJECTS, N_BUTTONS, ObjectSpec
from sensorium_sim.touch_scene import ButtonTraits, ObjectTraits, TouchScene

_CAP_SENSED_M = 0.004
"""The cap's touch sensor reaches this far beyond its surface."""
_GIVING_FRICTION = (1.0, 0.01, 0.0002)
"""Of the ones that are felt, soft and hard alike: as felt, on table and pads."""
_GIVING_IMPEDANCE = 0.5
_CONTACT_KG = 0.15
"""Contacts are as stiff as of an object of this mass, so that none tells how heavy it is."""


def stage_traits(model: mujoco.MjModel, data: mujoco.MjData, scene: TouchScene) -> None:
    """Makes objects and buttons of `model` feel as `scene` says."""
    for index in range(MAX_OBJECTS):
        traits = scene.trait(index)
        geom = model.geom(f"object_{index}").id
        if index < len(scene.objects) and traits.height_m is not None:
            _set_height(model, data, index, scene.objects[index], traits.height_m)
        elif index < len(scene.objects):
            _hide_weight(model, index, scene.objects[index].mass_kg)
        _set_give(model, geom, traits)
    for index in range(N_BUTTONS):
        _set_button(model, index, scene.button_trait(index))


def _set_height(
    model: mujoco.MjModel, data: mujoco.MjData, index: int, spec: ObjectSpec, height: float
) -> None:
    joint, geom = model.joint(f"object_{index}"), model.geom(f"object_{index}").id
    body, qpos, dof = int(joint.bodyid[0]), int(joint.qposadr[0]), int(joint.dofadr[0])
    radius, half, mass = 0.5 * spec.size_m, 0.5 * height, spec.mass_kg
    round_ = spec.shape == "cylinder"
    model.geom_size[geom] = (radius, half, 0.0) if round_ else (radius, radius, half)
    model.geom_aabb[geom, 3:] = (radius, radius, half)
    model.geom_rbound[geom] = np.hypot(radius * (1.0 if round_ else np.sqrt(2.0)), half)
    across = 0.25 * radius**2 + half**2 / 3 if round_ else (radius**2 + half**2) / 3
    axial = 0.5 * radius**2 if round_ else 2 / 3 * radius**2
    inertia = mass * np.array([across, across, axial])
    model.body_inertia[body] = inertia
    turning = float(np.mean(1.0 / inertia))
    model.body_invweight0[body, 1] = turning
    model.dof_invweight0[dof + 3 : dof + 6] = turning
    data.qpos[qpos + 2] = half


def _hide_weight(model: mujoco.MjModel, index: int, mass_kg: float) -> None:
    """MuJoCo makes contacts of lighter bodies softer: fingers would stand open less far.

    Pegs keep their own, which is the same for all.
    """
    joint = model.joint(f"object_{index}")
    body, dof = int(joint.bodyid[0]), int(joint.dofadr[0])
    model.body_invweight0[body] *= mass_kg / _CONTACT_KG
    model.dof_invweight0[dof : dof + 6] *= mass_kg / _CONTACT_KG


def _set_give(model: mujoco.MjModel, geom: int, traits: ObjectTraits) -> None:
    model.geom_priority[geom] = 0 if traits.give_m_per_n is None else 2
    model.geom_solref[geom], model.geom_solimp[geom] = CONTACT_SOLREF, CONTACT_SOLIMP
    if traits.give_m_per_n is None:
        return
    model.geom_friction[geom] = _GIVING_FRICTION
    # A pad meets a cylinder along a line of two contacts, and a cube in four.
    round_ = model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CYLINDER
    model.geom_solref[geom] = _solref(traits.give_m_per_n * (0.5 if round_ else 1.0))
    model.geom_solimp[geom] = (_GIVING_IMPEDANCE, _GIVING_IMPEDANCE, 0.001, 0.5, 2.0)


def _solref(give_m_per_n: float) -> tuple[float, float]:
    """MuJoCo's direct stiffness and damping: critically damped, as measured with the gripper."""
    stiffness = 1.0 / give_m_per_n
    return -stiffness, -2.0 * float(np.sqrt(stiffness))


def _set_button(model: mujoco.MjModel, index: int, traits: ButtonTraits) -> None:
    joint = model.joint(f"button_{index}")
    model.jnt_stiffness[joint.id] = traits.stiffness_n_per_m
    model.qpos_spring[int(joint.qposadr[0])] = -traits.preload_m
    model.jnt_range[joint.id] = (0.0, traits.stop_m)
    model.body_pos[model.body(f"cap_{index}").id, 2] = traits.top_m - traits.cap_half_m
    cap, half = model.geom(f"cap_{index}").id, traits.cap_half_m
    model.geom_size[cap, 1] = model.geom_aabb[cap, 5] = half
    model.geom_rbound[cap] = np.hypot(BUTTON_RADIUS_M, half)
    model.site_size[model.site(f"cap_{index}").id, 1] = half + _CAP_SENSED_M
