"""What the policy loop's own honesty is measured by: one documented configuration."""

from dataclasses import dataclass

from sensorium_core.content_watch import ContentConfig


@dataclass(frozen=True)
class HonestyConfig(ContentConfig):
    """When the policy holds still, whatever it was told, and what counts as frozen.

    Times in seconds.
    """

    resume_s: float = 0.2
    """How long every required sense must be back, in capture time, before the arm goes on."""
    max_latency_s: float = 0.2
    """Pictures that arrive later after their capture, or steps that end later, move nothing."""
    max_future_s: float = 0.02
    """How far a stamp may lie ahead of this clock."""
    max_future_simulated_s: float = 0.25
    """The same with `use_sim_time`, where /clock comes in steps."""
