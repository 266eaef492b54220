"""Which of the simulator's cells and tasks a policy can be tried in. ROS-free.

As headless evaluation has it: a policy of contract version 1 acts in the cell of the tabletop, one
of version 2 in that of touch, whatever it is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from sensorium_core.errors import EpisodeError
from sensorium_core.goal import FAMILIES, TOUCH_FAMILIES, Goal
from sensorium_core.language import Command
from sensorium_core.policy import Policy


def cell_of(policy: Policy) -> str:
    """The simulator's parameter `cell`."""
    return "tabletop" if policy.contract.version == 1 else "touch"


def families_of(policy: Policy) -> tuple[str, ...]:
    """The families that a scene can be set for."""
    return FAMILIES if policy.contract.version == 1 else policy.families


def require_playable(policy: Policy, families: Iterable[str]) -> None:
    """Raises `EpisodeError` when a family of touch is among them that the policy cannot do."""
    known = families_of(policy)
    wrong = sorted({family for family in families if family not in known})
    if wrong:
        version = policy.contract.version
        problem = f"of {', '.join(wrong)} for {policy.path} of contract version {version}"
        raise EpisodeError(problem, f"{', '.join(known)}, or a policy of version 2 that knows all")


def staged_goal(command: Command, policy: Policy, seed: int) -> Goal | None:
    """What the live cell sets a scene for and judges; None: nothing, to hold still is right.

    Raises `EpisodeError` when no scene of touch has what was said.
    """
    goal = command.goal if command.in_scope else None
    if goal is None or goal.family not in families_of(policy):
        return None
    if goal.family in TOUCH_FAMILIES:
        from sensorium_sim.episode import find_episode  # The simulator is heavy: load it late.

        find_episode(seed, goal.words)
    return goal
