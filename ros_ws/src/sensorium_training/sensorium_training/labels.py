"""What would have been right, for the goal of an episode and for others that its scene allows.

The experts are pure functions of the true state, so every recorded frame can teach several
instructions; without this a policy learns that the nearest object is the target.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.codebook import TABLETOP_SLOTS, goal_classes
from sensorium_core.goal import COLOURS, SHAPES, Goal
from sensorium_core.inputs import PRESS_SCALE_N
from sensorium_sim.expert_view import ExpertView, view_of
from sensorium_sim.experts import Motion, expert
from sensorium_sim.layout import absent_goals, feasible_goals
from sensorium_sim.model import PRESSED_N
from sensorium_sim.rollout import rollout_batch
from sensorium_sim.scene import Scene, SceneState

Array = NDArray[np.float64]
Rows = dict[str, NDArray[np.generic]]

GOALS = 6
"""Goals labelled per row: the episode's own, three others that are there, two that are not."""
PRESENT_GOALS = 4
THINGS = 7

LABELS: dict[str, tuple[tuple[int, ...], str]] = {
    "things": ((THINGS, 4), "float32"),
    "classes": ((THINGS, 2), "int8"),
    "goal": ((GOALS, len(TABLETOP_SLOTS)), "int8"),
    "memory": ((GOALS, 5), "float32"),
    "chunk": ((GOALS, 8, 5), "float32"),
    "target": ((GOALS, 4), "float32"),
    "heading": ((GOALS, 3), "float32"),
    "flags": ((GOALS, 2), "float32"),
}
"""Shape of a row and type of each array; `flags` are present and done, `goal` the classes of the
slots that the tabletop families need."""

BUTTON_SIZE_M = 0.05
_VISIBLE_POINTS = 6
"""An object with fewer points in the cloud is not asked for: nobody could see it."""
_BUTTON_CLASS = 3
_FAMILY_ODDS = {"pick": 0.4, "push": 0.4, "press": 0.2}
_BY_GOAL = ("goal", "memory", "target", "heading", "flags")
_SINCE_START = 0.3
"""Share of the other goals that were told at the start of the episode, and not just now."""
_VAGUE = 0.25
"""Share of goals that leave out colour or shape where the other says enough."""


@dataclass(frozen=True)
class Frame:
    """One step of an episode, as far as labelling needs it."""

    state: SceneState
    reference: Array
    """Commanded tool x, y, z, yaw, open fraction `(5,)`."""
    cloud: NDArray[np.float32]
    peak_press: float
    """Scaled as in `Memory.vector`, since the instruction."""
    press_now: float
    """The same over this frame's window only."""


@dataclass(frozen=True)
class Asked:
    """One goal of a frame, as the expert sees it."""

    goal: Goal
    view: ExpertView
    press: float
    """Largest press that counts for this goal, scaled as in `Memory.vector`."""


def label_frames(
    scene: Scene, goal: Goal, start: SceneState, frames: list[Frame], rng: np.random.Generator
) -> Rows:
    """Arrays of `LABELS` for the frames of one episode."""
    feasible, odds = _askable(scene)
    absent = absent_goals(scene)
    columns: dict[str, list[Array]] = {name: [] for name in _BY_GOAL}
    asked: list[Asked] = []
    for frame in frames:
        told = [ask(goal, start, frame, frame.peak_press)]
        for i in rng.choice(len(feasible), PRESENT_GOALS - 1, p=odds):
            since = start if rng.random() < _SINCE_START else frame.state
            told.append(ask(feasible[i], since, frame, frame.press_now))
        rows = [
            {"goal": _classes(_vaguer(one.goal, scene, rng)), **present_row(one, frame)}
            for one in told
        ]
        picks = [absent[rng.integers(len(absent))] for _ in range(GOALS - PRESENT_GOALS)]
        rows += [_absent_row(pick) for pick in picks]
        for name, column in columns.items():
            column.append(np.stack([row[name] for row in rows]))
        asked += told
    chunks = np.zeros((len(frames), GOALS, 8, 5), dtype=np.float32)
    motions = rollout_batch([one.view for one in asked], [one.goal for one in asked])
    chunks[:, :PRESENT_GOALS] = motions.reshape(-1, PRESENT_GOALS, 8, 5)
    return {
        **{name: np.stack(column) for name, column in columns.items()},
        "chunk": chunks,
        **_things(frames),
    }


def _askable(scene: Scene) -> tuple[list[Goal], Array]:
    """Every goal that the scene allows, and how often each is asked for."""
    goals = [g for family in _FAMILY_ODDS for g in feasible_goals(scene, family)]
    odds = np.array([_FAMILY_ODDS[g.family] for g in goals])
    odds /= np.array([sum(f.family == g.family for f in goals) for g in goals])
    return goals, odds / odds.sum()


def ask(goal: Goal, since: SceneState, frame: Frame, press: float) -> Asked:
    """A goal told when the scene was as in `since`, and what the expert sees of it now."""
    view = view_of(goal, since, frame.state, frame.reference[:4])
    if goal.family == "press":
        view.pressed[:] = press * PRESS_SCALE_N >= PRESSED_N
    return Asked(goal, view, press)


def present_row(asked: Asked, frame: Frame) -> dict[str, Array]:
    """Labels of a goal whose thing is in the scene, but for its words and the chunk."""
    goal, view = asked.goal, asked.view
    motion: Motion = expert(view, goal)
    target, yaw = view.target[0], 4.0 * view.target_yaw[0]
    extent = BUTTON_SIZE_M if goal.family == "press" else 2.0 * view.half[0]
    visible = is_visible(frame.cloud, target, extent)
    return {
        "memory": np.array([*view.anchor[0], 1.0, asked.press]),
        "target": np.array([*target, extent]),
        "heading": np.array([np.cos(yaw), np.sin(yaw), view.square[0]]),
        "flags": np.array([1.0 if visible else 0.5, motion.done[0]]),
    }


def is_visible(cloud: NDArray[np.float32], centre: Array, extent: float) -> bool:
    """Whether enough of the cloud `(n, 7)` lies on something of that place and size."""
    inside = np.abs(cloud[:, :3] - centre).max(1) < 0.62 * extent + 0.004
    return int((inside & (cloud[:, 6] > 0)).sum()) >= _VISIBLE_POINTS


def _absent_row(goal: Goal) -> dict[str, Array]:
    return {
        "goal": _classes(goal),
        "memory": np.zeros(5),
        "target": np.zeros(4),
        "heading": np.zeros(3),
        "flags": np.zeros(2),
    }


def _classes(goal: Goal) -> Array:
    return np.array(goal_classes(goal)[: len(TABLETOP_SLOTS)])


def _vaguer(goal: Goal, scene: Scene, rng: np.random.Generator) -> Goal:
    """Sometimes leave out the colour or the shape, when the rest still names one object."""
    if goal.family == "press" or rng.random() > _VAGUE:
        return goal
    vague = replace(goal, colour=None) if rng.random() < 0.5 else replace(goal, shape=None)
    return vague if scene.index_of(vague) is not None else goal


def _things(frames: list[Frame]) -> Rows:
    """Where everything is, for the naming losses."""
    things = np.zeros((len(frames), THINGS, 4), dtype=np.float32)
    classes = np.zeros((len(frames), THINGS, 2), dtype=np.int8)
    for row, frame in enumerate(frames):
        for i, item in enumerate(frame.state.objects):
            things[row, i] = [*item.position, item.size_m]
            classes[row, i] = COLOURS.index(item.colour), SHAPES.index(item.shape)
        for i, button in enumerate(frame.state.buttons):
            things[row, 5 + i] = [*button.position, BUTTON_SIZE_M]
            classes[row, 5 + i] = COLOURS.index(button.colour), _BUTTON_CLASS
    return {"things": things, "classes": classes}
