"""Which episodes of a directory are exported."""

from dataclasses import dataclass
from pathlib import Path

from sensorium_recording.bag_reader import BagReader
from sensorium_recording.episodes import OUTCOME, episodes
from sensorium_recording.lerobot.export import Source
from sensorium_recording.messages import decode_diagnostics

FAILED = "failure"


@dataclass(frozen=True)
class Choice:
    """Episodes to export, and how many were left out because they failed."""

    sources: tuple[Source, ...]
    failed: int


def choose(directory: Path, failed_too: bool) -> Choice:
    """Episodes of all bags of a directory; those judged a failure only on request.

    Raises `BagError` when there are none, or one is damaged.
    """
    found = [Source(bag, outcome=_outcome(bag)) for bag in episodes(directory)]
    kept = tuple(s for s in found if failed_too or s.outcome != FAILED)
    return Choice(kept, len(found) - len(kept))


def _outcome(bag: Path) -> str:
    """What the judge said last; empty when nobody judged."""
    said = ""
    for message in BagReader(bag).messages({"/" + OUTCOME}):
        for status in decode_diagnostics(message.payload)[1]:
            said = status.values.get("status", said)
    return said
