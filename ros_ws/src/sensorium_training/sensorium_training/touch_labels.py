"""Labels of contract version 2: what would have been right in any of the nine families.

As `labels` says it for the tabletop families, which this module widens; where touch decides, the
expert's decision is taken again from what was noted in the bag, for the episode's goal and for
others, and its next moves are foreseen by `touch_rollout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sensorium_core.codebook import CLASSES, NOTHING, SLOTS, TABLETOP_SLOTS, goal_classes
from sensorium_core.goal import COLOURS, FAMILIES, SHAPES, Goal
from sensorium_core.memory import WIDTH
from sensorium_sim.expert_note import ExpertNote
from sensorium_sim.rollout import rollout
from sensorium_sim.touch_asked import (
    BOWL_SIZE_M,
    BUTTON_SIZE_M,
    WELL_SIZE_M,
    absent_here,
    goals_here,
    may_ask,
    meant,
    memory_for,
)
from sensorium_sim.touch_driver import Move
from sensorium_sim.touch_rollout import touch_rollout
from sensorium_sim.touch_scene import (
    BOWL_HEIGHT_M,
    HOLE_KINDS,
    TouchScene,
    TouchState,
    hole_position,
)
from sensorium_sim.touch_sight import Sight
from sensorium_sim.touch_tasks import judge

from sensorium_training.labels import (
    GOALS,
    PRESENT_GOALS,
    Frame,
    ask,
    is_visible,
    present_row,
)

Array = NDArray[np.float64]
Rows = dict[str, NDArray[np.generic]]
Row = dict[str, Array]

TOUCH_THINGS = 11
"""Five objects, two buttons, two bowls, two wells."""
TOUCH_SHAPES = (*SHAPES, "button", "bowl", "round well", "square well")
NO_COLOUR = len(COLOURS)
TOUCH_LABELS: dict[str, tuple[tuple[int, ...], str]] = {
    "things": ((TOUCH_THINGS, 4), "float32"),
    "classes": ((TOUCH_THINGS, 2), "int8"),
    "goal": ((GOALS, len(SLOTS)), "int8"),
    "memory": ((GOALS, WIDTH), "float32"),
    "chunk": ((GOALS, 8, 5), "float32"),
    "intent": ((GOALS, 2), "float32"),
    "target": ((GOALS, 4), "float32"),
    "heading": ((GOALS, 3), "float32"),
    "flags": ((GOALS, 2), "float32"),
}
"""As `labels.LABELS`; `intent` is force downwards [N] and yielding, zeros where the fast half
sleeps."""
_SHARED = ("insert", "give", "feel")
"""Families whose goals are asked of one history: what was felt for one is known for the other."""


@dataclass(frozen=True)
class FeltFrame:
    """One step of an episode, with what a policy remembers then."""

    frame: Frame
    felt: Array
    """What of `FeltMemory.vector` is beyond `Memory.vector`, since the instruction `(27,)`."""
    fresh: Array
    """The same had the instruction come just now."""
    note: ExpertNote | None = None
    """What the expert decided; None in tabletop families."""

    @property
    def sight(self) -> Sight:
        """What the expert was given."""
        assert self.note is not None
        assert isinstance(self.frame.state, TouchState)
        return Sight(self.frame.state, np.array(self.note.tool), self.note.felt)


def widened(rows: Rows, frames: Sequence[FeltFrame]) -> Rows:
    """Labels of a tabletop episode, of `labels.label_frames`, as those of nine families."""
    n = len(frames)
    nothing = [CLASSES[slot].index(NOTHING[slot]) for slot in SLOTS[len(TABLETOP_SLOTS) :]]
    goal = np.empty((n, GOALS, len(SLOTS)), np.int8)
    goal[..., : len(TABLETOP_SLOTS)], goal[..., len(TABLETOP_SLOTS) :] = rows["goal"], nothing
    memory = np.zeros((n, GOALS, WIDTH), np.float32)
    memory[..., :5] = rows["memory"]
    for i, frame in enumerate(frames):
        memory[i, 0, 5:], memory[i, 1:PRESENT_GOALS, 5:] = frame.felt, frame.fresh
    things = np.zeros((n, TOUCH_THINGS, 4), np.float32)
    classes = np.zeros((n, TOUCH_THINGS, 2), np.int8)
    things[:, : rows["things"].shape[1]] = rows["things"]
    classes[:, : rows["classes"].shape[1]] = rows["classes"]
    wide: Rows = {"goal": goal, "memory": memory, "things": things, "classes": classes}
    return {**rows, **wide, "intent": np.zeros((n, GOALS, 2), np.float32)}


def label_touch_frames(
    scene: TouchScene, goal: Goal, frames: Sequence[FeltFrame], rng: np.random.Generator
) -> Rows:
    """Arrays of `TOUCH_LABELS` for the frames of one episode in which touch decides."""
    here, absent = goals_here(goal, scene), absent_here(goal, scene)
    by_family = {f: [g for g in absent if g.family == f] for f in {g.family for g in absent}}
    families = sorted(by_family)
    rows: list[Row] = []
    for frame in frames:
        others = [other for other in here[1:] if may_ask(other, goal, frame.sight)] or [goal]
        told = [goal, *(others[int(rng.integers(len(others)))] for _ in range(PRESENT_GOALS - 1))]
        mine = [_row(other, goal, frames[0], frame) for other in told]
        for _ in range(GOALS - PRESENT_GOALS):
            pool = by_family[families[int(rng.integers(len(families)))]]
            mine.append(_absent_row(pool[int(rng.integers(len(pool)))]))
        rows.append({name: np.stack([row[name] for row in mine]) for name in mine[0]})
    columns: Rows = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    columns |= _things([frame.sight.state for frame in frames])
    return {name: columns[name].astype(dtype) for name, (_, dtype) in TOUCH_LABELS.items()}


def intent_of(move: Move) -> Array:
    """`(2,)`: force downwards [N] and yielding; zeros where nothing is to be felt."""
    intent = move.intent
    return np.zeros(2) if intent is None else np.array([intent.press_n, intent.yield_])


def _row(other: Goal, goal: Goal, first: FeltFrame, now: FeltFrame) -> Row:
    """What is right for one goal; one that shares no history was asked just now."""
    since = first if other == goal or goal.family in _SHARED else now
    felt = now.fresh if since is now and other != goal else now.felt
    press = now.frame.press_now if since is now and other != goal else now.frame.peak_press
    if other.family in FAMILIES:
        return _tabletop_row(other, now, felt)
    return _touch_row(other, goal, since, now, np.array([press, *felt]))


def _touch_row(other: Goal, goal: Goal, since: FeltFrame, now: FeltFrame, felt: Array) -> Row:
    assert now.note is not None
    assert since.note is not None
    sight, start = now.sight, since.sight
    memory = memory_for(other, goal, now.note.memory)
    foreseen = touch_rollout(other, sight, memory)
    place, size, yaw = meant(other, sight, memory)
    anchor, _, _ = meant(other, start, memory_for(other, goal, since.note.memory))
    done = judge(other, start.state, sight.state).success is True
    turned = np.zeros(3) if yaw is None else np.array([np.cos(4 * yaw), np.sin(4 * yaw), 1.0])
    visible = 1.0 if is_visible(now.frame.cloud, place, size) else 0.5
    return {
        "goal": np.array(goal_classes(other)),
        "memory": np.array([*anchor, 1.0, *felt]),
        "chunk": foreseen.chunk,
        "intent": intent_of(foreseen.first),
        "target": np.array([*place, size]),
        "heading": turned,
        "flags": np.array([visible, done]),
    }


def _tabletop_row(other: Goal, now: FeltFrame, felt: Array) -> Row:
    asked = ask(other, now.frame.state, now.frame, now.frame.press_now)
    row = present_row(asked, now.frame)
    return {
        **row,
        "goal": np.array(goal_classes(other)),
        "memory": np.array([*row["memory"], *felt]),
        "chunk": rollout(asked.view, other),
        "intent": np.zeros(2),
    }


def _absent_row(goal: Goal) -> Row:
    shapes = {name: shape[1:] for name, (shape, _) in TOUCH_LABELS.items()}
    names = ("memory", "chunk", "intent", "target", "heading", "flags")
    return {"goal": np.array(goal_classes(goal)), **{n: np.zeros(shapes[n]) for n in names}}


def _things(states: Sequence[TouchState]) -> Rows:
    """Where everything is, as cameras show it, for the naming losses."""
    things = np.zeros((len(states), TOUCH_THINGS, 4))
    classes = np.zeros((len(states), TOUCH_THINGS, 2))
    for row, state in enumerate(states):
        for at, place, size, colour, shape in _named(state):
            things[row, at] = [*place, size]
            classes[row, at] = colour, TOUCH_SHAPES.index(shape)
    return {"things": things, "classes": classes}


def _named(state: TouchState) -> list[tuple[int, Array, float, int, str]]:
    """Place in the arrays, centre, size, colour and shape of everything in the cell."""
    scene = state.scene
    found = [
        (i, o.position, scene.trait(i).height_m or o.size_m, COLOURS.index(o.colour), o.shape)
        for i, o in enumerate(state.objects)
    ]
    for i, button in enumerate(state.buttons):
        place = button.position + np.array([0.0, 0.0, scene.button_trait(i).seen_error_m])
        found.append((5 + i, place, BUTTON_SIZE_M, COLOURS.index(button.colour), "button"))
    for i, bowl in enumerate(scene.bowls):
        place = np.array([bowl.x, bowl.y, 0.5 * BOWL_HEIGHT_M])
        found.append((7 + i, place, BOWL_SIZE_M, COLOURS.index(bowl.colour), "bowl"))
    for i, kind in enumerate(HOLE_KINDS if scene.block is not None else ()):
        assert scene.block is not None
        place = hole_position(scene.block, kind, seen=True)
        found.append((9 + i, place, WELL_SIZE_M, NO_COLOUR, f"{kind} well"))
    return found
