"""The cells that the live simulator can be, by name, and which one an episode needs. ROS-free.

They are two because they do not give the same bytes: `TouchCell` plays tabletop scenes too, but
its arm has integral action, so joints and forces differ once it has moved or presses.
"""

from __future__ import annotations

from collections.abc import Mapping

from sensorium_core.errors import EpisodeError
from sensorium_core.goal import FAMILIES

from sensorium_sim.cell import Cell
from sensorium_sim.episode import HOLD_STILL, Episode
from sensorium_sim.touch_cell import TouchCell
from sensorium_sim.touch_scene import TouchScene

CELLS: Mapping[str, type[Cell]] = {"tabletop": Cell, "touch": TouchCell}
"""`tabletop` plays pick, push and press; `touch` plays all nine families."""


def playable(episode: Episode, cell: str) -> Episode:
    """The episode, if the cell of that name can play it; raises `EpisodeError` if not."""
    if isinstance(episode.scene, TouchScene) and not issubclass(CELLS[cell], TouchCell):
        known = ", ".join((*FAMILIES, HOLD_STILL))
        raise EpisodeError(
            f"goal {episode.goal_text!r} in the cell {cell!r}",
            f"{known}, or a simulator that was started with cell:=touch",
        )
    return episode
