"""What a plot of a bag shows; `plot_collector` fills it. Memory does not grow with the bag."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from sensorium_recording.episode_log import EpisodeLog
from sensorium_recording.series import Series, Thumbnails
from sensorium_recording.timing import Timing, header_stamps
from sensorium_recording.typestore import has_header

STATES = ("idle", "looking for the object", "acting", "holding", "done", "refused")
"""States of the policy loop, in the order of their codes in `PlotData.policy`."""


@dataclass
class PlotData:
    """All that is drawn. Times are log times [ns]."""

    scene: Thumbnails = field(default_factory=Thumbnails)
    wrist: Thumbnails = field(default_factory=Thumbnails)
    force: Series = field(default_factory=partial(Series, 4))
    """Norm, then x, y, z [N]."""
    touch: tuple[Series, Series] = field(default_factory=lambda: (Series(1), Series(1)))
    """Norm, left and right [N]."""
    joints: dict[str, Series] = field(default_factory=dict)
    """Measured, one by name."""
    commands: dict[str, Series] = field(default_factory=dict)
    """Commanded, one by name."""
    policy: Series | None = None
    """State, then 1 or 0 for each modality that the policy took for valid."""
    modalities: tuple[str, ...] = ()
    streams: dict[str, "StreamTimes"] = field(default_factory=dict)
    episodes: EpisodeLog = field(default_factory=EpisodeLog)
    first_ns: int | None = None
    last_ns: int = 0
    undecodable: int = 0
    """Messages that could not be read, and are not shown."""

    def note_time(self, t_ns: int) -> None:
        """Widen the time that is shown."""
        self.first_ns = t_ns if self.first_ns is None else min(self.first_ns, t_ns)
        self.last_ns = max(self.last_ns, t_ns)


class StreamTimes:
    """When the messages of one topic came."""

    def __init__(self, type_name: str) -> None:
        self.timing = Timing()
        self.first_ns: int | None = None
        self.last_ns = 0
        self._stamped = has_header(type_name)

    def add(self, log_ns: Sequence[int], payloads: Sequence[bytes]) -> None:
        """Take in a batch."""
        times = np.array(log_ns, np.int64)
        self.first_ns = int(times[0]) if self.first_ns is None else self.first_ns
        self.last_ns = int(times[-1])
        stamps_ns, fit = header_stamps(payloads) if self._stamped else (None, None)
        self.timing.add(times, stamps_ns, fit)
