"""Messages that wait for the frame that they belong to, one queue a modality. ROS-free."""

import struct
from bisect import bisect_right
from itertools import pairwise

from sensorium_core.cdr import NS
from sensorium_core.contract import Modality
from sensorium_core.geometry import subsample
from sensorium_core.image_cdr import decode_image

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.episodes import Values, decode_track

RESET_NS = NS
"""A stamp this far behind the newest means that the clock jumped back, as in `Stream`."""
SAME_CLOCK_NS = 10 * NS
"""Stamps closer than this to another time are of the same clock."""
_FORGET_NS = 10 * NS
"""What was recorded this long ago and no frame has taken belongs to none."""
_STAMP = struct.Struct("<II")
_Entry = tuple[int, int, Values]
"""Stamp, log time, value."""


class Pending:
    """Messages of one modality, decoded and small, until a frame of their time takes them."""

    def __init__(self, modality: Modality, joints: tuple[str, ...]) -> None:
        self._modality, self._joints, self.name = modality, joints, modality.name
        self._raw: list[RawMessage] = []
        self._ready: list[_Entry] = []
        self._is_image = modality.kind in ("image", "depth")
        self._ordered = True
        self._least_raw_ns = self._oldest_log_ns = 0
        self.newest_ns = -1
        """Stamp of the last message that was noticed; -1 before any."""

    def notice(self, message: RawMessage) -> bool:
        """Look at the stamp of the next message; true when its clock was set back."""
        before, self.newest_ns = self.newest_ns, stamp_of(message.payload)
        return self.newest_ns < before - RESET_NS

    def add(self, message: RawMessage) -> None:
        """Take the noticed message in. Images shrink at once, the others are decoded together."""
        if message.log_time_ns > self._oldest_log_ns + 2 * _FORGET_NS:
            self._forget(message.log_time_ns - _FORGET_NS)
        if self._is_image:
            stamp, _, image = decode_image(message.payload)
            self._make_ready([(stamp, message.log_time_ns, _shrunk(image, self._modality))])
            return
        if not self._raw or self.newest_ns < self._least_raw_ns:
            self._least_raw_ns = self.newest_ns
        self._raw.append(message)

    def take(self, t_ns: int, and_next: bool = False) -> list[_Entry]:
        """Stamp, log time and value of what is not later than `t_ns`, in the order of stamps.

        With `and_next` the first that is later comes too, to interpolate as a live policy does,
        which hears of it while the picture is still on its way.
        """
        if self._raw and (and_next or self._least_raw_ns <= t_ns):
            self._decode()
        if not self._ordered:
            self._ready.sort(key=_stamp)
            self._ordered = True
        end = bisect_right(self._ready, t_ns, key=_stamp) + and_next
        due = self._ready[:end]
        del self._ready[:end]
        return due

    def _decode(self) -> None:
        track = decode_track(self._modality, [m.payload for m in self._raw], self._joints)
        logs = [m.log_time_ns for m in self._raw]
        self._make_ready(list(zip(track.stamps_ns.tolist(), logs, track.values, strict=True)))
        self._raw = []

    def _make_ready(self, entries: list[_Entry]) -> None:
        self._ready += entries
        stamps = [entry[0] for entry in self._ready[-len(entries) - 1 :]]
        self._ordered &= all(a <= b for a, b in pairwise(stamps))

    def _forget(self, log_time_ns: int) -> None:
        """Drop what was recorded before this time and no frame has taken."""
        self._ready = [entry for entry in self._ready if entry[1] >= log_time_ns]
        self._raw = [message for message in self._raw if message.log_time_ns >= log_time_ns]
        self._oldest_log_ns = log_time_ns


def stamp_of(payload: bytes) -> int:
    """Header stamp [ns] of a CDR payload that begins with a header; 0 when it is too short."""
    if len(payload) < 12:
        return 0
    seconds, rest = _STAMP.unpack_from(payload, 4)
    return int(seconds) * NS + int(rest)


def _shrunk(image: Values, modality: Modality) -> Values:
    """The image at the contract's size; what does not fit is left for the aligner to refuse."""
    rows, cols = modality.shape[:2]
    fits = image.ndim >= 2 and image.shape[0] >= rows and image.shape[1] >= cols
    return subsample(image, (rows, cols)) if fits else image


def _stamp(entry: _Entry) -> int:
    return entry[0]
