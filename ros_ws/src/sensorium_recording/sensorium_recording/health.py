"""How one stream of a bag is: when its messages came and what they say, in one pass.

`TopicHealth` takes messages as they come and keeps a fixed amount of memory. Not thread safe.
"""

from dataclasses import dataclass

import numpy as np

from sensorium_recording.content import Content, ContentSummary, ImageContent, OpaqueContent
from sensorium_recording.statistics import Flags, Stillness
from sensorium_recording.timing import Timing, TimingSummary, header_stamps
from sensorium_recording.typestore import has_header
from sensorium_recording.value_content import ValueContent

_BATCH = 256
_BATCH_BYTES = 1 << 20
_OPAQUE = frozenset(
    f"sensor_msgs/msg/{name}"
    for name in ("CompressedImage", "PointCloud2", "Imu", "LaserScan", "Range", "MagneticField")
)


@dataclass(frozen=True)
class Health:
    """One stream of one bag."""

    topic: str
    type_name: str
    count: int
    payload_bytes: int
    first_ns: int | None
    """Log time; None without messages."""
    last_ns: int | None
    expected_rate_hz: float | None
    max_age_s: float | None
    timing: TimingSummary
    content: ContentSummary | None
    """None for types that are not a sensor's."""
    undecodable: int
    repeats: int
    """Messages that say the same as the one before."""
    still_ms: float
    """Longest stretch in which stamps advanced and nothing else."""
    still_count: int
    still_at_ns: int


class TopicHealth:
    """Collects the health of one topic."""

    def __init__(
        self,
        topic: str,
        type_name: str,
        expected_rate_hz: float | None = None,
        max_age_s: float | None = None,
        channels: int | None = None,
    ) -> None:
        """Rate, age and number of channels are the contract's, where it knows the topic."""
        self.topic, self.type_name = topic, type_name
        self.count = self.payload_bytes = 0
        self._expected_rate_hz, self._max_age_s = expected_rate_hz, max_age_s
        self._timing, self._still = Timing(), Stillness()
        self._content = _content(type_name, channels)
        self._stamped = has_header(type_name)
        self._first_ns: int | None = None
        self._last_ns: int | None = None
        self._times: list[int] = []
        self._payloads: list[bytes] = []
        self._pending = 0

    def add(self, log_time_ns: int, payload: bytes) -> None:
        """Take in one message, in the order of the bag."""
        self._times.append(log_time_ns)
        self._payloads.append(payload)
        self._pending += len(payload)
        if len(self._times) >= _BATCH or self._pending >= _BATCH_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._times:
            return
        log_ns = np.array(self._times, np.int64)
        payloads = self._payloads
        self.count += len(payloads)
        self.payload_bytes += self._pending
        self._first_ns = int(log_ns[0]) if self._first_ns is None else self._first_ns
        self._last_ns = int(log_ns[-1])
        self._times, self._payloads, self._pending = [], [], 0
        stamps_ns, fit = header_stamps(payloads) if self._stamped else (log_ns, None)
        self._timing.add(log_ns, stamps_ns if self._stamped else None, fit)
        if self._content is not None:
            repeats: Flags = self._content.add(payloads)
            times_ns = stamps_ns if fit is None else np.where(fit, stamps_ns, log_ns)
            self._still.add(log_ns, times_ns, repeats)

    def gaps(self) -> tuple[tuple[int, int], ...]:
        """`(log time at which it begins, length)` [ns] of the longest gaps, 256 at most."""
        self._flush()
        return self._timing.gaps(self._max_age_s)

    def summary(self) -> Health:
        """What is known so far."""
        self._flush()
        return Health(
            topic=self.topic,
            type_name=self.type_name,
            count=self.count,
            payload_bytes=self.payload_bytes,
            first_ns=self._first_ns,
            last_ns=self._last_ns,
            expected_rate_hz=self._expected_rate_hz,
            max_age_s=self._max_age_s,
            timing=self._timing.summary(self._max_age_s),
            content=self._content.summary() if self._content else None,
            undecodable=self._content.undecodable if self._content else 0,
            repeats=self._still.repeats,
            still_ms=self._still.longest_ns / 1e6,
            still_count=self._still.longest_count,
            still_at_ns=self._still.at_ns,
        )


def _content(type_name: str, channels: int | None) -> Content | None:
    if type_name == "sensor_msgs/msg/Image":
        return ImageContent()
    if type_name == "geometry_msgs/msg/WrenchStamped":
        return ValueContent("wrench", channels)
    if type_name == "sensor_msgs/msg/JointState":
        return ValueContent("joints")
    return OpaqueContent() if type_name in _OPAQUE else None
