"""Settings of a recorder: node parameters, options of `sensorium record` and defaults alike."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sensorium_core.errors import BagError, RecorderConfigError

from sensorium_recording.bag_writer import PARTIAL_SUFFIX, Split

_GB = 1e9


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

    @property
    def directory(self) -> Path:
        """Where bags go."""
        return Path(self.output)

    @property
    def split(self) -> Split:
        """When a new file is begun."""
        return Split(round(self.split_gb * _GB), self.split_s)

    def next_path(self) -> Path:
        """The first path that no bag has yet, whole or in the making."""
        path, number = self.directory / self.name, 1
        while path.exists() or path.with_name(path.name + PARTIAL_SUFFIX).exists():
            number += 1
            path = self.directory / f"{self.name}_{number}"
        return path

    def require_room(self) -> None:
        """Raises `BagError` when there is less room than is to be kept free."""
        free_gb = shutil.disk_usage(self.directory).free / _GB
        if free_gb < self.min_free_gb:
            raise BagError(
                self.directory,
                f"has {free_gb:.2f} GB left, less than the {self.min_free_gb:g} GB "
                "that are kept free",
                "make room, or lower min_free_gb",
            )
