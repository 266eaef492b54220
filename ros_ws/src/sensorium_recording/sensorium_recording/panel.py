"""Draws one frame of an episode video: scene, wrist, forces, and what is being said and done.

Pure drawing on a PIL image; the caller keeps time. One thread.
"""

from collections import deque
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Rgb = NDArray[np.generic]
_Colour = tuple[int, int, int]

WIDTH, HEIGHT = 1280, 720
_SCENE = (960, 720)
_WRIST = (320, 240)
_MARGIN = 16
_SPAN_S = 4.0
"""Seconds that a strip shows."""
_BACKGROUND, _PAPER, _INK, _DIM = (18, 20, 24), (28, 31, 37), (236, 238, 241), (140, 146, 156)
_GOOD, _WARN, _BAD = (92, 200, 120), (240, 180, 70), (240, 96, 88)
_LEVELS: tuple[_Colour, ...] = (_GOOD, _WARN, _BAD, _WARN)
_AXES: tuple[_Colour, ...] = ((240, 110, 100), (110, 205, 120), (100, 160, 250))


@dataclass
class Strip:
    """A plot of the last seconds of a few values."""

    title: str
    labels: tuple[str, ...]
    unit: str
    least_span: float
    """The plot never zooms in further than this range."""
    samples: deque[tuple[float, tuple[float, ...]]] = field(default_factory=deque)

    def push(self, t_s: float, values: tuple[float, ...]) -> None:
        """Add a sample and forget what is too old to show."""
        self.samples.append((t_s, values))
        while self.samples[0][0] < t_s - _SPAN_S:
            self.samples.popleft()


@dataclass
class Panel:
    """All that a frame shows."""

    scene: Rgb | None = None
    wrist: Rgb | None = None
    instruction: str = ""
    states: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Level (0 ok, 1 warning, 2 error, 3 stale) and words by name, such as gate and policy."""
    verdict: tuple[bool, str] | None = None
    """Success and why, once the judge has spoken."""
    force: Strip = field(
        default_factory=lambda: Strip("force at the tool", ("x", "y", "z"), "N", 4.0)
    )
    touch: Strip = field(default_factory=lambda: Strip("pad forces", ("left", "right"), "N", 4.0))

    def draw(self, t_s: float, now_s: float) -> Image.Image:
        """The frame at `t_s`, in the strips' time; `now_s` is the time since the start."""
        frame = Image.new("RGB", (WIDTH, HEIGHT), _BACKGROUND)
        draw = ImageDraw.Draw(frame, "RGBA")
        _paste(frame, draw, self.scene, (0, 0), _SCENE, "no scene camera")
        x = _SCENE[0]
        _paste(frame, draw, self.wrist, (x, 0), _WRIST, "no wrist camera")
        _label(draw, (x + 10, 8), "wrist camera")
        _label(draw, (10, 8), "scene camera")
        _draw_strip(draw, self.force, t_s, (x + 8, _WRIST[1] + 8, WIDTH - 8, _WRIST[1] + 188))
        _draw_strip(draw, self.touch, t_s, (x + 8, _WRIST[1] + 196, WIDTH - 8, _WRIST[1] + 336))
        self._draw_states(draw, x + _MARGIN, _WRIST[1] + 348)
        self._draw_caption(draw)
        draw.text((WIDTH - _MARGIN, HEIGHT - 12), f"{now_s:.1f} s", _DIM, _font(18), anchor="rs")
        return frame

    def _draw_states(self, draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
        for row, (name, (level, words)) in enumerate(sorted(self.states.items())):
            top = y + 30 * row
            draw.ellipse((x, top + 5, x + 10, top + 15), _LEVELS[min(level, 3)])
            text = _fitted(f"{name}: {words or 'ok'}", _font(17), WIDTH - x - 28)
            draw.text((x + 18, top), text, _INK, _font(17))

    def _draw_caption(self, draw: ImageDraw.ImageDraw) -> None:
        width = _SCENE[0] - 2 * _MARGIN
        words = f"“{self.instruction}”" if self.instruction else "(no instruction)"
        lines = _wrapped(words, _font(28), width - 24)[:3]
        if self.verdict is not None:
            lines.append("")
        height = 36 * len(lines) + 16
        top = _SCENE[1] - _MARGIN - height
        draw.rounded_rectangle(
            (_MARGIN, top, _MARGIN + width, top + height), 10, (*_BACKGROUND, 190)
        )
        for row, line in enumerate(lines):
            draw.text((_MARGIN + 12, top + 8 + 36 * row), line, _INK, _font(28))
        if self.verdict is not None:
            good, why = self.verdict
            text = ("success" if good else "failure") + (f": {why}" if why else "")
            place = (_MARGIN + 12, top + 8 + 36 * (len(lines) - 1))
            draw.text(place, text, _GOOD if good else _BAD, _font(26))


def _paste(
    frame: Image.Image,
    draw: ImageDraw.ImageDraw,
    image: Rgb | None,
    place: tuple[int, int],
    size: tuple[int, int],
    absent: str,
) -> None:
    if image is None:
        x, y = place
        draw.rectangle((x, y, x + size[0], y + size[1]), _PAPER)
        middle = (x + size[0] // 2, y + size[1] // 2)
        draw.text(middle, absent, _DIM, _font(18), anchor="mm")
        return
    picture = Image.fromarray(np.ascontiguousarray(image))
    frame.paste(picture.resize(size, Image.Resampling.BILINEAR), place)


def _draw_strip(
    draw: ImageDraw.ImageDraw, strip: Strip, t_s: float, box: tuple[int, int, int, int]
) -> None:
    left, top, right, bottom = box
    draw.rounded_rectangle(box, 8, _PAPER)
    draw.text((left + 10, top + 6), f"{strip.title} [{strip.unit}]", _DIM, _font(15))
    if not strip.samples:
        draw.text((left + 10, top + 30), "no data", _DIM, _font(15))
        return
    times = np.array([t for t, _ in strip.samples])
    values = np.array([v for _, v in strip.samples])
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    spare = max(strip.least_span - (high - low), 0.0) / 2
    low, high = low - spare, high + spare
    x = right - 12 - (t_s - times) / _SPAN_S * (right - left - 24)
    floor, ceiling = bottom - 12, top + 50
    zero = floor - (0.0 - low) / (high - low) * (floor - ceiling)
    draw.line((left + 8, zero, right - 8, zero), _DIM, 1)
    offset = left + 10
    for column, name in enumerate(strip.labels):
        y = floor - (values[:, column] - low) / (high - low) * (floor - ceiling)
        step = max(len(x) // 300, 1)
        points = np.stack([x, y], axis=1)[::step].reshape(-1).tolist()
        if len(points) >= 4:
            draw.line(points, _AXES[column], 2)
        text = f"{name} {values[-1, column]:+.1f}"
        draw.text((offset, top + 26), text, _AXES[column], _font(15))
        offset += 100


def _label(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str) -> None:
    box = draw.textbbox(place, text, font=_font(15))
    draw.rounded_rectangle(
        (box[0] - 6, box[1] - 4, box[2] + 6, box[3] + 4), 5, (*_BACKGROUND, 170)
    )
    draw.text(place, text, _INK, _font(15))


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) > width and lines[-1]:
            lines.append(_fitted(word, font, width))
        else:
            lines[-1] = _fitted(longer, font, width)
    return lines
