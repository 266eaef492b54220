"""Messages that wait for the frame that they belong to, one queue a modality. ROS-free."""

import struct

from sensorium_core.cdr import NS
from sensorium_core.contract import Modality
from sensorium_core.geometry import subsample
from sensorium_core.image_cdr import decode_image

from sensorium_recording.bag_reader import RawMessage
from sensorium_recording.episodes import Values, decode_track

_RESET_NS = NS
"""A stamp this far behind the newest means that the clock jumped back, as in `Stream`."""
_FORGET_NS = 10 * NS
"""A message this long in the bag before a frame that it is later than belongs to no frame."""
_STAMP = struct.Struct("<II")


class Pending:
    """Messages of one modality, decoded and small, until a frame of their time takes them."""

    def __init__(self, modality: Modality, joints: tuple[str, ...]) -> None:
        self._modality, self._joints, self.name = modality, joints, modality.name
        self._raw: list[RawMessage] = []
        self._ready: list[tuple[int, int, Values]] = []
        self._is_image = modality.kind in ("image", "depth")
        self.newest_ns = 0
        """Stamp of the last message that was noticed."""

    def notice(self, message: RawMessage) -> bool:
        """Look at the stamp of the next message; true when its clock was set back."""
        before, self.newest_ns = self.newest_ns, stamp_of(message.payload)
        return self.newest_ns < before - _RESET_NS

    def add(self, message: RawMessage) -> None:
        """Take a message in. Images shrink at once; the others are decoded many at a time."""
        if self._is_image:
            stamp, _, image = decode_image(message.payload)
            self._ready.append((stamp, message.log_time_ns, _shrunk(image, self._modality)))
        else:
            self._raw.append(message)

    def take(self, t_ns: int, log_time_ns: int) -> list[tuple[int, Values]]:
        """Stamps and values not later than `t_ns`, in the order of stamps.

        `log_time_ns` is when the frame of `t_ns` came; what is much older than that is dropped.
        """
        self._decode()
        forget = log_time_ns - _FORGET_NS
        due = [(stamp, value) for stamp, _, value in self._ready if stamp <= t_ns]
        self._ready = [m for m in self._ready if m[0] > t_ns and m[1] > forget]
        due.sort(key=_first)
        return due

    def _decode(self) -> None:
        if not self._raw:
            return
        track = decode_track(self._modality, [m.payload for m in self._raw], self._joints)
        logs = [m.log_time_ns for m in self._raw]
        self._ready += zip(track.stamps_ns.tolist(), logs, track.values, strict=True)
        self._raw = []


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


def _first(entry: tuple[int, Values]) -> int:
    return entry[0]
