"""Samples scenes: what stands where when an episode starts.

A scene depends on its seed alone and not on the task, so that any frame of any episode can be
labelled for any goal that `feasible` accepts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import COLOURS, DIRECTIONS, SHAPES, Goal
from sensorium_description import load_constants

from sensorium_sim.model import BUTTON_HOUSING_M
from sensorium_sim.scene import MAX_OBJECTS, RGB, ButtonSpec, ObjectSpec, Scene

Array = NDArray[np.float64]

TRAIN_SEEDS = range(0, 1_000_000)
HELDOUT_SEEDS = range(1_000_000, 2_000_000)

DIRECTION_VECTORS = {
    "left": (0.0, 1.0),
    "right": (0.0, -1.0),
    "away": (1.0, 0.0),
    "closer": (-1.0, 0.0),
}
"""Directions as seen from the robot's base, in base_link."""

SPACING_M = 0.098
"""Least distance of two objects' centres: an open finger fits between."""
BUTTON_SPACING_M = 0.118
PUSH_PATH_M = 0.12
_PUSH_APPROACH_M = 0.085
_PUSH_X = (0.26, 0.745)
_PUSH_Y = 0.34


def heldout_seed(index: int) -> int:
    """Seed of the i-th held-out scene, never used for training."""
    return HELDOUT_SEEDS[index]


def sample_scene(seed: int) -> Scene:
    """The scene of a seed: 2 to 5 objects with distinct (colour, shape), two buttons."""
    rng = np.random.default_rng(seed)
    buttons = _buttons(rng)
    kinds = _kinds(rng, int(rng.integers(2, MAX_OBJECTS + 1)))
    objects: list[ObjectSpec] = []
    for colour, shape in kinds:
        spot = _free_spot(rng, objects, buttons)
        if spot is not None:
            objects.append(_object(rng, colour, shape, spot))
    start, opening = _start(rng)
    shade = rng.uniform(0.85, 1.1)
    tint = np.clip(np.array([0.62, 0.58, 0.53]) * shade + rng.uniform(-0.02, 0.02, 3), 0, 1)
    return Scene(
        seed=seed,
        objects=tuple(objects),
        buttons=buttons,
        start_pose=start,
        start_opening_m=opening,
        light=float(rng.uniform(0.82, 1.12)),
        table_rgb=(float(tint[0]), float(tint[1]), float(tint[2])),
    )


def _rgb(rng: np.random.Generator, colour: str) -> tuple[float, float, float]:
    shade = np.clip(np.array(RGB[colour]) * rng.uniform(0.9, 1.08), 0.0, 1.0)
    return (float(shade[0]), float(shade[1]), float(shade[2]))


def _buttons(rng: np.random.Generator) -> tuple[ButtonSpec, ...]:
    area = load_constants().button_area
    colours = rng.choice(len(COLOURS), size=2, replace=False)
    sides = rng.permutation([1.0, -1.0])
    return tuple(
        ButtonSpec(
            COLOURS[int(colour)],
            float(rng.uniform(*area["x"])),
            float(side * rng.uniform(*area["y"])),
            _rgb(rng, COLOURS[int(colour)]),
        )
        for colour, side in zip(colours, sides, strict=True)
    )


def _kinds(rng: np.random.Generator, n: int) -> list[tuple[str, str]]:
    """Distinct (colour, shape) pairs, many sharing the colour or the shape of the first."""
    colour, shape = str(rng.choice(COLOURS)), str(rng.choice(SHAPES))
    kinds = [(colour, shape)]
    while len(kinds) < n:
        share = rng.random()
        candidate = (
            colour if share < 0.35 else str(rng.choice(COLOURS)),
            shape if share > 0.65 else str(rng.choice(SHAPES)),
        )
        if candidate not in kinds:
            kinds.append(candidate)
    return [kinds[i] for i in rng.permutation(n)]


def _free_spot(
    rng: np.random.Generator, objects: list[ObjectSpec], buttons: tuple[ButtonSpec, ...]
) -> tuple[float, float] | None:
    area = load_constants().work_area
    for _ in range(100):
        x, y = float(rng.uniform(*area["x"])), float(rng.uniform(*area["y"]))
        near = any(np.hypot(o.x - x, o.y - y) < SPACING_M for o in objects)
        near |= any(np.hypot(b.x - x, b.y - y) < BUTTON_SPACING_M for b in buttons)
        if not near:
            return x, y
    return None


def _object(
    rng: np.random.Generator, colour: str, shape: str, spot: tuple[float, float]
) -> ObjectSpec:
    quarter = float(rng.integers(4)) * np.pi / 2
    return ObjectSpec(
        colour=colour,
        shape=shape,
        size_m=float(rng.uniform(0.036, 0.046)),
        x=spot[0],
        y=spot[1],
        yaw=float(rng.uniform(-0.7, 0.7)) + quarter,
        mass_kg=float(rng.uniform(0.10, 0.20)),
        rgb=_rgb(rng, colour),
    )


def _start(rng: np.random.Generator) -> tuple[tuple[float, float, float, float], float]:
    """Home in two of five scenes, else anywhere in a box above the table."""
    stroke = load_constants().gripper_stroke_m
    if rng.random() < 0.4:
        x, y, z, yaw = load_constants().home_tool_pose
        return (x, y, z, yaw), stroke
    low, high = (0.34, -0.26, 0.10, -0.5), (0.62, 0.26, 0.36, 0.5)
    x, y, z, yaw = (float(v) for v in rng.uniform(low, high))
    opening = stroke if rng.random() < 0.7 else float(rng.uniform(0.0, stroke))
    return (x, y, z, yaw), opening


def radius_of(shape: str, size_m: float) -> float:
    """Radius of the circle around an object seen from above."""
    return 0.5 * size_m * (np.sqrt(2.0) if shape == "cube" else 1.0)


def push_has_room(scene: Scene, index: int, direction: str) -> bool:
    """Whether an object's way, and the tool's behind it, are on the table and free."""
    target = scene.objects[index]
    u = np.array(DIRECTION_VECTORS[direction])
    start = np.array([target.x, target.y])
    end = start + PUSH_PATH_M * u
    if not (_PUSH_X[0] <= end[0] <= _PUSH_X[1] and abs(end[1]) <= _PUSH_Y):
        return False
    own = radius_of(target.shape, target.size_m)
    others = [
        (o.x, o.y, radius_of(o.shape, o.size_m)) for i, o in enumerate(scene.objects) if i != index
    ]
    others += [(b.x, b.y, BUTTON_HOUSING_M * np.sqrt(2.0)) for b in scene.buttons]
    return not any(_in_the_way(np.array([x, y]) - start, u, own, r) for x, y, r in others)


def _in_the_way(offset: Array, u: Array, own: float, radius: float) -> bool:
    along = float(offset @ u)
    aside = abs(float(offset @ np.array([-u[1], u[0]])))
    ahead = PUSH_PATH_M + own + radius + 0.01
    behind = -(_PUSH_APPROACH_M + radius)
    return behind < along < ahead and aside < own + radius + 0.014


def feasible(scene: Scene, goal: Goal) -> bool:
    """Whether `goal` names one thing in the scene and can be done with it."""
    index = scene.index_of(goal)
    if index is None:
        return False
    if goal.family != "push":
        return True
    return goal.direction is not None and push_has_room(scene, index, goal.direction)


def feasible_goals(scene: Scene, family: str) -> list[Goal]:
    """Every goal of a family that can be done in the scene, fully named."""
    if family == "press":
        return [Goal("press", button.colour) for button in scene.buttons]
    if family == "pick":
        return [Goal("pick", o.colour, o.shape) for o in scene.objects]
    goals = [Goal("push", o.colour, o.shape, d) for o in scene.objects for d in DIRECTIONS]
    return [goal for goal in goals if feasible(scene, goal)]


def absent_goals(scene: Scene) -> list[Goal]:
    """Goals that name an object or a button that is not in the scene."""
    present = {(o.colour, o.shape) for o in scene.objects}
    absent = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in present]
    goals = [Goal("pick", c, s) for c, s in absent]
    goals += [Goal("push", c, s, d) for c, s in absent for d in DIRECTIONS]
    unlit = [c for c in COLOURS if c not in {b.colour for b in scene.buttons}]
    return goals + [Goal("press", c) for c in unlit]
