"""Episodes of the live simulator: which scene fits a goal, and how the attempt is going. ROS-free.

A goal is text, so that a ROS parameter can hold it: `pick red cube`, `push blue cylinder left`,
`press green`, `hold red gently`, `put red cube blue` and so on for touch, a family alone (the goal
that the seed sets), or `none`: to hold still is success.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sensorium_core.errors import EpisodeError, UnknownNameError
from sensorium_core.goal import (
    COLOURS,
    DIRECTIONS,
    FAMILIES,
    NEEDED,
    SHAPES,
    TOUCH_FAMILIES,
    Goal,
    touch_goal,
)

from sensorium_sim.all_tasks import ALL_TASKS
from sensorium_sim.layout import feasible, sample_scene
from sensorium_sim.scene import Scene, SceneState
from sensorium_sim.touch_asked import goals_here
from sensorium_sim.touch_layout import touch_scene

HOLD_STILL = "none"
HOLD_STILL_S = 5.0
MOVED_M = 0.01
MOVED_RAD = 0.05
_TRIES, _TOUCH_TRIES = 20_000, 2_000
_SYNTAX = (
    "pick <colour> <shape>, push <colour> <shape> <direction>, press <colour>, "
    f"one of {', '.join(TOUCH_FAMILIES)} with its words, a family alone, or none"
)


@dataclass(frozen=True)
class Episode:
    """A scene and what is to be done in it; no goal: nothing."""

    seed: int
    scene: Scene
    goal: Goal | None

    @property
    def time_limit_s(self) -> float:
        """From the instruction to failure (to success, when there is nothing to do)."""
        return HOLD_STILL_S if self.goal is None else ALL_TASKS[self.goal.family].time_limit_s

    @property
    def goal_text(self) -> str:
        """The goal as `parse_goal` reads it."""
        return HOLD_STILL if self.goal is None else goal_text(self.goal)


def goal_text(goal: Goal) -> str:
    """A goal in the words of `parse_goal`."""
    return goal.words


def parse_goal(text: str) -> Goal | None:
    """Read a goal; None for `none`. A family alone has neither colour nor shape."""
    words = text.split()
    if words == [HOLD_STILL]:
        return None
    if words and words[0] in NEEDED:
        return _parse_touch(words)
    if not words or words[0] not in FAMILIES:
        raise EpisodeError(f"goal {text!r}", _SYNTAX)
    found: dict[str, str] = {}
    for word in words[1:]:
        kinds = {"colour": COLOURS, "shape": SHAPES, "direction": DIRECTIONS}
        kind = next((k for k, names in kinds.items() if word in names), None)
        if kind is None or kind in found:
            raise EpisodeError(f"goal {text!r}", _SYNTAX)
        found[kind] = word
    if found and words[0] == "push" and "direction" not in found:
        raise EpisodeError(f"goal {text!r} without a direction", _SYNTAX)
    return Goal(words[0], found.get("colour"), found.get("shape"), found.get("direction"))


def _parse_touch(words: list[str]) -> Goal:
    try:
        return touch_goal(words[0], words[1:])
    except UnknownNameError as wrong:
        needs = " ".join(f"<{name}>" for name in NEEDED[words[0]])
        text = f"{words[0]} {needs} ({wrong})"
        raise EpisodeError(f"goal {' '.join(words)!r}", text) from None


def find_episode(seed: int, text: str) -> Episode:
    """The scene of a seed, or of the next seed in which the goal can be done.

    Raises:
        EpisodeError: the goal cannot be read, or no scene allows it.
    """
    if seed < 0:
        raise EpisodeError(f"seed {seed}", "zero or more")
    if text.strip() in TOUCH_FAMILIES:
        return Episode(seed, *touch_scene(text.strip(), seed))
    goal = parse_goal(text)
    if goal is None:
        return Episode(seed, sample_scene(seed), None)
    if goal.family in TOUCH_FAMILIES:
        return _find_touch(seed, goal)
    scene, own = ALL_TASKS[goal.family].reset(seed)
    if goal.colour is None and goal.shape is None:
        return Episode(seed, scene, own)
    for candidate in range(seed, seed + _TRIES):
        if candidate > seed:
            scene = sample_scene(candidate)
        if feasible(scene, goal):
            return Episode(candidate, scene, _fully_named(scene, goal))
    raise EpisodeError(f"goal {text!r} fits no scene from seed {seed} on", "a goal in the cell")


def _find_touch(seed: int, goal: Goal) -> Episode:
    for candidate in range(seed, seed + _TOUCH_TRIES):
        scene, own = touch_scene(goal.family, candidate)
        if goal in goals_here(own, scene):
            return Episode(candidate, scene, goal)
    problem = f"goal {goal.words!r} fits no scene from seed {seed} on"
    raise EpisodeError(problem, "things that such a scene has, such as cubes to stack on")


def _fully_named(scene: Scene, goal: Goal) -> Goal:
    index = scene.index_of(goal)
    assert index is not None
    if goal.family == "press":
        return Goal("press", scene.buttons[index].colour)
    item = scene.objects[index]
    return Goal(goal.family, item.colour, item.shape, goal.direction)


@dataclass(frozen=True)
class Verdict:
    """How an episode stands: `waiting` for words, `running`, `success` or `failure`."""

    status: str
    reason: str
    elapsed_s: float = 0.0
    """Since the instruction."""
    travel_m: float = 0.0
    """Farthest that the tool has been from where it was when it was told."""


class Judge:
    """Watches one episode from the moment something is said; the first verdict stands."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.verdict = Verdict("waiting", "nothing has been said yet")
        self._start: SceneState | None = None
        self._travel_m = self._turned_rad = 0.0

    def told(self, now: SceneState) -> None:
        """Something was said: what happens from now on counts."""
        self._start = now
        self._travel_m = self._turned_rad = 0.0
        self.verdict = Verdict("running", "not done yet")

    def update(self, now: SceneState) -> Verdict:
        """Judge the present state."""
        start = self._start
        if start is None or self.verdict.status in ("success", "failure"):
            return self.verdict
        elapsed_s = (now.time_ns - start.time_ns) * 1e-9
        moved = now.tool_pose - start.tool_pose
        self._travel_m = max(self._travel_m, float(np.linalg.norm(moved[:3])))
        turned = float(np.abs(np.arctan2(np.sin(moved[3]), np.cos(moved[3]))))
        self._turned_rad = max(self._turned_rad, turned)
        status, reason = self._judge(start, now, elapsed_s)
        self.verdict = Verdict(status, reason, elapsed_s, self._travel_m)
        return self.verdict

    def _judge(self, start: SceneState, now: SceneState, elapsed_s: float) -> tuple[str, str]:
        late = elapsed_s >= self.episode.time_limit_s
        goal = self.episode.goal
        if goal is None:
            if self._travel_m > MOVED_M or self._turned_rad > MOVED_RAD:
                return "failure", f"the arm moved ({1e3 * self._travel_m:.0f} mm)"
            return ("success", "the arm held still") if late else ("running", "holding still")
        outcome = ALL_TASKS[goal.family].success(goal, start, now)
        if outcome.success is not None:
            return ("success" if outcome.success else "failure"), outcome.reason
        if late:
            return "failure", f"{outcome.reason} after {elapsed_s:.0f} s"
        return "running", outcome.reason
