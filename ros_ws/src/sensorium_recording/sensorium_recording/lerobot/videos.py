"""One camera's MP4 files: the frames of many episodes one after another, at a constant rate.

Episodes share a file until it is large or long enough; an episode never spans two.
"""

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from sensorium_recording.encoder_priority import own_priority
from sensorium_recording.lerobot.layout import VIDEO, VIDEO_FILE_MB, create, place

_CODECS = {
    "libsvtav1": {"crf": "30", "preset": "12", "g": "2", "svtav1-params": "lp=1"},
    "libvpx-vp9": {"crf": "30", "b": "0", "deadline": "realtime", "cpu-used": "8", "g": "2"},
    "mpeg4": {"qscale": "4", "g": "2"},
}
"""Encoders without the GPL, in the order of preference. AV1 with a key frame at every second
frame is what lerobot itself writes, so that a random frame needs one other at most."""
LONGEST_FILE_S = 1000.0
"""lerobot 0.4.4 compares times in a file as float32 to within 0.1 ms, and float32 is coarser than
that from 1024 s on; an episode that begins a file has no rounding to lose by."""


class VideoFiles:
    """Writes one camera; `begin`, `add` frames, `end`, for each episode, and `close` at last."""

    def __init__(self, root: Path, key: str, fps: int, shape: tuple[int, ...]) -> None:
        self._root, self._key, self._fps = root, key, fps
        self._rows, self._cols = shape[0], shape[1]
        self.codec = next(name for name in _CODECS if name in av.codecs_available)
        self._number, self._frames, self._from, self._bytes = -1, 0, 0, 0
        self._container: av.container.OutputContainer | None = None

    def begin(self, expected_s: float) -> None:
        """Start an episode of about this length, in a new file when the present one is full."""
        long = self._frames / self._fps + expected_s > LONGEST_FILE_S
        full = long or self._bytes >= VIDEO_FILE_MB * 2**20
        if self._container is None or full:
            self.close()
            self._open()
        self._from = self._frames

    def add(self, image: NDArray[np.generic]) -> None:
        """Append one frame `(rows, cols, 3)` uint8 RGB."""
        assert self._container is not None
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame.pts, frame.time_base = self._frames, Fraction(1, self._fps)
        self._frames += 1
        packets = self._stream.encode(frame)
        self._bytes += sum(packet.size for packet in packets)
        self._container.mux(packets)

    def end(self) -> dict[str, float]:
        """Where the episode since `begin` lies: file numbers and times within the file [s]."""
        times = {
            "from_timestamp": self._from / self._fps,
            "to_timestamp": self._frames / self._fps,
        }
        return {**place(self._number), **times}

    def close(self) -> None:
        """Finish the present file, if any."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None

    def info(self) -> dict[str, object]:
        """What `info.json` says of the video."""
        return {
            "video.height": self._rows,
            "video.width": self._cols,
            "video.codec": _CANONICAL[self.codec],
            "video.pix_fmt": "yuv420p",
            "video.is_depth_map": False,
            "video.fps": self._fps,
            "video.channels": 3,
            "has_audio": False,
        }

    def _open(self) -> None:
        self._number, self._frames, self._bytes = self._number + 1, 0, 0
        path = create(self._root, VIDEO, self._number, self._key)
        os.environ.setdefault("SVT_LOG", "1")  # Errors only: the encoder greets on stderr.
        self._container = av.open(str(path), "w", format="mp4")
        self._stream = self._container.add_stream(
            self.codec, rate=self._fps, options=_CODECS[self.codec]
        )
        self._stream.width, self._stream.height = self._cols, self._rows
        self._stream.pix_fmt = "yuv420p"
        with own_priority():
            self._stream.codec_context.open()


_CANONICAL = {"libsvtav1": "av1", "libvpx-vp9": "vp9", "mpeg4": "mpeg4"}
