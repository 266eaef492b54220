"""Which rows an episode's plot has, from top to bottom."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from matplotlib.axes import Axes

from sensorium_recording import plot_panels as panels
from sensorium_recording.plot_data import PlotData
from sensorium_recording.plot_panels import Clock
from sensorium_recording.series import Thumbnails
from sensorium_recording.tool_path import tool_path

_FILM_IN, _SLOTS = 0.95, 8
_ROW_IN = 0.17
_MM = 1000.0


@dataclass(frozen=True)
class Panel:
    """One row of the figure."""

    title: str
    height_in: float
    draw: Callable[[Axes], None]
    kind: Literal["lines", "film", "table"] = "lines"
    """A table labels its rows by itself."""


def panels_of(data: PlotData, clock: Clock, urdf: str = "") -> list[Panel]:
    """The rows for what there is to show; `urdf` as for `tool_path`."""
    rows = [
        Panel(name, _FILM_IN, partial(_film, film=film, clock=clock), "film")
        for name, film in (("scene", data.scene), ("wrist", data.wrist))
        if film.kept
    ]
    rows += _force_rows(data, clock)
    rows += _motion_rows(data, clock, urdf)
    if data.policy is not None:
        height = _ROW_IN * (1 + len(data.modalities))
        draw = partial(panels.draw_policy, data=data, clock=clock)
        rows.append(Panel("policy", height, draw, "table"))
    if data.streams:
        draw = partial(panels.draw_streams, streams=data.streams, clock=clock)
        rows.append(Panel("streams", _ROW_IN * len(data.streams), draw, "table"))
    return rows


def _film(axes: Axes, film: Thumbnails, clock: Clock) -> None:
    panels.draw_film(axes, film, clock, _SLOTS)


def _force_rows(data: PlotData, clock: Clock) -> list[Panel]:
    rows = []
    if len(data.force.points.t_ns):
        rows.append(Panel("force [N]", 1.15, partial(_force, data=data, clock=clock)))
    if any(len(side.points.t_ns) for side in data.touch):
        rows.append(Panel("touch [N]", 0.8, partial(_touch, data=data, clock=clock)))
    return rows


def _force(axes: Axes, data: PlotData, clock: Clock) -> None:
    names, colours = ("norm", "x", "y", "z"), (panels.GREY, *panels.XYZ)
    panels.draw_series(axes, data.force, clock, names, colours)
    panels.legend(axes)


def _touch(axes: Axes, data: PlotData, clock: Clock) -> None:
    for side, name, colour in zip(
        data.touch, ("left", "right"), (panels.BLUE, panels.ORANGE), strict=True
    ):
        panels.draw_series(axes, side, clock, (name,), (colour,))
    panels.legend(axes)


def _motion_rows(data: PlotData, clock: Clock, urdf: str) -> list[Panel]:
    names = list(dict.fromkeys((*data.joints, *data.commands)))
    gripper = [name for name in names if "gripper" in name or "finger" in name]
    arm = [name for name in names if name not in gripper]
    rows = []
    if gripper:
        draw = partial(_joints, data=data, clock=clock, names=gripper, scale=_MM)
        rows.append(Panel("gripper [mm]", 0.7, draw))
    if arm:
        draw = partial(_joints, data=data, clock=clock, names=arm, scale=1.0)
        rows.append(Panel("joints [rad]", 1.35, draw))
    pair = tool_path(data.joints, urdf), tool_path(data.commands, urdf)
    if any(path is not None for path in pair):
        rows.append(Panel("tool [m]", 1.0, partial(_tool, pair=pair, clock=clock)))
    return rows


def _joints(axes: Axes, data: PlotData, clock: Clock, names: list[str], scale: float) -> None:
    colours = panels.JOINTS * (len(names) // len(panels.JOINTS) + 1)
    for name, colour in zip(names, colours, strict=False):
        label = name.removesuffix("_joint").replace("_", " ")
        pair = data.joints.get(name), data.commands.get(name)
        panels.draw_pair(axes, pair, clock, (label,), (colour,), scale)
    panels.legend(axes)


def _tool(axes: Axes, pair: panels.Pair, clock: Clock) -> None:
    panels.draw_pair(axes, pair, clock, ("x", "y", "z"), panels.XYZ)
    panels.legend(axes)
