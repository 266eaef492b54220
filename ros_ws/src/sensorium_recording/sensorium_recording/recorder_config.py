"""Settings of a recorder: node parameters, options of `sensorium record` and defaults alike."""

from dataclasses import dataclass
from typing import Literal

from sensorium_core.errors import RecorderConfigError


@dataclass(frozen=True)
class RecorderConfig:
    """How recordings are laid out and when they end by themselves."""

    output: str = "out"
    """Folder that bags are put into."""
    name: str = "episode"
    """Name of the first bag; later ones are NAME_2, NAME_3, ..."""
    split_gb: float = 4.0
    """A new file of the bag is begun after this much; 0: never."""
    split_s: float = 0.0
    """A new file of the bag is begun after this long; 0: never."""
    min_free_gb: float = 2.0
    """With less room than this left on the disk the bag is closed."""
    episodes: Literal["instruction", "service"] = "instruction"
    """What marks episodes: each instruction, or the services only."""

    def __post_init__(self) -> None:
        for field in ("split_gb", "split_s", "min_free_gb"):
            if not 0.0 <= getattr(self, field) < 1e6:
                raise RecorderConfigError(field, getattr(self, field), "0 or more")
        if self.episodes not in ("instruction", "service"):
            raise RecorderConfigError("episodes", self.episodes, "instruction or service")
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise RecorderConfigError("name", self.name, "a plain folder name")
