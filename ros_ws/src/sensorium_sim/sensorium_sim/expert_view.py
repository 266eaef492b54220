"""What a scripted expert looks at: a few numbers of the true state, batched.

Every field has a leading dimension N; `view_of` makes N = 1 and `stack` joins views. An expert
reads nothing else, and above all no clock and no memory of what it did.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import Goal

from sensorium_sim.layout import DIRECTION_VECTORS
from sensorium_sim.model import BUTTON_TOP_M, PRESSED_N
from sensorium_sim.scene import SceneState

Array = NDArray[np.float64]

NOTHING, TARGET, OTHER = 0, 1, 2
"""What the gripper holds."""
FAR_M = 9.0


@dataclass
class ExpertView:
    """State of `n` independent cells, as far as an expert needs it. All in base_link."""

    tool: Array
    """Commanded tool pose x y z yaw `(n, 4)`."""
    opening: Array
    """Measured opening of one finger `(n,)` [m]."""
    held: NDArray[np.int64]
    """NOTHING, TARGET or OTHER between both pads `(n,)`."""
    held_bottom: Array
    """Height of the held object's underside above the table `(n,)`; 0 when nothing is held."""
    target: Array
    """Centre of the target object, or of the top of the target button's cap at rest `(n, 3)`."""
    target_yaw: Array
    half: Array
    """Half the size of the target `(n,)`."""
    square: NDArray[np.bool_]
    """Whether the target is a cube, so that its yaw matters `(n,)`."""
    anchor: Array
    """Where the target was when the instruction was given `(n, 3)`."""
    nearest: Array
    """Horizontal distance from the tool to the nearest object `(n,)`."""
    direction: Array
    """Unit vector of a push `(n, 2)`; zero for the other families."""
    pressed: NDArray[np.bool_]
    """Whether the target button has clicked since the instruction `(n,)`."""

    def __len__(self) -> int:
        return len(self.tool)


def view_of(goal: Goal, start: SceneState, now: SceneState, tool_command: Array) -> ExpertView:
    """The view of one cell.

    Args:
        goal: names one object (or, for press, one button) of the scene.
        start: ground truth when the instruction was given.
        now: ground truth now.
        tool_command: commanded tool pose x y z yaw `(4,)`.
    """
    if goal.family == "press":
        return _press_view(goal, start, now, tool_command)
    index = _index(goal, now)
    target = now.objects[index]
    return _view(
        now, tool_command, index, target.position, start.objects[index].position,
        target_yaw=target.yaw, half=0.5 * target.size_m, square=target.shape == "cube",
        direction=DIRECTION_VECTORS[goal.direction] if goal.direction else (0.0, 0.0),
    )  # fmt: skip


def _press_view(goal: Goal, start: SceneState, now: SceneState, tool_command: Array) -> ExpertView:
    for before, button in zip(start.buttons, now.buttons, strict=True):
        if button.colour == goal.colour:
            return _view(
                now, tool_command, None, button.position, button.position,
                half=0.5 * BUTTON_TOP_M,
                pressed=button.clicks > before.clicks and button.peak_force_n >= PRESSED_N,
            )  # fmt: skip
    raise UnknownNameError("button", goal.colour, [b.colour or "" for b in now.buttons])


def _index(goal: Goal, state: SceneState) -> int:
    hits = [
        i
        for i, item in enumerate(state.objects)
        if goal.colour in (None, item.colour) and goal.shape in (None, item.shape)
    ]
    if len(hits) != 1:
        names = [f"{o.colour} {o.shape}" for o in state.objects]
        raise UnknownNameError("object", f"{goal.colour} {goal.shape}", names)
    return hits[0]


def _view(
    now: SceneState,
    tool_command: Array,
    index: int | None,
    target: Array,
    anchor: Array,
    target_yaw: float = 0.0,
    half: float = 0.0,
    square: bool = False,
    direction: tuple[float, float] = (0.0, 0.0),
    pressed: bool = False,
) -> ExpertView:
    held, bottom = NOTHING, 0.0
    if now.holding is not None:
        item = now.objects[now.holding]
        held = TARGET if now.holding == index else OTHER
        bottom = float(item.position[2] - 0.5 * item.size_m)
    gaps = [float(np.hypot(*(o.position[:2] - tool_command[:2]))) for o in now.objects]
    return ExpertView(
        tool=np.array(tool_command, dtype=float)[None],
        opening=np.array([now.opening_m]),
        held=np.array([held]),
        held_bottom=np.array([bottom]),
        target=np.array(target, dtype=float)[None],
        target_yaw=np.array([target_yaw]),
        half=np.array([half]),
        square=np.array([square]),
        anchor=np.array(anchor, dtype=float)[None],
        nearest=np.array([min(gaps, default=FAR_M)]),
        direction=np.array([direction], dtype=float),
        pressed=np.array([pressed]),
    )


def stack(views: Sequence[ExpertView]) -> ExpertView:
    """One view of all the cells of several."""
    names = [field.name for field in fields(ExpertView)]
    columns = {name: np.concatenate([getattr(v, name) for v in views]) for name in names}
    return ExpertView(**columns)


def take(view: ExpertView, rows: NDArray[np.intp]) -> ExpertView:
    """Copies of some rows of a view."""
    names = [field.name for field in fields(ExpertView)]
    return ExpertView(**{name: getattr(view, name)[rows] for name in names})
