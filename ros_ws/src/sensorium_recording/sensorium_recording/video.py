"""From a bag to an MP4 of the episode. Streams: memory does not grow with the bag.

H.264 by libx264 where PyAV has it, since every browser plays that; else VP9, else MPEG-4 part 2.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import av
from PIL import Image
from sensorium_core.cdr import NS, decode_wrenches
from sensorium_core.errors import BagError
from sensorium_core.image_cdr import decode_image

from sensorium_recording.bag_reader import BagReader, RawMessage
from sensorium_recording.drawn_file import require_suffix
from sensorium_recording.messages import decode_diagnostics, decode_string
from sensorium_recording.panel import HEIGHT, WIDTH, Panel

_CODECS = {
    "libx264": {"preset": "superfast", "crf": "21", "threads": "2"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "crf": "33", "b": "0"},
    "mpeg4": {"qscale": "4"},
}
"""Encoders in the order of preference, with their options."""
_HOLD_S = 1.0
"""The last frame stays this long, so that the verdict can be read."""


@dataclass(frozen=True)
class VideoInfo:
    """What was made."""

    path: Path
    codec: str
    frames: int
    duration_s: float


def make_video(bag: Path, output: Path, fps: int = 25) -> VideoInfo:
    """Write an MP4 of one episode.

    Raises:
        BagError: the bag is damaged or holds no camera image, or `output` is no name of an MP4.
    """
    require_suffix(output, ".mp4")
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    count = 0
    with av.open(str(partial), "w", format="mp4", options={"movflags": "faststart"}) as container:
        codec = next(name for name in _CODECS if name in av.codecs_available)
        stream = container.add_stream(codec, rate=fps, options=_CODECS[codec])
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in frames(bag, fps):
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
            count += 1
        container.mux(stream.encode())
    partial.replace(output)
    return VideoInfo(output, codec, count, count / fps)


def frames(bag: Path, fps: int = 25) -> Iterator[Image.Image]:
    """The frames of an episode's video, in the order of recording."""
    panel = Panel()
    update = _Feed(panel).by_topic
    start_ns: int | None = None
    t_ns = next_ns = 0
    for message in BagReader(bag).messages():
        handle = update.get(_relative(message.topic))
        if handle is None:
            continue
        t_ns = message.log_time_ns
        while start_ns is not None and t_ns >= next_ns:
            yield panel.draw(next_ns / NS, (next_ns - start_ns) / NS)
            next_ns += NS // fps
        handle(message)
        if start_ns is None and panel.scene is not None:
            start_ns = next_ns = t_ns
    if start_ns is None:
        raise BagError(bag, "holds no image of the scene camera", "record camera/scene/image_raw")
    last = panel.draw(t_ns / NS, (t_ns - start_ns) / NS)
    for _ in range(max(round(_HOLD_S * fps), 1)):
        yield last


class _Feed:
    """Takes messages into a panel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self.by_topic: dict[str, Callable[[RawMessage], None]] = {
            "camera/scene/image_raw": partial(self._picture, "scene"),
            "camera/wrist/image_raw": partial(self._picture, "wrist"),
            "wrench": self._wrench,
            "touch/left": partial(self._touch, 0),
            "touch/right": partial(self._touch, 1),
            "instruction": self._instruction,
            "policy/step": partial(self._state, "policy"),
            "gate/status": partial(self._state, "gate"),
            "sim/outcome": self._outcome,
        }

    def _picture(self, camera: str, message: RawMessage) -> None:
        picture = decode_image(message.payload)[2]
        if camera == "scene":
            self._panel.scene = picture
        else:
            self._panel.wrist = picture

    def _wrench(self, message: RawMessage) -> None:
        x, y, z = _force(message)
        self._panel.force.push(message.log_time_ns / NS, (x, y, z))

    def _touch(self, side: int, message: RawMessage) -> None:
        strip = self._panel.touch
        left, right = strip.samples[-1][1] if strip.samples else (0.0, 0.0)
        size = math.hypot(*_force(message))
        strip.push(message.log_time_ns / NS, (left, size) if side else (size, right))

    def _instruction(self, message: RawMessage) -> None:
        self._panel.instruction = decode_string(message.payload)

    def _state(self, name: str, message: RawMessage) -> None:
        for status in decode_diagnostics(message.payload)[1][:1]:
            self._panel.states[name] = (status.level, status.message.rstrip(": "))

    def _outcome(self, message: RawMessage) -> None:
        for status in decode_diagnostics(message.payload)[1]:
            verdict = status.values.get("status")
            if verdict in ("success", "failure"):
                self._panel.verdict = (verdict == "success", status.values.get("reason", ""))


def _force(message: RawMessage) -> list[float]:
    force: list[float] = decode_wrenches([message.payload])[1][0, :3].tolist()
    return force


def _relative(topic: str) -> str:
    """A topic without the robot's namespace, as far as it is one of ours."""
    parts = topic.strip("/").split("/")
    roots = {"camera", "wrench", "touch", "instruction", "policy", "gate", "sim"}
    start = next((i for i, part in enumerate(parts) if part in roots), 0)
    return "/".join(parts[start:])
