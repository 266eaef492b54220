"""Scenes and states of the touch tasks as JSON and back, exactly. Goals: see `scene_json`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from sensorium_core.bounded import one_line, parse_json
from sensorium_core.errors import MessageDecodeError

from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.scene_json import (
    scene_from_json,
    scene_to_json,
    state_from_json,
    state_to_json,
)
from sensorium_sim.touch_scene import (
    BlockSpec,
    BowlSpec,
    ButtonTraits,
    ObjectTraits,
    PressState,
    TouchScene,
    TouchState,
)

Made = TypeVar("Made")


def touch_scene_to_json(scene: TouchScene) -> str:
    """The scene that an episode starts from, hidden traits included."""
    return scene_to_json(scene)


def touch_scene_from_json(text: str) -> TouchScene:
    """What `touch_scene_to_json` wrote. Raises `MessageDecodeError` on anything else."""
    return _read(text, _scene)


def touch_state_to_json(state: TouchState) -> str:
    """One line of JSON; floats keep every bit."""
    return state_to_json(state)


def touch_state_from_json(text: str) -> TouchState:
    """What `touch_state_to_json` wrote. Raises `MessageDecodeError` on anything else."""
    return _read(text, _state)


def any_scene_from_json(text: str) -> Scene:
    """A scene with fixtures or without. Raises `MessageDecodeError` on anything else."""
    return touch_scene_from_json(text) if _has(text, "traits") else scene_from_json(text)


def any_state_from_json(text: str) -> SceneState:
    """Ground truth with fixtures or without. Raises `MessageDecodeError` on anything else."""
    return touch_state_from_json(text) if _has(text, "presses") else state_from_json(text)


def _has(text: str, field: str) -> bool:
    return _read(text, lambda data: field in data)


def _scene(data: dict[str, Any]) -> TouchScene:
    ordinary = {field.name: data.pop(field.name) for field in fields(Scene)}
    block = data.pop("block")
    extra: dict[str, Any] = {
        "traits": tuple(ObjectTraits(**t) for t in data.pop("traits")),
        "button_traits": tuple(ButtonTraits(**t) for t in data.pop("button_traits")),
        "bowls": tuple(BowlSpec(**_tuples(b, "rgb")) for b in data.pop("bowls")),
        "block": None if block is None else BlockSpec(**_tuples(block, "seen_error_m")),
    }
    return TouchScene(**vars(scene_from_json(json.dumps(ordinary))), **extra, **data)


def _state(data: dict[str, Any]) -> TouchState:
    ordinary = {field.name: data.pop(field.name) for field in fields(SceneState)}
    presses = tuple(_press(p) for p in data.pop("presses"))
    scene = _scene(data.pop("scene"))
    known = vars(state_from_json(json.dumps(ordinary)))
    return TouchState(**known, presses=presses, scene=scene, **data)


def _press(data: dict[str, Any]) -> PressState:
    ended = tuple(tuple(one) for one in data["ended"])
    return PressState(**{**_tuples(data, "longest_s"), "ended": ended})


def _tuples(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**data, **{name: data[name] and tuple(data[name]) for name in names}}


def _read(text: str, build: Callable[[dict[str, Any]], Made]) -> Made:
    try:
        return build(parse_json(text))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise MessageDecodeError(
            "touch task", f"is {text[:60]!r} ({one_line(error)})", "what this version writes"
        ) from None
