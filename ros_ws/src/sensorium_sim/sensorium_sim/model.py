"""Builds the MuJoCo model of the cell: the URDF, plus servos, object slots, buttons and cameras.

The number of bodies never changes: an episode switches the geometry of the slots (see
`staging.py`), so that a reset costs no compilation.
"""

from __future__ import annotations

import mujoco
import numpy as np
from sensorium_description import load_constants, load_urdf

from sensorium_sim.scene import MAX_OBJECTS, N_BUTTONS

SHOWN_GROUP, HIDDEN_GROUP = 1, 3

SERVO_KP = (9000.0, 9000.0, 7000.0, 1500.0, 1500.0, 900.0)
"""Stiffness of the joint servos [Nm/rad]; the velocity term is fed forward (controller.py)."""
SERVO_KV = (380.0, 380.0, 240.0, 40.0, 40.0, 20.0)
GRIPPER_KP, GRIPPER_KV = 3000.0, 60.0
GRIPPER_FORCE_N = 30.0
"""Limit of the finger drive; each pad presses with half of it."""
_FINGER_DAMPING = 90.0
"""Friction of the finger drive [N s/m]; with its force it limits a finger to about 0.17 m/s."""
CONTACT_SOLREF = [0.004, 1.0]
_TABLE_FRICTION = [0.4, 0.005, 0.0001]
"""Objects on the table. Times the pads' 1.2 it stays well below 1: a pushed object never jams."""
_CAP_SOLREF = [0.02, 1.0]
"""A button's cap is of rubber, whatever presses it."""
CONTACT_SOLIMP = [0.95, 0.99, 0.0005, 0.5, 2.0]
"""Stiff contacts: a held object of 0.1 kg is pressed in by about a millimetre."""

BUTTON_STIFFNESS_N_PER_M = 1800.0
BUTTON_PRELOAD_M = 0.0005
BUTTON_CLICK_FORCE_N = 8.0
BUTTON_CLICK_TRAVEL_M = BUTTON_CLICK_FORCE_N / BUTTON_STIFFNESS_N_PER_M - BUTTON_PRELOAD_M
PRESSED_N = 10.5
"""A push this hard has clicked beyond doubt; the click itself, at 8 N, cannot be seen or felt."""
BUTTON_RELEASE_TRAVEL_M = 0.6 * BUTTON_CLICK_TRAVEL_M
"""A button that has clicked must come back this far before it can click again."""
BUTTON_STOP_M = 0.009
BUTTON_TOP_M = 0.036
"""Height of a released cap's top above the table."""
BUTTON_RADIUS_M = 0.022
BUTTON_HOUSING_M = 0.030
"""Half the width of a button's housing."""

GRIPPER_BODIES = ("gripper_base", "left_finger", "left_pad", "right_finger", "right_pad")
_ARM_WITHOUT_CONTACT = ("base_link_inertia", "shoulder_link", "upper_arm_link")


def build_spec(width: int, height: int) -> mujoco.MjSpec:
    """The editable model of the cell, with an offscreen buffer of `width` x `height`."""
    importing = '<mujoco><compiler discardvisual="false" fusestatic="false"/></mujoco></robot>'
    spec = mujoco.MjSpec.from_string(load_urdf().replace("</robot>", importing))
    _set_options(spec, width, height)
    _dress_robot(spec)
    _add_servos(spec)
    for slot in range(MAX_OBJECTS):
        _add_slot(spec, slot)
    for button in range(N_BUTTONS):
        _add_button(spec, button)
    _add_cameras(spec)
    _add_surroundings(spec)
    return spec


def _set_options(spec: mujoco.MjSpec, width: int, height: int) -> None:
    option = spec.option
    option.timestep = 0.002
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.jacobian = mujoco.mjtJacobian.mjJAC_DENSE
    option.impratio = 10.0
    # Fewer iterations leave hard grasps unsolved: the object is shot out of the fingers.
    option.iterations = 100
    option.ls_iterations = 50
    # Objects at rest cost nothing until they are touched.
    option.enableflags |= mujoco.mjtEnableBit.mjENBL_SLEEP
    spec.stat.extent = 1.0
    spec.stat.center = [0.48, 0.0, 0.1]
    visual = spec.visual
    visual.map.znear, visual.map.zfar = 0.02, 4.0
    visual.quality.offsamples = 0
    visual.quality.shadowsize = 0
    visual.quality.numslices, visual.quality.numstacks = 14, 8
    visual.quality.numquads = 1
    visual.headlight.active = 0
    getattr(visual, "global").offwidth = width
    getattr(visual, "global").offheight = height


def _dress_robot(spec: mujoco.MjSpec) -> None:
    """Shows the visual geoms, hides the collision ones, and sets contacts and friction."""
    for body in spec.bodies:
        if body.name not in ("world", "table"):
            body.gravcomp = 1.0
        for geom in body.geoms:
            collides = bool(geom.contype)
            geom.group = HIDDEN_GROUP if collides else SHOWN_GROUP
            if not collides:
                continue
            if body.name == "table":
                geom.friction = _TABLE_FRICTION
                continue
            # Robot geoms meet objects and table but not each other.
            geom.contype = 0 if body.name in _ARM_WITHOUT_CONTACT else 1
            geom.conaffinity = 0
            if body.name.endswith(("_pad", "_finger")):
                geom.friction = [1.2, 0.01, 0.0002]
                geom.condim = 4
                geom.solref, geom.solimp = CONTACT_SOLREF, CONTACT_SOLIMP
                geom.priority = 1


def _add_servos(spec: mujoco.MjSpec) -> None:
    constants = load_constants()
    for name, kp, kv in zip(constants.arm_joints, SERVO_KP, SERVO_KV, strict=True):
        joint = spec.joint(name)
        joint.armature = 0.1
        limit = float(joint.actfrcrange[1])
        _servo(spec, name, kp, kv, limit, mujoco.mjtTrn.mjTRN_JOINT, name)
    for name in ("gripper_joint", "gripper_right_joint"):
        spec.joint(name).armature = 0.05
        spec.joint(name).damping = [_FINGER_DAMPING, 0.0, 0.0]
        spec.joint(name).actfrclimited = False
    tendon = spec.add_tendon(name="fingers")
    tendon.wrap_joint("gripper_joint", 0.5)
    tendon.wrap_joint("gripper_right_joint", 0.5)
    _servo(
        spec, "gripper_joint", GRIPPER_KP, GRIPPER_KV, GRIPPER_FORCE_N,
        mujoco.mjtTrn.mjTRN_TENDON, "fingers",
    )  # fmt: skip
    if not list(spec.equalities):
        spec.add_equality(
            type=mujoco.mjtEq.mjEQ_JOINT, name1="gripper_right_joint", name2="gripper_joint",
            objtype=mujoco.mjtObj.mjOBJ_JOINT, data=[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        )  # fmt: skip
    for equality in spec.equalities:
        equality.solref = [0.005, 1.0]


def _servo(
    spec: mujoco.MjSpec, name: str, kp: float, kv: float, limit: float, trn: int, target: str
) -> None:
    spec.add_actuator(
        name=name, trntype=trn, target=target,
        gaintype=mujoco.mjtGain.mjGAIN_FIXED, biastype=mujoco.mjtBias.mjBIAS_AFFINE,
        gainprm=[kp, *[0.0] * 9], biasprm=[0.0, -kp, -kv, *[0.0] * 7],
        forcelimited=True, forcerange=[-limit, limit],
    )  # fmt: skip


def _add_slot(spec: mujoco.MjSpec, index: int) -> None:
    body = spec.worldbody.add_body(name=f"object_{index}", pos=[-1.5, 0.3 * index, -0.5])
    body.add_freejoint(name=f"object_{index}")
    body.add_geom(
        name=f"object_{index}", type=mujoco.mjtGeom.mjGEOM_BOX, size=[0.02, 0.02, 0.02],
        mass=0.08, group=SHOWN_GROUP, friction=_TABLE_FRICTION, condim=4,
        solref=CONTACT_SOLREF, solimp=CONTACT_SOLIMP,
    )  # fmt: skip


def _add_button(spec: mujoco.MjSpec, index: int) -> None:
    half_height = 0.011
    housing = spec.worldbody.add_body(
        name=f"button_{index}", pos=[0.48, 0.3 * (1 - 2 * index), 0.0]
    )
    housing.add_geom(
        type=mujoco.mjtGeom.mjGEOM_BOX, size=[BUTTON_HOUSING_M, BUTTON_HOUSING_M, half_height],
        pos=[0, 0, half_height], rgba=[0.30, 0.31, 0.33, 1], group=SHOWN_GROUP,
    )  # fmt: skip
    cap_half = 0.012
    cap = housing.add_body(name=f"cap_{index}", pos=[0, 0, BUTTON_TOP_M - cap_half])
    cap.add_joint(
        name=f"button_{index}", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 0, -1],
        range=[0, BUTTON_STOP_M], limited=True, stiffness=BUTTON_STIFFNESS_N_PER_M,
        springref=-BUTTON_PRELOAD_M, damping=12.0, armature=0.2, solref_limit=[0.004, 1.0],
    )  # fmt: skip
    cap.add_geom(
        name=f"cap_{index}", type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[BUTTON_RADIUS_M, cap_half, 0], mass=0.03, group=SHOWN_GROUP,
        friction=[0.8, 0.005, 0.0001], condim=4, solref=_CAP_SOLREF, priority=2,
    )  # fmt: skip
    cap.add_site(
        name=f"cap_{index}", type=mujoco.mjtGeom.mjGEOM_CYLINDER, group=HIDDEN_GROUP,
        size=[BUTTON_RADIUS_M + 0.004, cap_half + 0.004, 0],
    )  # fmt: skip
    spec.add_sensor(
        name=f"cap_{index}", type=mujoco.mjtSensor.mjSENS_TOUCH,
        objtype=mujoco.mjtObj.mjOBJ_SITE, objname=f"cap_{index}",
    )  # fmt: skip
    spec.add_exclude(bodyname1=f"button_{index}", bodyname2=f"cap_{index}")


def _add_cameras(spec: mujoco.MjSpec) -> None:
    """One camera in each optical frame; MuJoCo looks along -z with y up, optics along z."""
    for name, camera in load_constants().cameras.items():
        body = spec.body(f"camera_{name}_optical_frame")
        body.add_camera(name=name, quat=[0, 1, 0, 0], fovy=camera["vertical_fov_deg"])


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    # In a body of its own, the last: drawn behind the table, most of its pixels are never shaded.
    spec.worldbody.add_body(name="surroundings").add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_BOX, size=[2.5, 2.5, 0.01], pos=[0.3, 0, -0.76],
        rgba=[0.36, 0.37, 0.39, 1], contype=0, conaffinity=0, group=SHOWN_GROUP,
    )  # fmt: skip
    down = np.array([-0.25, 0.2, -1.0])
    spec.worldbody.add_light(
        name="lamp", type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, castshadow=False,
        dir=down / np.linalg.norm(down), ambient=[0.38] * 3, diffuse=[0.62] * 3,
        specular=[0.12] * 3, pos=[0.6, -0.2, 2.0],
    )  # fmt: skip
