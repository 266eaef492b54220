"""The picture of a recorded episode: pictures, forces, motion, policy and gaps on one time axis.

One pass over the bag and memory that does not grow with it; two passes for one episode of many.
Draws with matplotlib's Agg, without a display.
"""

import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sensorium_core.errors import BagError

from sensorium_recording import plot_panels as panels
from sensorium_recording.bag_facts import urdf_in
from sensorium_recording.bag_reader import BagReader
from sensorium_recording.drawn_file import require_suffix
from sensorium_recording.episode_log import EpisodeFacts, EpisodeLog
from sensorium_recording.plot_collector import Collector
from sensorium_recording.plot_data import PlotData
from sensorium_recording.plot_panels import Clock
from sensorium_recording.plot_rows import Panel, panels_of

_WIDTH_IN, _LEFT_IN, _RIGHT_IN = 14.0, 2.15, 1.75
_TOP_IN, _BOTTOM_IN, _SPACE_IN = 0.75, 0.5, 0.12
_AROUND_NS = 500_000_000
_LABEL_AT = -0.04
_TITLE = 110
"""Letters that fit into one line."""


@dataclass(frozen=True)
class PlotInfo:
    """What was drawn."""

    path: Path
    duration_s: float
    panels: tuple[str, ...]
    undecodable: int


def plot_bag(bag: Path, output: Path, episode: int | None = None) -> PlotInfo:
    """Draw a bag, or one episode of it, as PNG.

    Raises:
        BagError: the bag is damaged, holds nothing to draw or no such episode, or `output` is no
            name of a PNG.
    """
    require_suffix(output, ".png")
    reader = BagReader(bag)
    collector = Collector(None if episode is None else _window(reader, episode))
    for message in reader.messages():
        collector.take(message)
    data = collector.finish()
    if data.first_ns is None:
        raise BagError(bag, "holds no message to draw", "record something first")
    clock = Clock(data.first_ns, data.last_ns)
    urdf = urdf_in(reader.metadata())
    rows = panels_of(data, clock, urdf)
    figure = _figure(rows, data, clock, _title(bag, data, clock, episode))
    _save(figure, output)
    return PlotInfo(output, clock.span_s, tuple(row.title for row in rows), data.undecodable)


def _window(reader: BagReader, number: int) -> tuple[int, int]:
    log, last_ns = EpisodeLog(), 0
    for message in reader.messages():
        log.take(message.topic, message.log_time_ns, message.payload)
        last_ns = max(last_ns, message.log_time_ns)
    known = {episode.number: episode for episode in log.episodes()}
    if number not in known:
        numbers = ", ".join(map(str, known)) or "none"
        raise BagError(reader.path, f"has no episode {number}", f"it has: {numbers}")
    episode = known[number]
    end_ns = last_ns if episode.end_ns is None else episode.end_ns
    return episode.start_ns - _AROUND_NS, end_ns + _AROUND_NS


def _figure(rows: list[Panel], data: PlotData, clock: Clock, title: tuple[str, str]) -> Figure:
    inner = sum(row.height_in for row in rows) + _SPACE_IN * (len(rows) - 1)
    height = inner + _TOP_IN + _BOTTOM_IN
    figure = Figure(figsize=(_WIDTH_IN, height), facecolor="white")
    FigureCanvasAgg(figure)
    top = height - _TOP_IN
    for row in rows:
        box = (_LEFT_IN, top - row.height_in, _WIDTH_IN - _LEFT_IN - _RIGHT_IN, row.height_in)
        across = (_WIDTH_IN, height, _WIDTH_IN, height)
        left, bottom, wide, high = (v / s for v, s in zip(box, across, strict=True))
        axes = figure.add_axes((left, bottom, wide, high))
        top -= row.height_in + _SPACE_IN
        row.draw(axes)
        _dress(axes, row, clock, last=row is rows[-1])
        panels.draw_episodes(axes, data, clock, lines=row.kind != "film")
    plain: dict[str, Any] = {"va": "center", "parse_math": False}
    figure.text(0.02, 1 - 0.3 / height, title[0], fontsize=14, weight="bold", **plain)
    figure.text(0.02, 1 - 0.55 / height, title[1], fontsize=9, color=panels.GREY, **plain)
    return figure


def _save(figure: Figure, output: Path) -> None:
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # Instructions come in any script; a box stands for a letter that the font lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing")
            figure.savefig(output, format="png", dpi=100)
    except OSError as error:
        raise BagError(output, f"cannot be written ({error})", "choose another output") from None


def _dress(axes: Axes, row: Panel, clock: Clock, last: bool) -> None:
    axes.set_xlim(0, clock.span_s)
    axes.tick_params(labelsize=7, length=2, labelbottom=last)
    if row.kind != "table":
        axes.set_ylabel(row.title, fontsize=8, rotation=0, ha="right", va="center")
        axes.yaxis.set_label_coords(_LABEL_AT, 0.5)
    if row.kind != "film":
        axes.grid(axis="x", color=panels.PALE, linewidth=0.6)
        axes.set_axisbelow(True)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    if last:
        axes.set_xlabel("time since the start [s]", fontsize=8)


def _title(bag: Path, data: PlotData, clock: Clock, number: int | None) -> tuple[str, str]:
    episodes = data.episodes.episodes()
    if number is not None:
        episodes = tuple(e for e in episodes if e.number == number)
    facts = [bag.name, f"{clock.span_s:.1f} s"]
    if number is not None:
        facts.append(f"episode {number}")
    if data.undecodable:
        facts.append(f"{data.undecodable} messages could not be read")
    return _headline(episodes), " · ".join(facts)


def _headline(episodes: tuple[EpisodeFacts, ...]) -> str:
    if not episodes:
        return "no instruction"
    if len(episodes) == 1:
        one = episodes[0]
        verdict = f"{one.outcome}: {one.reason}" if one.reason else one.outcome
        said = f"“{one.instruction}”" if one.instruction else "no instruction"
        return shorten(f"{said} – {verdict or 'not judged'}", _TITLE, placeholder=" …")
    outcomes = Counter(e.outcome or "not judged" for e in episodes)
    counts = ", ".join(f"{n} {outcome}" for outcome, n in outcomes.most_common())
    return f"{len(episodes)} episodes: {counts}"
