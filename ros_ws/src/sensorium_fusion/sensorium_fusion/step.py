"""One turn of the policy loop, as a value."""

from dataclasses import dataclass, field
from enum import Enum

from sensorium_core.observation import Observation
from sensorium_core.policy import PolicyOutput
from sensorium_core.trajectory import Trajectory

from sensorium_fusion.carried import Carried
from sensorium_fusion.fast_half import FastReport


class State(Enum):
    """What the loop is doing."""

    IDLE = "idle"
    GROUNDING = "looking for the object"
    ACTING = "acting"
    HOLDING = "holding"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True)
class Step:
    """One turn of the loop: what was seen, decided and proposed (None: nothing new)."""

    t_ns: int
    state: State
    reason: str
    observation: Observation
    output: PolicyOutput | None = None
    trajectory: Trajectory | None = None
    stages_s: dict[str, float] = field(default_factory=dict)
    before: Carried | None = None
    """What the loop remembered when the step began."""
    commanded: tuple[Trajectory, ...] = ()
    """The commanded trajectories that the step looked at."""
    fast: FastReport | None = None
    """What the fast half did since the step before; None where there is none."""
