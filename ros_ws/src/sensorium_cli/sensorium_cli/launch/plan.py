"""What a launch file comes to: processes to start, fully resolved. Data only."""

from __future__ import annotations

import itertools
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from sensorium_cli.launch.scope import ParameterValue


@dataclass(frozen=True)
class ParameterSet:
    """Parameters given in the launch file, for one node."""

    node: str
    """Full name, or `/**` where the node names itself."""
    values: dict[str, ParameterValue]

    def to_yaml(self) -> str:
        """As a ROS 2 parameter file."""
        return yaml.safe_dump(
            {self.node: {"ros__parameters": self.values}}, default_flow_style=False
        )


@dataclass(frozen=True)
class Process:
    """One process to start."""

    label: str
    """What its output is prefixed with; unique in a plan."""
    command: tuple[str, ...]
    """Executable and arguments, before parameters and remaps."""
    environment: dict[str, str]
    cwd: Path | None = None
    parameters: tuple[ParameterSet | Path, ...] = ()
    """In order; a later one wins."""
    tail: tuple[str, ...] = ()
    """Remaps, after the parameters."""
    output: str = "log"
    """`screen`, `log` or `both`; the name of ROS 2."""
    respawn: bool = False
    respawn_delay_s: float = 0.0
    respawn_max: int = -1
    """How often at most; negative means without end, as in ROS 2."""
    ends_launch: bool = False
    """Whether its end stops everything else (`on_exit: shutdown`)."""
    sigterm_after_s: float = 5.0
    """From SIGINT to SIGTERM."""
    sigkill_after_s: float = 5.0
    """From SIGTERM to SIGKILL."""

    def arguments(self, folder: Path) -> list[str]:
        """The whole command line; writes parameter files into `folder`."""
        line = list(self.command)
        for index, item in enumerate(self.parameters):
            path = item if isinstance(item, Path) else folder / f"{self.label}-{index}.yaml"
            if isinstance(item, ParameterSet):
                path.write_text(item.to_yaml(), encoding="utf-8")
            line += ["--params-file", str(path)]
        return [*line, *self.tail]

    def describe(self) -> str:
        """The process for people: its command, and one line for each parameter and file."""
        lines = [f"{self.label}: {shlex.join([*self.command, *self.tail])}"]
        for item in self.parameters:
            if isinstance(item, Path):
                lines.append(f"    parameters from {item}")
            else:
                lines += [f"    {name}: {value!r}" for name, value in item.values.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class Argument:
    """One declared launch argument."""

    name: str
    description: str
    default: str | None
    """As written, substitutions not made; None when it must be given."""
    choices: tuple[str, ...] = ()


@dataclass
class Plan:
    """Everything that a launch file asks for."""

    file: Path
    processes: list[Process] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    """Of `log`, in order."""

    def unique_label(self, wanted: str) -> str:
        """`wanted` as a file name, with a number when it is taken already."""
        wanted = re.sub(r"[^\w.-]", "_", wanted)
        taken = {process.label for process in self.processes}
        names = itertools.chain([wanted], (f"{wanted}-{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in taken)
