"""What is in force at one point of a launch file: arguments, environment, namespace, defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

ParameterValue = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]


@dataclass
class Scope:
    """Mutable; `group` works on a copy."""

    file: Path
    """The launch file being read, for `$(dirname)` and `$(filename)`."""
    variables: dict[str, str] = field(default_factory=dict)
    """Launch arguments and `let`s."""
    environment: dict[str, str] = field(default_factory=dict)
    namespace: str | None = None
    """Absolute, or None when nobody pushed one."""
    parameters: dict[str, ParameterValue] = field(default_factory=dict)
    """`set_parameter`: for every node below."""
    remaps: tuple[tuple[str, str], ...] = ()
    """`set_remap`: for every node below."""

    def copy(self) -> Scope:
        """A scope whose changes stay its own."""
        return Scope(
            self.file,
            dict(self.variables),
            dict(self.environment),
            self.namespace,
            dict(self.parameters),
            self.remaps,
        )


def join_namespace(base: str | None, relative: str | None) -> str | None:
    """Put a namespace below another; absolute ones stand for themselves. As launch_ros does."""
    if relative is None:
        joined = base
    elif not base or relative.startswith("/"):
        joined = relative
    else:
        joined = f"{base.rstrip('/')}/{relative}"
    if joined is None:
        return None
    absolute = joined if joined.startswith("/") else f"/{joined}"
    return absolute if absolute == "/" else absolute.rstrip("/")
