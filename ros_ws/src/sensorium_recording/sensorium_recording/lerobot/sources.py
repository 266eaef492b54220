"""Which episodes of a directory are exported, by its index."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sensorium_recording.alignment import Span
from sensorium_recording.bag_entry import BagEntry, EpisodeEntry
from sensorium_recording.episodes import INSTRUCTION
from sensorium_recording.index import EpisodeIndex
from sensorium_recording.lerobot.export import Source
from sensorium_recording.splits import Shares, Split

FAILED = "failure"


@dataclass(frozen=True)
class Choice:
    """Episodes to export, and how many are not, by reason."""

    sources: tuple[Source, ...]
    left_out: Counter[str]


def choose(
    directory: Path,
    failed_too: bool,
    task: str = "",
    split: Split = "all",
    progress: Callable[[int, int], None] | None = None,
) -> Choice:
    """Episodes of all whole bags below a directory; failed ones only on request.

    Args:
        task: the instruction of episodes without one.
        split: whose episodes; the loader divides them in the same way.

    Raises:
        BagError: no directory.
    """
    sources: list[Source] = []
    left_out: Counter[str] = Counter()
    for entry in EpisodeIndex(directory, progress=progress).entries:
        if entry.state != "whole":
            left_out[f"bag {entry.state}"] += 1
            continue
        for episode in sorted(entry.episodes, key=lambda e: e.start_ns):
            if split not in ("all", Shares().split_of(entry.sha256, episode.number)):
                left_out["of other splits"] += 1
            elif episode.outcome == FAILED and not failed_too:
                left_out["failed"] += 1
            else:
                sources.append(_source(directory, entry, episode, task))
    return Choice(tuple(sources), left_out)


def _source(directory: Path, entry: BagEntry, episode: EpisodeEntry, task: str) -> Source:
    told = any(topic.endswith("/" + INSTRUCTION) for topic in entry.topics)
    fallback = task or ("" if told else episode.instruction)
    span = Span(episode.start_ns, episode.end_ns)
    return Source(directory / entry.path, span, episode.outcome, fallback)
