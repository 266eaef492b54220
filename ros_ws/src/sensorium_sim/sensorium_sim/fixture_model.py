"""Adds the fixtures of the touch tasks to the cell's MuJoCo model, and stages them.

Contacts and pictures are apart: what cameras see of block and caps is drawn by geoms of its own,
so that it can be displaced by an episode's `seen_error_m`.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from sensorium_sim.model import BUTTON_RADIUS_M, HIDDEN_GROUP, SHOWN_GROUP, build_spec
from sensorium_sim.scene import N_BUTTONS, RGB
from sensorium_sim.touch_scene import (
    BLOCK_HEIGHT_M,
    BOWL_HEIGHT_M,
    BOWL_RIM_M,
    HOLE_KINDS,
    HOLE_SPAN_M,
    N_BOWLS,
    PEG_WIDTH_M,
    BlockSpec,
    BowlSpec,
    TouchScene,
    hole_offset,
)

Array = NDArray[np.float64]

_FACES = {"round": 12, "square": 4}
"""A round well is a twelve-sided one around the circle: its corners are 0.4 mm further out."""
_WALL_M = 0.012
_PLATE_M = 0.002
_BLOCK_RGBA = [0.30, 0.36, 0.44, 1.0]
_BLOCK_FRICTION = [0.3, 0.005, 0.0001]
_STIFF_SOLREF, _STIFF_SOLIMP = [0.004, 1.0], [0.95, 0.99, 0.0005, 0.5, 2.0]
_CAP_HALF_M = 0.012
_BOWL_WALLS = 12
_BOWL_FLOOR_M = 0.036
"""Inner radius of a bowl at its floor."""
_BOWL_THICK_M = 0.003
_PARKED = np.array([-1.5, -0.6, -0.6])


def build_touch_spec(width: int, height: int) -> mujoco.MjSpec:
    """The cell's model with block, bowls and caps that may be drawn elsewhere."""
    spec = build_spec(width, height)
    # Bounding trees of bodies are built at compile time; staging changes the geoms in them.
    spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_MIDPHASE
    for seen in (False, True):
        _add_block(spec, seen)
    for index in range(N_BOWLS):
        _add_bowl(spec, index)
    for index in range(N_BUTTONS):
        _add_seen_cap(spec, index)
    return spec


def stage_fixtures(model: mujoco.MjModel, scene: TouchScene) -> None:
    """Puts block, bowls and drawn caps where `scene` says, or out of sight."""
    _stage_block(model, scene.block)
    for index in range(N_BOWLS):
        bowl = scene.bowls[index] if index < len(scene.bowls) else None
        _stage_bowl(model, index, bowl)
    for index in range(N_BUTTONS):
        seen, cap = model.geom(f"seen_cap_{index}").id, model.geom(f"cap_{index}").id
        model.geom_rgba[seen] = model.geom_rgba[cap]
        traits = scene.button_trait(index)
        model.geom_pos[seen] = (0.0, 0.0, traits.seen_error_m)
        model.geom_size[seen, 1] = traits.cap_half_m


def _add_block(spec: mujoco.MjSpec, seen: bool) -> None:
    name = "block_seen" if seen else "block"
    look = {
        "rgba": _BLOCK_RGBA,
        "group": SHOWN_GROUP if seen else HIDDEN_GROUP,
        "contype": int(not seen),
        "conaffinity": int(not seen),
        "friction": _BLOCK_FRICTION,
        "solref": _STIFF_SOLREF,
        "solimp": _STIFF_SOLIMP,
        "condim": 3,
        "priority": 2,
    }
    body = spec.worldbody.add_body(name=name, pos=_PARKED)
    box = mujoco.mjtGeom.mjGEOM_BOX
    half = 0.5 * (PEG_WIDTH_M + 0.004) + _WALL_M
    body.add_geom(
        name=f"{name}_plate", type=box, size=[0.5 * HOLE_SPAN_M + half, half, 0.5 * _PLATE_M],
        pos=[0, 0, 0.5 * _PLATE_M], **look,
    )  # fmt: skip
    for kind in HOLE_KINDS:
        for face in range(_FACES[kind]):
            centre, quat, size = _wall(kind, face, 0.001)
            body.add_geom(
                name=f"{name}_{kind}_{face}", type=box, size=size, pos=centre, quat=quat, **look
            )


def _wall(kind: str, face: int, clearance_m: float) -> tuple[Array, Array, Array]:
    """Centre, quaternion wxyz and half sizes of one wall of a well, in the block's frame."""
    n = _FACES[kind]
    angle = 2 * np.pi * face / n
    inner = 0.5 * PEG_WIDTH_M + clearance_m
    way = np.array([np.cos(angle), np.sin(angle)])
    centre = np.append(hole_offset(kind) + (inner + 0.5 * _WALL_M) * way, 0.5 * BLOCK_HEIGHT_M)
    breadth = (inner + _WALL_M) * np.tan(np.pi / n)
    size = np.array([0.5 * _WALL_M, breadth, 0.5 * BLOCK_HEIGHT_M])
    return centre, np.array([np.cos(angle / 2), 0, 0, np.sin(angle / 2)]), size


def _stage_block(model: mujoco.MjModel, block: BlockSpec | None) -> None:
    for seen, name in ((False, "block"), (True, "block_seen")):
        body = model.body(name).id
        mine = model.geom_bodyid == body
        model.geom_rgba[mine, 3] = float(block is not None)
        if block is None:
            model.body_pos[body] = _PARKED
            continue
        error = np.array(block.seen_error_m) if seen else np.zeros(3)
        model.body_pos[body] = np.array([block.x, block.y, 0.0]) + error
        model.body_quat[body] = (np.cos(block.yaw / 2), 0.0, 0.0, np.sin(block.yaw / 2))
        for kind in HOLE_KINDS:
            for face in range(_FACES[kind]):
                geom = model.geom(f"{name}_{kind}_{face}").id
                centre, _, size = _wall(kind, face, block.clearance_m)
                model.geom_pos[geom], model.geom_size[geom] = centre, size
                model.geom_aabb[geom, 3:] = size
                model.geom_rbound[geom] = np.linalg.norm(size)


def _add_bowl(spec: mujoco.MjSpec, index: int) -> None:
    body = spec.worldbody.add_body(name=f"bowl_{index}", pos=_PARKED)
    look = {
        "group": SHOWN_GROUP, "friction": _BLOCK_FRICTION, "condim": 4,
        "solref": _STIFF_SOLREF, "solimp": _STIFF_SOLIMP,
    }  # fmt: skip
    body.add_geom(
        name=f"bowl_{index}_floor", type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[_BOWL_FLOOR_M + 0.002, 0.5 * _BOWL_THICK_M, 0], pos=[0, 0, 0.5 * _BOWL_THICK_M],
        **look,
    )  # fmt: skip
    slope = np.arctan2(BOWL_RIM_M - _BOWL_FLOOR_M, BOWL_HEIGHT_M)
    middle = 0.5 * (BOWL_RIM_M + _BOWL_FLOOR_M) + 0.5 * _BOWL_THICK_M
    length = np.hypot(BOWL_RIM_M - _BOWL_FLOOR_M, BOWL_HEIGHT_M)
    tilt = np.array([np.cos(slope / 2), 0.0, np.sin(slope / 2), 0.0])
    for wall in range(_BOWL_WALLS):
        angle = 2 * np.pi * wall / _BOWL_WALLS
        turn = np.array([np.cos(angle / 2), 0.0, 0.0, np.sin(angle / 2)])
        quat = np.zeros(4)
        mujoco.mju_mulQuat(quat, turn, tilt)
        breadth = (BOWL_RIM_M + _BOWL_THICK_M) * np.tan(np.pi / _BOWL_WALLS)
        body.add_geom(
            name=f"bowl_{index}_{wall}", type=mujoco.mjtGeom.mjGEOM_BOX, quat=quat,
            size=[0.5 * _BOWL_THICK_M, breadth, 0.5 * length],
            pos=[middle * np.cos(angle), middle * np.sin(angle), 0.5 * BOWL_HEIGHT_M], **look,
        )  # fmt: skip


def _stage_bowl(model: mujoco.MjModel, index: int, bowl: BowlSpec | None) -> None:
    body = model.body(f"bowl_{index}").id
    mine = model.geom_bodyid == body
    model.geom_rgba[mine, 3] = float(bowl is not None)
    model.body_pos[body] = _PARKED if bowl is None else (bowl.x, bowl.y, 0.0)
    if bowl is not None:
        model.geom_rgba[mine, :3] = bowl.rgb or RGB[bowl.colour]


def _add_seen_cap(spec: mujoco.MjSpec, index: int) -> None:
    """Off its body's centre: MuJoCo would fix a geom that is compiled right there."""
    spec.geom(f"cap_{index}").group = HIDDEN_GROUP
    spec.body(f"cap_{index}").add_geom(
        name=f"seen_cap_{index}", type=mujoco.mjtGeom.mjGEOM_CYLINDER,
        size=[BUTTON_RADIUS_M, _CAP_HALF_M, 0], mass=0, group=SHOWN_GROUP,
        contype=0, conaffinity=0, pos=[0.001, 0.001, 0.001],
    )  # fmt: skip
