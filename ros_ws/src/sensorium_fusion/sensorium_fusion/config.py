"""What the policy loop's own honesty is measured by: one documented configuration."""

import math
from dataclasses import dataclass, fields

from sensorium_core.content_watch import ContentConfig
from sensorium_core.errors import GateConfigError


@dataclass(frozen=True)
class HonestyConfig:
    """When the policy holds still, whatever it was told. Times in seconds."""

    resume_s: float = 0.2
    """How long every required sense must be back, in capture time, before the arm goes on."""
    max_latency_s: float = 0.2
    """Pictures that arrive later after their capture, or steps that end later, move nothing."""
    max_future_s: float = 0.02
    """How far a stamp may lie ahead of this clock."""
    max_future_simulated_s: float = 0.25
    """The same with `use_sim_time`, where /clock comes in steps."""
    frozen_pictures: int = ContentConfig.frozen_pictures
    """See `ContentConfig`, and so the next."""
    frozen_force_s: float = ContentConfig.frozen_force_s

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                raise GateConfigError(field.name, value, "a finite number, not negative", "fusion")
        _ = self.content

    @property
    def content(self) -> ContentConfig:
        """What counts as frozen. Raises `GateConfigError`."""
        return ContentConfig(self.frozen_pictures, self.frozen_force_s)
