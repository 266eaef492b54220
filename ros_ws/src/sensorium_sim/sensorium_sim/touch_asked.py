"""What else could be asked for at a moment of a touch episode, and what would be meant by it.

With it every recorded decision can teach several instructions. A goal is left out where its expert
would do something silly from here, such as dropping what it holds.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import COLOURS, MANNERS, QUALITIES, SHAPES, Goal

from sensorium_sim.feel_expert import FeelExpert, FeelMemory
from sensorium_sim.give_expert import GiveExpert, WeighMemory, held_index
from sensorium_sim.hold_expert import HoldMemory
from sensorium_sim.insert_expert import SearchMemory
from sensorium_sim.layout import absent_goals
from sensorium_sim.touch_episode import Memory, make_expert
from sensorium_sim.touch_scene import BOWL_HEIGHT_M, TouchScene, TouchState, hole_position
from sensorium_sim.touch_sight import Sight

Array = NDArray[np.float64]

BUTTON_SIZE_M, BOWL_SIZE_M, WELL_SIZE_M = 0.05, 0.1, 0.034
"""Edges of boxes around what cameras show of these."""
_ON_TABLE_M = 0.005
_FLAT = ("cube", "cylinder")


def goals_here(goal: Goal, scene: TouchScene) -> list[Goal]:
    """Goals that can be asked for in the scene of an episode of `goal`, its own first."""
    family, things = goal.family, [(o.colour, o.shape) for o in scene.objects]
    if family in QUALITIES:
        found = [Goal(family, quality=quality) for quality in QUALITIES[family]]
    elif family == "hold":
        buttons = [b.colour for b in scene.buttons]
        found = [Goal("hold", colour, manner=manner) for colour in buttons for manner in MANNERS]
    else:
        found = [
            Goal("put", *thing, onto_colour=bowl.colour)
            for thing in things
            for bowl in scene.bowls
        ]
        found += [
            Goal("stack", *top, onto_colour=below[0], onto_shape=below[1])
            for top in things
            for below in things
            if top != below and top[1] in _FLAT and below[1] in _FLAT
        ]
        found += [Goal("pick", *thing) for thing in things]
    return [goal, *(other for other in found if other != goal)]


def absent_here(goal: Goal, scene: TouchScene) -> list[Goal]:
    """Goals that name something that is not in the scene of an episode of `goal`."""
    things = [(o.colour, o.shape) for o in scene.objects]
    bowls, buttons = [b.colour for b in scene.bowls], [b.colour for b in scene.buttons]
    gone = [(c, s) for c in COLOURS for s in SHAPES if (c, s) not in things]
    found = absent_goals(scene)
    found += [Goal("hold", c, manner=m) for c in COLOURS if c not in buttons for m in MANNERS]
    found += [Goal("put", *g, onto_colour=b) for g in gone for b in bowls or COLOURS]
    found += [Goal("put", *t, onto_colour=c) for t in things for c in COLOURS if c not in bowls]
    flat = [thing for thing in things if thing[1] in _FLAT]
    for top, below in [(g, t) for g in gone for t in flat] + [(t, g) for g in gone for t in flat]:
        if top[1] in _FLAT and below[1] in _FLAT:
            found.append(Goal("stack", *top, onto_colour=below[0], onto_shape=below[1]))
    if scene.block is None:
        found += [Goal("insert", quality=quality) for quality in QUALITIES["insert"]]
    if not things:
        pairs = [(f, q) for f in ("give", "feel") for q in QUALITIES[f]]
        found += [Goal(family, quality=quality) for family, quality in pairs]
    return found


def may_ask(other: Goal, goal: Goal, sight: Sight) -> bool:
    """Whether an expert of `other` can go on from here, in an episode of `goal`."""
    if other == goal or goal.family in ("hold", "give", "feel"):
        return True
    held = held_index(sight)
    if goal.family == "insert":
        return held is None and all(_lies(sight, i) for i in (0, 1))
    index = _index(other, sight.state)
    if held is not None:
        return other.family != "pick" and held == index
    below = _below(other, sight.state)
    return _lies(sight, index) and (below is None or _lies(sight, below))


def memory_for(other: Goal, goal: Goal, memory: Memory) -> Memory:
    """What an expert of `other` would remember where that of `goal` remembers `memory`.

    What was found out stays known; how long a button has been held does not count for another.
    """
    if other == goal:
        return memory
    if isinstance(memory, WeighMemory):
        return replace(memory, weights_n=list(memory.weights_n))
    if isinstance(memory, FeelMemory):
        verdict, rejected = memory.verdict, memory.rejected
        return FeelMemory(
            memory.touch_opening_m,
            None if verdict is None else not verdict,
            None if rejected is None else 1 - rejected,
        )
    if other.family == "insert":
        return SearchMemory()
    return HoldMemory() if other.family == "hold" else None


def meant(goal: Goal, sight: Sight, memory: Memory) -> tuple[Array, float, float | None]:
    """What a goal of touch means now: centre as cameras show it `(3,)`, size [m], yaw [rad].

    Places in base_link [m].
    In tasks of two stages the second thing is meant once the first is held. No yaw: it is round.
    """
    state, held = sight.state, held_index(sight)
    if goal.family == "hold":
        return seen_cap(goal, state), BUTTON_SIZE_M, None
    if goal.family in ("give", "feel"):
        index = held if held is not None else _wanted(goal, sight, memory)
    else:
        index = _index(goal, state)
        if held == index:
            return _second(goal, state)
    item = state.objects[index]
    size = state.scene.trait(index).height_m or item.size_m
    return item.position, size, item.yaw if item.shape == "cube" else None


def seen_cap(goal: Goal, state: TouchState) -> Array:
    """Middle of the top of the button that is meant, as cameras show it `(3,)` [m], base_link."""
    index = [b.colour for b in state.buttons].index(goal.colour or "")
    error = state.scene.button_trait(index).seen_error_m
    return state.buttons[index].position + np.array([0.0, 0.0, error])


def seen_well(goal: Goal, state: TouchState) -> Array:
    """Middle of the rim of the well that is meant, as cameras show it `(3,)` [m], base_link."""
    assert state.scene.block is not None
    return hole_position(state.scene.block, goal.quality or "", seen=True)


def _second(goal: Goal, state: TouchState) -> tuple[Array, float, float | None]:
    if goal.family == "insert":
        assert state.scene.block is not None
        yaw = state.scene.block.yaw if goal.quality == "square" else None
        return seen_well(goal, state), WELL_SIZE_M, yaw
    if goal.family == "put":
        bowl = next(b for b in state.scene.bowls if b.colour == goal.onto_colour)
        return np.array([bowl.x, bowl.y, 0.5 * BOWL_HEIGHT_M]), BOWL_SIZE_M, None
    below = _below(goal, state)
    assert below is not None
    item = state.objects[below]
    return item.position, item.size_m, item.yaw if item.shape == "cube" else None


def _wanted(goal: Goal, sight: Sight, memory: Memory) -> int:
    expert = make_expert(goal, feels=True)
    expert.memory = memory
    assert isinstance(expert, GiveExpert | FeelExpert)
    return expert.wanted(sight)


def _index(goal: Goal, state: TouchState) -> int:
    """The object that is moved."""
    kinds = [(o.colour, o.shape) for o in state.objects]
    if goal.family == "insert":
        return [k[1] for k in kinds].index("cylinder" if goal.quality == "round" else "cube")
    if (goal.colour, goal.shape) not in kinds:
        raise UnknownNameError("target", goal.words, [" ".join(k) for k in kinds])
    return kinds.index((goal.colour or "", goal.shape or ""))


def _below(goal: Goal, state: TouchState) -> int | None:
    if goal.family != "stack":
        return None
    kinds = [(o.colour, o.shape) for o in state.objects]
    return kinds.index((goal.onto_colour or "", goal.onto_shape or ""))


def _lies(sight: Sight, index: int) -> bool:
    """Whether an object stands on the table, upright where it is a peg."""
    item, trait = sight.state.objects[index], sight.state.scene.trait(index)
    half = 0.5 * (trait.height_m or item.size_m)
    return abs(float(item.position[2]) - half) < _ON_TABLE_M
