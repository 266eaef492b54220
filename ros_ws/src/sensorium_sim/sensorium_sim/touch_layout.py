"""Samples the scenes of the touch tasks: seeded, with the train and held-out seeds of `layout`.

The scene of a seed depends on the family too: fixtures and hidden traits are the family's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import (
    COLOURS,
    FEELS,
    MANNERS,
    PEGS,
    SHAPES,
    TOUCH_FAMILIES,
    WEIGHTS,
    Goal,
)
from sensorium_description import load_constants

from sensorium_sim.layout import BUTTON_SPACING_M, sample_scene
from sensorium_sim.scene import RGB, ObjectSpec, Scene
from sensorium_sim.touch_scene import (
    PEG_HEIGHT_M,
    PEG_SHAPES,
    PEG_WIDTH_M,
    BlockSpec,
    BowlSpec,
    ButtonTraits,
    ObjectTraits,
    TouchScene,
)

Array = NDArray[np.float64]

BLOCK_POSE = (0.54, 0.0, 0.0)
"""Where the block with the wells is bolted down, as everybody knows it: x, y [m], yaw."""
HOLE_ERROR_M = (0.003, 0.003, 0.001)
"""Largest error of that along each axis; cameras show the block where it is known to be."""
STIFFNESS_N_PER_M, PRELOAD_N = (1200.0, 6000.0), (0.5, 8.0)
CAP_ERROR_M = 0.0025
"""Largest error of the height at which cameras show a cap."""
LIGHT_KG, HEAVIER_KG = (0.08, 0.26), (0.06, 0.10)
"""Mass of the lighter twin, and by how much the other is heavier: so little that neither weight
alone tells."""
SOFT_M_PER_N, HARD_M_PER_N = (2.2e-4, 3.2e-4), (6.0e-5, 8.0e-5)

_OBJECT_ROOM_M, _BLOCK_ROOM_M, _BOWL_ROOM_M = 0.053, 0.067, 0.070
"""Radii that keep room for open fingers around what is grasped."""


def touch_scene(family: str, seed: int, clearance_m: float = 0.001) -> tuple[TouchScene, Goal]:
    """The scene of a seed and what is to be done in it."""
    if family not in _SAMPLERS:
        raise UnknownNameError("family", family, tuple(_SAMPLERS))
    rng = np.random.default_rng((TOUCH_FAMILIES.index(family), 0x70C4, seed))
    scene, goal = _SAMPLERS[family](_base(seed), rng)
    if scene.block is not None:
        block = BlockSpec(**{**vars(scene.block), "clearance_m": clearance_m})
        scene = _with(scene, block=block)
    return scene, goal


def _base(seed: int) -> TouchScene:
    """Light, table, buttons and start of the ordinary scene of a seed, without its objects."""
    ordinary = sample_scene(seed)
    values = {f.name: getattr(ordinary, f.name) for f in fields(Scene)}
    x, y, z, yaw = ordinary.start_pose
    start = (x, y, max(z, 0.16), yaw)
    return TouchScene(**{**values, "objects": (), "start_pose": start})


def _with(scene: TouchScene, **changes: object) -> TouchScene:
    return TouchScene(**{**vars(scene), **changes})


def spots(
    rng: np.random.Generator,
    scene: TouchScene,
    radii: list[float],
    taken: tuple[tuple[float, float, float], ...] = (),
) -> list[tuple[float, float]]:
    """Places in the work area, further apart than the sum of their radii, off the buttons and off
    what is `taken`: x, y, radius.
    """
    area = load_constants().work_area
    buttons = [(b.x, b.y, BUTTON_SPACING_M - _OBJECT_ROOM_M) for b in scene.buttons]
    buttons += taken
    while True:
        found = list(buttons)
        for radius in radii:
            for _ in range(60):
                x, y = float(rng.uniform(*area["x"])), float(rng.uniform(*area["y"]))
                if all(np.hypot(x - a, y - b) >= radius + r for a, b, r in found):
                    found.append((x, y, radius))
                    break
        if len(found) == len(buttons) + len(radii):
            return [(x, y) for x, y, _ in found[len(buttons) :]]


def _shade(rng: np.random.Generator, colour: str) -> tuple[float, float, float]:
    r, g, b = np.clip(np.array(RGB[colour]) * rng.uniform(0.9, 1.08), 0.0, 1.0)
    return (float(r), float(g), float(b))


def _insert(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """A round and a square peg, standing, and the block with both wells."""
    x, y, yaw = BLOCK_POSE
    where = spots(rng, scene, [_OBJECT_ROOM_M] * 2, ((x, y, _BLOCK_ROOM_M),))
    colour = str(rng.choice(COLOURS))
    pegs = tuple(
        ObjectSpec(
            colour, PEG_SHAPES[kind], PEG_WIDTH_M, *place,
            yaw=float(rng.uniform(-0.6, 0.6)), mass_kg=0.05, rgb=_shade(rng, colour),
        )
        for kind, place in zip(PEGS, where, strict=True)
    )  # fmt: skip
    dx, dy, dz = (rng.uniform(-1.0, 1.0, 3) * np.array(HOLE_ERROR_M)).tolist()
    block = BlockSpec(x - dx, y - dy, yaw, seen_error_m=(dx, dy, dz))
    goal = Goal("insert", quality=str(rng.choice(PEGS)))
    traits = (ObjectTraits(height_m=PEG_HEIGHT_M),) * 2
    return _with(scene, objects=pegs, traits=traits, block=block), goal


def _hold(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """Two buttons whose springs and true heights nothing shows."""
    traits = tuple(_button(rng) for _ in scene.buttons)
    colour = scene.buttons[int(rng.integers(len(scene.buttons)))].colour
    goal = Goal("hold", colour, manner=str(rng.choice(MANNERS)))
    return _with(scene, button_traits=traits), goal


def _button(rng: np.random.Generator) -> ButtonTraits:
    stiffness = float(np.exp(rng.uniform(*np.log(STIFFNESS_N_PER_M))))
    return ButtonTraits(
        stiffness_n_per_m=stiffness,
        preload_m=float(rng.uniform(*PRELOAD_N)) / stiffness,
        top_m=float(rng.uniform(0.033, 0.039)),
        stop_m=0.013,
        cap_half_m=0.008,
        seen_error_m=float(rng.uniform(-CAP_ERROR_M, CAP_ERROR_M)),
    )


def _alike(
    scene: TouchScene, rng: np.random.Generator, shapes: tuple[str, ...]
) -> tuple[ObjectSpec, ...]:
    """Two objects of the same look, apart."""
    where = spots(rng, scene, [_OBJECT_ROOM_M] * 2)
    colour, shape = str(rng.choice(COLOURS)), str(rng.choice(shapes))
    size, rgb = float(rng.uniform(0.036, 0.046)), _shade(rng, colour)
    return tuple(
        ObjectSpec(colour, shape, size, *place, yaw=float(rng.uniform(-0.7, 0.7)), rgb=rgb)
        for place in where
    )


def _give(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """Two cubes alike; either may be the heavier. One weight alone tells which in 72 of 100."""
    light = float(rng.uniform(*LIGHT_KG))
    masses = rng.permutation([light, light + float(rng.uniform(*HEAVIER_KG))])
    twins = _alike(scene, rng, ("cube",))
    blocks = tuple(
        ObjectSpec(**{**vars(twin), "mass_kg": float(mass)})
        for twin, mass in zip(twins, masses, strict=True)
    )
    return _with(scene, objects=blocks), Goal("give", quality=str(rng.choice(WEIGHTS)))


def _feel(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """A soft and a hard object alike."""
    gives = rng.permutation([float(rng.uniform(*SOFT_M_PER_N)), float(rng.uniform(*HARD_M_PER_N))])
    traits = tuple(ObjectTraits(give_m_per_n=float(give)) for give in gives)
    objects = _alike(scene, rng, ("cube", "cylinder"))
    goal = Goal("feel", quality=str(rng.choice(FEELS)))
    return _with(scene, objects=objects, traits=traits), goal


def _things(
    rng: np.random.Generator, scene: TouchScene, n_things: int, fixtures: list[float]
) -> tuple[list[tuple[float, float]], list[ObjectSpec]]:
    """Places for fixtures of some radii, and objects of distinct colour and shape; the first two
    are cubes or cylinders, on which something can stand.
    """
    where = spots(rng, scene, [*fixtures, *[_OBJECT_ROOM_M] * n_things])
    things: list[ObjectSpec] = []
    for place in where[len(fixtures) :]:
        shapes = SHAPES[:2] if len(things) < 2 else SHAPES
        kind = None
        while kind is None or kind in [(o.colour, o.shape) for o in things]:
            kind = (str(rng.choice(COLOURS)), str(rng.choice(shapes)))
        size, mass = float(rng.uniform(0.036, 0.046)), float(rng.uniform(0.10, 0.20))
        yaw = float(rng.uniform(-0.7, 0.7))
        things.append(ObjectSpec(*kind, size, *place, yaw, mass, _shade(rng, kind[0])))
    return where[: len(fixtures)], things


def _put(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """Two bowls and two or three objects."""
    n_things = int(rng.integers(2, 4))
    where, things = _things(rng, scene, n_things, [_BOWL_ROOM_M] * 2)
    colours = [str(c) for c in rng.choice(COLOURS, size=2, replace=False)]
    bowls = tuple(
        BowlSpec(colour, *place, _shade(rng, colour))
        for colour, place in zip(colours, where, strict=True)
    )
    item, onto = things[int(rng.integers(n_things))], colours[int(rng.integers(2))]
    goal = Goal("put", item.colour, item.shape, onto_colour=onto)
    return _with(scene, objects=tuple(things), bowls=bowls), goal


def _stack(scene: TouchScene, rng: np.random.Generator) -> tuple[TouchScene, Goal]:
    """Two to four objects, the first two of which can stand on each other."""
    _, things = _things(rng, scene, int(rng.integers(2, 5)), [])
    top, below = (things[int(i)] for i in rng.permutation(2))
    goal = Goal("stack", top.colour, top.shape, onto_colour=below.colour, onto_shape=below.shape)
    order = rng.permutation(len(things))
    return _with(scene, objects=tuple(things[int(i)] for i in order)), goal


_SAMPLERS: dict[str, Callable[[TouchScene, np.random.Generator], tuple[TouchScene, Goal]]] = {
    "insert": _insert,
    "hold": _hold,
    "give": _give,
    "feel": _feel,
    "put": _put,
    "stack": _stack,
}
