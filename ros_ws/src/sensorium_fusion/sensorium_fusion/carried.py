"""What the policy loop remembers from one step to the next, as text that loses no bit.

Published with every step, so that each can be taken again by itself from a bag.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from sensorium_core.errors import MessageDecodeError
from sensorium_core.trajectory import Trajectory


@dataclass(frozen=True)
class Carried:
    """The loop's memory just before a step."""

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

    def to_json(self) -> str:
        """Text; floats come back bit for bit."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "Carried":
        """Read what `to_json` wrote. Raises `MessageDecodeError` on anything else."""
        try:
            data = json.loads(text)
            for name in ("anchor_m", "presence", "camera"):
                data[name] = None if data[name] is None else tuple(data[name])
            return cls(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise MessageDecodeError(
                "policy/step", f"carries {text!r:.60} ({error})", "what this version writes"
            ) from None


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
