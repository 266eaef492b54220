"""The panels of an episode's plot, each drawn into its own axes. Times are seconds since start."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from numpy.typing import NDArray

from sensorium_recording.plot_data import STATES, PlotData, StreamTimes
from sensorium_recording.series import Series, Thumbnails

Array = NDArray[np.float64]
Pair = tuple[Series | None, Series | None]
"""Measured and commanded."""

BLUE, ORANGE, GREEN, RED = "#0072b2", "#e69f00", "#009e73", "#d55e00"
SKY, PINK, BLACK, GREY, PALE = "#56b4e9", "#cc79a7", "#222222", "#8a8f98", "#e8eaee"
XYZ = (RED, GREEN, BLUE)
JOINTS = (BLUE, ORANGE, GREEN, RED, SKY, PINK, BLACK, GREY)
"""Okabe and Ito's colours, which colour-blind people can tell apart."""
_STATE_COLOURS = (PALE, SKY, BLUE, ORANGE, GREEN, RED)
COMMANDED = "commanded"
_BREAK = 5.0
_MAX_GAPS = 100
_MANY = 20
_NAME = 36


@dataclass(frozen=True)
class Clock:
    """From log times to the seconds of the time axis."""

    start_ns: int
    end_ns: int

    @property
    def span_s(self) -> float:
        """Length of the axis; never zero."""
        return max((self.end_ns - self.start_ns) / 1e9, 1e-3)

    def seconds(self, t_ns: NDArray[np.int64] | int) -> Array:
        """Seconds since the start."""
        return np.asarray(np.asarray(t_ns) - self.start_ns) / 1e9


def draw_film(axes: Axes, film: Thumbnails, clock: Clock, slots: int) -> None:
    """Pictures side by side, each taken near the time under its middle."""
    width = clock.span_s / slots
    axes.set(ylim=(0, 1), yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(bottom=False)
    for slot in range(slots):
        left = slot * width
        thumbnail = film.nearest(clock.start_ns + round((left + width / 2) * 1e9))
        seen = float("inf") if thumbnail is None else float(clock.seconds(thumbnail.t_ns))
        if thumbnail is None or abs(seen - left - width / 2) > width:
            continue
        extent = (left + 0.01 * width, left + 0.99 * width, 0.0, 1.0)
        axes.imshow(thumbnail.picture, extent=extent, aspect="auto", interpolation="lanczos")
        box = {"facecolor": "black", "alpha": 0.55, "pad": 1.5, "linewidth": 0}
        place = (left + 0.04 * width, 0.06)
        axes.text(*place, f"{seen:.2f} s", color="white", fontsize=7, va="bottom", bbox=box)


def draw_series(
    axes: Axes,
    series: Series,
    clock: Clock,
    names: Sequence[str],
    colours: Sequence[str],
    scale: float = 1.0,
    **style: object,
) -> None:
    """Lines that pass through every extreme; broken where nothing came for long."""
    points = series.points
    if not len(points.t_ns):
        return
    for channel, (name, colour) in enumerate(zip(names, colours, strict=True)):
        low, high = points.low[:, channel] * scale, points.high[:, channel] * scale
        t, y = _line(clock.seconds(points.t_ns), low, high)
        options: dict[str, Any] = {"linewidth": 0.9, **style}
        axes.plot(t, y, color=colour, label=name, **options)


def draw_pair(
    axes: Axes,
    pair: Pair,
    clock: Clock,
    names: Sequence[str],
    colours: Sequence[str],
    scale: float = 1.0,
) -> None:
    """Measured as broad pale lines, commanded as thin dashed ones upon them."""
    measured, commanded = pair
    if measured is not None:
        broad = {} if commanded is None else {"linewidth": 2.0, "alpha": 0.5}
        draw_series(axes, measured, clock, names, colours, scale, **broad)
    if commanded is not None:
        names = names if measured is None else [f"_{name}" for name in names]
        dashes: dict[str, Any] = {"linestyle": (0, (3, 2)), "linewidth": 0.9}
        draw_series(axes, commanded, clock, names, colours, scale, **dashes)
        axes.plot([], [], color=BLACK, label=COMMANDED, **dashes)


def _line(t: Array, low: Array, high: Array) -> tuple[Array, Array]:
    t2, y = np.repeat(t, 2), np.stack([low, high], axis=1).reshape(-1)
    if len(t) < 3:
        return t2, y
    steps = np.diff(t)
    breaks = np.flatnonzero(steps > _BREAK * max(float(np.median(steps)), 1e-9)) + 1
    return np.insert(t2, 2 * breaks, t[breaks]), np.insert(y, 2 * breaks, np.nan)


def draw_policy(axes: Axes, data: PlotData, clock: Clock) -> None:
    """The policy's state, and below it which modalities it took for valid."""
    assert data.policy is not None
    points = data.policy.points
    edges = np.append(clock.seconds(points.t_ns), clock.span_s)
    names = ("state", *data.modalities)
    seen: set[int] = set()
    for begin, end in _runs(points.high[:, 0]):
        code = points.high[begin, 0]
        if np.isfinite(code):
            seen.add(int(code))
            _block(axes, 0, edges[begin], edges[end], _STATE_COLOURS[int(code)])
    for row in range(1, len(names)):
        for begin, end in _runs(points.low[:, row]):
            valid = points.low[begin, row] > 0.5
            _block(axes, row, edges[begin], edges[end], PALE if valid else RED)
    axes.set(ylim=(len(names) - 0.45, -0.55), yticks=range(len(names)), yticklabels=names)
    patches = [Patch(color=_STATE_COLOURS[code], label=STATES[code]) for code in sorted(seen)]
    patches.append(Patch(color=RED, label="sense not valid"))
    legend(axes, patches)


def _runs(values: Array) -> list[tuple[int, int]]:
    changes = np.flatnonzero(np.diff(values) != 0) + 1
    edges = [0, *changes.tolist(), len(values)]
    return [(a, b) for a, b in pairwise(edges) if b > a]


def _block(axes: Axes, row: int, begin: float, end: float, colour: str) -> None:
    axes.broken_barh([(begin, end - begin)], (row - 0.38, 0.76), facecolors=colour, linewidth=0)


def draw_streams(axes: Axes, streams: dict[str, StreamTimes], clock: Clock) -> None:
    """One row a stream: when it ran, and where it was silent for 2.5 intervals and more."""
    names = sorted(streams)
    for row, name in enumerate(names):
        stream = streams[name]
        first = float(clock.seconds(stream.first_ns or 0))
        last = float(clock.seconds(stream.last_ns))
        axes.broken_barh([(first, last - first)], (row - 0.3, 0.6), facecolors=SKY, linewidth=0)
        gaps = stream.timing.gaps()
        for at_ns, length_ns in gaps[:_MAX_GAPS]:
            left = float(clock.seconds(at_ns))
            bar = [(left, max(length_ns / 1e9, 0.003 * clock.span_s))]
            axes.broken_barh(bar, (row - 0.42, 0.84), facecolors=RED, linewidth=0)
        axes.text(1.01, row, _stream_words(stream), transform=axes.get_yaxis_transform(),
                  fontsize=7, va="center", color=BLACK)  # fmt: skip
    axes.set(ylim=(len(names) - 0.4, -0.6), yticks=range(len(names)))
    axes.set_yticklabels([_fitted(name.lstrip("/")) for name in names])


def _stream_words(stream: StreamTimes) -> str:
    summary = stream.timing.summary()
    rate = "one message" if summary.rate_hz is None else f"{summary.rate_hz:.0f} Hz"
    if not summary.gaps or summary.longest_gap_ms is None:
        return rate
    return f"{rate}, {_gaps(summary.gaps)} ≤ {summary.longest_gap_ms:.0f} ms"


def _fitted(name: str) -> str:
    return name if len(name) <= _NAME else "…" + name[1 - _NAME :]


def _gaps(count: int) -> str:
    return "1 gap" if count == 1 else f"{count} gaps"


def draw_episodes(axes: Axes, data: PlotData, clock: Clock, lines: bool) -> None:
    """A line where an episode begins, a dotted one where it ends."""
    episodes = data.episodes.episodes() if lines else ()
    alpha = 0.6 if len(episodes) < _MANY else 0.2
    for episode in episodes:
        ends = clock.end_ns if episode.end_ns is None else episode.end_ns
        for t_ns, style in ((episode.start_ns, "-"), (ends, ":")):
            if clock.start_ns <= t_ns < clock.end_ns:
                t_s = float(clock.seconds(t_ns))
                axes.axvline(t_s, color=BLACK, linewidth=0.7, linestyle=style, alpha=alpha)


def legend(axes: Axes, patches: Sequence[Patch] = ()) -> None:
    """Right of the axes, where it hides nothing; the lines of the axes unless told."""
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    named = {name: line for name, line in lines.items() if not name.startswith("_")}
    named = dict(sorted(named.items(), key=lambda item: item[0] == COMMANDED))
    handles: list[Artist] = [*(patches or named.values())]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1.005, 1.02),
        fontsize=7,
        frameon=False,
        handlelength=1.4,
        borderpad=0.1,
        borderaxespad=0.0,
        labelspacing=0.25,
    )
