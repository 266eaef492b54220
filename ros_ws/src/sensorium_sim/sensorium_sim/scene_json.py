"""Ground truth as JSON and back, exactly: with it any frame of a bag can be labelled anew."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from sensorium_core.bounded import one_line, parse_json
from sensorium_core.errors import MessageDecodeError
from sensorium_core.goal import Goal

from sensorium_sim.scene import ButtonSpec, ButtonState, ObjectSpec, ObjectState, Scene, SceneState

Made = TypeVar("Made")


def state_to_json(state: SceneState) -> str:
    """One line of JSON; floats keep every bit."""
    return json.dumps(asdict(state), default=_plain, separators=(",", ":"))


def state_from_json(text: str) -> SceneState:
    """The state that `state_to_json` wrote. Raises `MessageDecodeError` on anything else."""
    return _read(text, _state)


def _state(data: dict[str, Any]) -> SceneState:
    objects = [_arrays(o, "position", "quat_xyzw", "velocity") for o in data["objects"]]
    buttons = [_arrays(b, "position") for b in data["buttons"]]
    return SceneState(
        **{
            **_arrays(data, "tool_pose"),
            "objects": tuple(ObjectState(**o) for o in objects),
            "buttons": tuple(ButtonState(**b) for b in buttons),
            "touched": tuple(data["touched"]),
        }
    )


def scene_to_json(scene: Scene) -> str:
    """The scene that an episode starts from."""
    return json.dumps(asdict(scene), separators=(",", ":"))


def scene_from_json(text: str) -> Scene:
    """The scene that `scene_to_json` wrote. Raises `MessageDecodeError` on anything else."""
    return _read(text, _scene)


def _scene(data: dict[str, Any]) -> Scene:
    tuples = {name: tuple(data[name]) for name in ("start_pose", "table_rgb")}
    objects = tuple(ObjectSpec(**{**o, "rgb": _colour(o["rgb"])}) for o in data["objects"])
    buttons = tuple(ButtonSpec(**{**b, "rgb": _colour(b["rgb"])}) for b in data["buttons"])
    return Scene(**{**data, **tuples, "objects": objects, "buttons": buttons})


def goal_to_json(goal: Goal) -> str:
    """A goal as JSON; the words of touch only where there are any."""
    data = asdict(goal)
    extra = ("quality", "manner", "onto_colour", "onto_shape")
    return json.dumps({k: v for k, v in data.items() if v is not None or k not in extra})


def goal_from_json(text: str) -> Goal:
    """The goal that `goal_to_json` wrote.

    Raises:
        MessageDecodeError: it is something else.
        UnknownNameError: it names what no goal has.
    """
    return _read(text, lambda data: Goal(**data))


def _read(text: str, build: Callable[[dict[str, Any]], Made]) -> Made:
    try:
        return build(parse_json(text))
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise MessageDecodeError(
            "ground truth", f"is {text[:60]!r} ({one_line(error)})", "what this version writes"
        ) from None


def _plain(value: object) -> list[float]:
    if isinstance(value, np.ndarray):
        plain: list[float] = value.tolist()
        return plain
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _arrays(data: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**data, **{name: np.array(data[name], dtype=float) for name in names}}


def _colour(rgb: list[float] | None) -> tuple[float, float, float] | None:
    return None if rgb is None else (rgb[0], rgb[1], rgb[2])
