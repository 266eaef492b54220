"""What stands in the cell, before and during an episode. Plain data, no simulator.

`Scene` is what an episode starts from; `SceneState` is the ground truth at one instant. Positions
are in base_link [m]; the table top is z = 0; quaternions are `xyzw`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sensorium_core.goal import Goal

Array = NDArray[np.float64]

RGB = {
    "red": (0.80, 0.08, 0.08),
    "green": (0.08, 0.58, 0.14),
    "blue": (0.07, 0.20, 0.80),
    "yellow": (0.93, 0.82, 0.06),
    "purple": (0.48, 0.10, 0.62),
    "orange": (0.96, 0.42, 0.02),
}
"""Nominal colour of each colour word, linear 0..1."""

MAX_OBJECTS = 5
N_BUTTONS = 2


@dataclass(frozen=True)
class ObjectSpec:
    """One object at rest on the table. `size_m` is edge or diameter (and height)."""

    colour: str
    shape: str
    size_m: float
    x: float
    y: float
    yaw: float
    mass_kg: float = 0.15
    rgb: tuple[float, float, float] | None = None
    """Exact colour; the nominal one of the colour word when absent."""


@dataclass(frozen=True)
class ButtonSpec:
    """One button standing on the table."""

    colour: str
    x: float
    y: float
    rgb: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Scene:
    """Where everything is when an episode starts."""

    seed: int
    objects: tuple[ObjectSpec, ...]
    buttons: tuple[ButtonSpec, ...]
    start_pose: tuple[float, float, float, float] = (0.48, 0.0, 0.30, 0.0)
    """Tool pose x y z yaw, pointing down."""
    start_opening_m: float = 0.0425
    light: float = 1.0
    """Brightness of the lamp, about 0.8 to 1.15."""
    table_rgb: tuple[float, float, float] = (0.62, 0.58, 0.53)

    def index_of(self, goal: Goal) -> int | None:
        """Index of the object (for press: button) that a goal names; None if none or several."""
        pool: list[ObjectSpec | ButtonSpec] = [*self.objects]
        if goal.family == "press":
            pool = [*self.buttons]
        hits = [i for i, item in enumerate(pool) if _matches(item, goal)]
        return hits[0] if len(hits) == 1 else None


def _matches(item: ObjectSpec | ButtonSpec, goal: Goal) -> bool:
    if goal.colour is not None and item.colour != goal.colour:
        return False
    if goal.shape is None or isinstance(item, ButtonSpec):
        return True
    return item.shape == goal.shape


@dataclass(frozen=True)
class ObjectState:
    """Ground truth of one object."""

    colour: str
    shape: str
    size_m: float
    position: Array
    """Centre `(3,)` [m]."""
    quat_xyzw: Array
    velocity: Array
    """Linear velocity `(3,)` [m/s]."""

    @property
    def yaw(self) -> float:
        """Heading of the object's x axis [rad]."""
        x, y, z, w = self.quat_xyzw
        return float(np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)))


@dataclass(frozen=True)
class ButtonState:
    """Ground truth of one button."""

    colour: str
    position: Array
    """Centre of the cap's top when released `(3,)` [m]."""
    travel_m: float
    clicks: int
    """How often the spring force has passed the click threshold since the reset."""
    peak_force_n: float
    """Largest contact force on the cap since the reset."""

    @property
    def clicked(self) -> bool:
        """Whether it has clicked since the reset."""
        return self.clicks > 0


@dataclass(frozen=True)
class SceneState:
    """Ground truth of the whole cell at one instant."""

    time_ns: int
    objects: tuple[ObjectState, ...]
    buttons: tuple[ButtonState, ...]
    tool_pose: Array
    """Measured tool x y z [m] and yaw [rad] `(4,)`, base_link."""
    opening_m: float
    """Measured opening of one finger [m]."""
    holding: int | None
    """Index of the object that both pads touch, if any."""
    peak_button_force_n: float = 0.0
    touched: tuple[int, ...] = field(default=())
    """Indices of the objects that any part of the gripper touches."""
