"""Ground truth as markers for RViz: everything where it truly is, as high as it truly is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sensorium_recording.messages import Marker

from sensorium_sim.model import BUTTON_RADIUS_M
from sensorium_sim.scene import RGB, ButtonState, ObjectState, SceneState
from sensorium_sim.touch_scene import (
    BLOCK_HEIGHT_M,
    BOWL_HEIGHT_M,
    BOWL_RIM_M,
    HOLE_SPAN_M,
    PEG_WIDTH_M,
    TouchState,
)

Array = NDArray[np.float64]

_TYPES = {"cube": 1, "ball": 2, "cylinder": 3}
_GREY = (0.45, 0.45, 0.47, 1.0)
_UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])
_WELL_OUTSIDE_M = PEG_WIDTH_M + 0.028
_BLOCK_M = np.array([HOLE_SPAN_M + _WELL_OUTSIDE_M, _WELL_OUTSIDE_M, BLOCK_HEIGHT_M])


def scene_markers(state: SceneState) -> list[Marker]:
    """Objects, buttons and fixtures; their names stand in the text."""
    markers = [_object(i, item, _height(state, i)) for i, item in enumerate(state.objects)]
    markers += [_button(i, button) for i, button in enumerate(state.buttons)]
    return markers + _fixtures(state)


def _height(state: SceneState, index: int) -> float:
    own = state.scene.trait(index).height_m if isinstance(state, TouchState) else None
    return state.objects[index].size_m if own is None else own


def _object(index: int, item: ObjectState, height: float) -> Marker:
    return Marker(
        namespace="objects",
        id=index,
        type=_TYPES[item.shape],
        position_m=item.position,
        quat_xyzw=item.quat_xyzw,
        size_m=np.array([item.size_m, item.size_m, height]),
        rgba=(*RGB[item.colour], 1.0),
        text=f"{item.colour} {item.shape}",
    )


def _button(index: int, button: ButtonState) -> Marker:
    return Marker(
        namespace="buttons",
        id=index,
        type=_TYPES["cylinder"],
        position_m=_button_middle(button),
        quat_xyzw=_UPRIGHT,
        size_m=_button_size(button),
        rgba=(*RGB[button.colour], 1.0),
        text=f"{button.colour} button",
    )


def _button_size(button: ButtonState) -> Array:
    """Width, width, height `(3,)` [m] of a released button; its state tells where its top is."""
    return np.array([2 * BUTTON_RADIUS_M, 2 * BUTTON_RADIUS_M, float(button.position[2])])


def _button_middle(button: ButtonState) -> Array:
    """Centre `(3,)` [m] of the cylinder that a button is drawn as, pressed as far as it is."""
    height = float(button.position[2])
    return button.position - np.array([0.0, 0.0, height / 2 + button.travel_m])


def _fixtures(state: SceneState) -> list[Marker]:
    """The block with the wells and the bowls, as plain solids."""
    if not isinstance(state, TouchState):
        return []
    block, size = state.scene.block, np.array([2 * BOWL_RIM_M, 2 * BOWL_RIM_M, BOWL_HEIGHT_M])
    markers = [
        Marker("fixtures", i, _TYPES["cylinder"], np.array([b.x, b.y, BOWL_HEIGHT_M / 2]),
               _UPRIGHT, size, (*RGB[b.colour], 0.5), f"{b.colour} bowl")
        for i, b in enumerate(state.scene.bowls)
    ]  # fmt: skip
    if block is not None:
        place = np.array([block.x, block.y, BLOCK_HEIGHT_M / 2])
        turned = np.array([0.0, 0.0, np.sin(block.yaw / 2), np.cos(block.yaw / 2)])
        n = len(markers)
        markers.append(
            Marker("fixtures", n, _TYPES["cube"], place, turned, _BLOCK_M, _GREY, "block")
        )
    return markers
