"""What the index knows of one bag. Plain data, with its JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sensorium_core.cdr import NS
from sensorium_core.contract import Contract, Modality

State = Literal["whole", "damaged", "recording"]


@dataclass(frozen=True)
class TopicFacts:
    """One topic of a bag. Times are header stamps where the type has them, else log times."""

    type_name: str
    count: int
    rate_hz: float
    longest_gap_s: float
    first_ns: int
    last_ns: int
    spent_s: float = 0.0
    """From the first to the last; what went on while the clock ran backwards is left out."""


@dataclass(frozen=True)
class EpisodeEntry:
    """One episode of a bag, by header stamps, both ends included."""

    number: int
    start_ns: int
    end_ns: int
    instruction: str = ""
    outcome: str = ""
    """Success, failure, or how the recorder says that it ended; empty when nobody judged."""
    family: str = ""
    """Of the task, where the judge names it."""


@dataclass(frozen=True)
class ModalityHealth:
    """How well a bag holds one modality of a contract."""

    name: str
    count: int
    rate_hz: float
    share: float
    """Of the messages that the contract's rate promises over the bag's duration."""
    longest_gap_s: float
    """Silence at the end of the bag included."""
    problem: str
    """In words; empty when the modality never grew older than the contract allows."""


@dataclass(frozen=True)
class BagEntry:
    """One bag below an indexed directory."""

    path: str
    """Relative to the directory."""
    state: State
    size: int
    """Bytes on disk."""
    mtime_ns: int
    sha256: str = ""
    """Of the MCAP files in their order."""
    start_ns: int = 0
    """First log time."""
    duration_s: float = 0.0
    """That went by in log time; where the clock was set back it goes on from there."""
    messages: int = 0
    topics: Mapping[str, TopicFacts] = field(default_factory=dict)
    episodes: tuple[EpisodeEntry, ...] = ()
    problem: str = ""
    """Why it cannot be read, in words."""

    def health(self, contract: Contract, namespace: str = "") -> dict[str, ModalityHealth]:
        """By modality of the contract; `namespace` is the robot's, without slashes at the ends."""
        prefix = f"/{namespace}/" if namespace else "/"
        found = {m.name: self.topics.get(prefix + m.topic) for m in contract.modalities}
        stamped = [facts for facts in found.values() if facts is not None]
        end = max((facts.last_ns for facts in stamped), default=0)
        start = min((facts.first_ns for facts in stamped), default=0)
        # Where the clock was set back, the end may come before the start.
        span_s = max([(end - start) / NS, *(facts.spent_s for facts in stamped)])
        return {m.name: _health(m, found[m.name], end, span_s) for m in contract.modalities}

    def to_json(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "BagEntry":
        """What `to_json` made. Raises `TypeError` or `KeyError` on other data."""
        topics = {name: TopicFacts(**facts) for name, facts in data["topics"].items()}
        episodes = tuple(EpisodeEntry(**episode) for episode in data["episodes"])
        return cls(**{**data, "topics": topics, "episodes": episodes})


def _health(
    modality: Modality, facts: TopicFacts | None, end_ns: int, span_s: float
) -> ModalityHealth:
    if facts is None or not facts.count:
        return ModalityHealth(modality.name, 0, 0.0, 0.0, 0.0, "missing")
    gap = max(facts.longest_gap_s, (end_ns - facts.last_ns) / NS)
    expected = modality.rate_hz * span_s
    share = facts.count / expected if expected else 1.0
    problem = f"silent for {gap:.2f} s" if gap > modality.max_age_s else ""
    return ModalityHealth(modality.name, facts.count, facts.rate_hz, share, gap, problem)
