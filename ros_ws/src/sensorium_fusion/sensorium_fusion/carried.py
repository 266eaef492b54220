"""What the policy loop remembers from one step to the next, as text that loses no bit.

Published with every step, so that each can be taken again by itself from a bag.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from pydantic import ConfigDict, TypeAdapter
from sensorium_core.bounded import one_line, parse_json
from sensorium_core.errors import MessageDecodeError
from sensorium_core.memory import Felt
from sensorium_core.trajectory import Trajectory

Ahead = tuple[int, tuple[float, float, float]]
"""What the fast half did beyond a step: the newest stamp that it proposed with [ns], and how far
it displaced the tool since what the setpoint of the step shows `(3,)` [m], base_link."""


def beginning_ns(t_ns: int, ahead: Ahead | None) -> int:
    """When a motion of a step may begin: the gate wants stamps that increase."""
    return t_ns if ahead is None else max(t_ns, ahead[0] + 1)


@dataclass(frozen=True)
class Carried:
    """The loop's memory just before a step."""

    __pydantic_config__ = ConfigDict(revalidate_instances="always")

    state: str
    reason: str
    told: str
    """The instruction that it acts on."""
    anchor_m: tuple[float, ...] | None
    """Where the target was when the instruction was given, base_link `(3,)`."""
    peak_press_n: float
    presence: tuple[float, ...]
    """Probabilities so far that the target is there."""
    done_count: int
    must_stop: bool
    camera: tuple[float, ...] | None
    """fx, fy, cx, cy [px], rows, columns of the depth camera; None before they were known."""
    hold_cause: str = ""
    """What began the hold, besides a missing sense."""
    back_ns: int | None = None
    """Since when all required senses are back, while holding."""
    resume_s: float = 0.0
    """How long they must be; 0 in recordings from before it was known."""
    faults: dict[str, str] = field(default_factory=dict)
    """By modality, why it was not believed at this step although messages came."""
    planned_ns: int | None = None
    """When a motion was last proposed, for whatever instruction since the last reset."""
    withheld: str = ""
    """Why the motion of this step was taken back after it; empty: it was not."""
    felt: Felt | None = None
    """What `FeltMemory` holds; None in contract version 1."""
    ahead: Ahead | None = None
    """What the fast half did beyond this step; None where there is none, or it did nothing."""

    def to_json(self) -> str:
        """Text; floats come back bit for bit."""
        told = asdict(self)
        for name in ("felt", "ahead"):
            if told[name] is None:
                del told[name]
        return json.dumps(told, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Carried":
        """Read what `to_json` wrote. Raises `MessageDecodeError` on anything else."""
        try:
            data = parse_json(text)
            for name in ("anchor_m", "presence", "camera"):
                data[name] = None if data[name] is None else tuple(data[name])
            if data.get("felt") is not None:
                data["felt"] = (data["felt"][0], tuple(data["felt"][1]))
            if data.get("ahead") is not None:
                data["ahead"] = (data["ahead"][0], tuple(data["ahead"][1]))
            return _ADAPTER.validate_python(cls(**data), strict=True)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise MessageDecodeError(
                "policy/step",
                f"carries {text[:60]!r} ({one_line(error)})",
                "what this version writes",
            ) from None


_ADAPTER = TypeAdapter(Carried)
"""Checks the types of what was read; floats are kept bit for bit."""


def tell_commands(trajectories: Iterable[Trajectory]) -> str:
    """The `command_key` of each."""
    return " ".join(map(command_key, trajectories))


def command_key(trajectory: Trajectory) -> str:
    """`stamp:fingerprint` of a trajectory."""
    return f"{trajectory.stamp_ns}:{trajectory.fingerprint()}"


def find_commands(
    text: str, known: Mapping[str, Trajectory]
) -> tuple[list[Trajectory], list[str]]:
    """Trajectories of `tell_commands`, and those that are not among the known."""
    keys = text.split()
    return [known[k] for k in keys if k in known], [k for k in keys if k not in known]
