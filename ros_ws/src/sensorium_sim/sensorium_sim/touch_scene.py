"""What stands in the cell when touch decides: fixtures, and traits that no camera shows.

Until they are squeezed, that is: fingers close further on what is soft, and cameras see fingers.

Plain data beside `scene.py`, no simulator. Positions are in base_link [m], the table top is z = 0.

A `seen_error_m` is the calibration error of an episode: everything that cameras show of that
fixture (colour, depth and so the cloud) is drawn displaced by it, while contacts happen at the
true place. Nothing has to be added to a picture or a cloud later, and none can give it away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sensorium_sim.model import BUTTON_PRELOAD_M, BUTTON_STIFFNESS_N_PER_M, BUTTON_TOP_M
from sensorium_sim.scene import Scene, SceneState

Array = NDArray[np.float64]

HOLE_KINDS = ("round", "square")
HOLE_SPAN_M = 0.048
"""Distance of the two wells' centres, along the block's x axis; the round one lies at -x."""
BLOCK_HEIGHT_M = 0.030
PEG_WIDTH_M = 0.020
PEG_HEIGHT_M = 0.070
PEG_SHAPES = {"round": "cylinder", "square": "cube"}
"""Shape word of the object that is the peg for a kind of hole."""
N_BOWLS = 2
BOWL_RIM_M, BOWL_HEIGHT_M = 0.050, 0.034
"""Inner radius of a bowl at its rim, and the rim's height."""
HANDOVER_XY_M, HANDOVER_RADIUS_M, HANDOVER_HEIGHT_M = (0.66, 0.0), 0.05, 0.08
"""The hand-over zone: an upright cylinder in front of the person, which begins this high."""


@dataclass(frozen=True)
class ObjectTraits:
    """What sets an object apart besides how it looks from above."""

    height_m: float | None = None
    """Height of a peg; as high as wide when absent."""
    give_m_per_n: float | None = None
    """How far a pad sinks in for each newton it presses with; stiff when absent."""


@dataclass(frozen=True)
class ButtonTraits:
    """How a button feels, and how wrong its height looks."""

    stiffness_n_per_m: float = BUTTON_STIFFNESS_N_PER_M
    preload_m: float = BUTTON_PRELOAD_M
    """The spring's compression at rest: below stiffness times this, the cap does not move."""
    top_m: float = BUTTON_TOP_M
    """True height of the released cap's top."""
    stop_m: float = 0.009
    """Travel at which the cap meets its end."""
    cap_half_m: float = 0.012
    """Half the height of the cap: a lower one leaves room for more travel."""
    seen_error_m: float = 0.0
    """The cap is drawn this much too high."""


@dataclass(frozen=True)
class BlockSpec:
    """A block with a round and a square well, fixed to the table."""

    x: float
    y: float
    yaw: float
    clearance_m: float = 0.001
    """Gap on each side of a centred peg: a well is 20 mm plus twice this wide."""
    seen_error_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What cameras show of the block is displaced by this."""


@dataclass(frozen=True)
class BowlSpec:
    """A bowl, fixed to the table."""

    colour: str
    x: float
    y: float
    rgb: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class TouchScene(Scene):
    """A scene with fixtures and traits; `traits` and `button_traits` go by index."""

    traits: tuple[ObjectTraits, ...] = ()
    button_traits: tuple[ButtonTraits, ...] = ()
    block: BlockSpec | None = None
    bowls: tuple[BowlSpec, ...] = ()

    def trait(self, index: int) -> ObjectTraits:
        """Traits of an object; the ordinary ones where none are given."""
        return self.traits[index] if index < len(self.traits) else ObjectTraits()

    def button_trait(self, index: int) -> ButtonTraits:
        """Traits of a button; the ordinary ones where none are given."""
        return self.button_traits[index] if index < len(self.button_traits) else ButtonTraits()


@dataclass(frozen=True)
class PressState:
    """The latest press of one button; forces on its cap behind a low-pass of 20 ms."""

    force_n: float = 0.0
    pressing: bool = False
    """Whether a press is under way."""
    finished: int = 0
    """Presses that have ended since the reset."""
    peak_n: float = 0.0
    """Largest force of the latest press."""
    longest_s: tuple[float, ...] = (0.0, 0.0)
    """Longest time [s] without a break that the latest press stayed in each band of `BANDS_N`."""
    ended: tuple[tuple[float, ...], ...] = ()
    """Of every press that has ended since the reset: its largest force, and its `longest_s`."""


@dataclass(frozen=True)
class TouchState(SceneState):
    """Ground truth of a cell with fixtures."""

    scene: TouchScene = field(default_factory=lambda: TouchScene(0, (), ()))
    """What was staged: where fixtures truly are, heights, hidden traits."""
    presses: tuple[PressState, ...] = ()


def hole_offset(kind: str) -> Array:
    """Centre of a well in the block's frame `(2,)` [m]."""
    return np.array([(-0.5, 0.5)[HOLE_KINDS.index(kind)] * HOLE_SPAN_M, 0.0])


def hole_position(block: BlockSpec, kind: str, seen: bool) -> Array:
    """Centre of a well at its rim `(3,)`: true, or as `seen` by cameras."""
    c, s = np.cos(block.yaw), np.sin(block.yaw)
    x, y = np.array([[c, -s], [s, c]]) @ hole_offset(kind)
    place = np.array([block.x + x, block.y + y, BLOCK_HEIGHT_M])
    return place + np.array(block.seen_error_m) if seen else place
