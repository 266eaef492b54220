"""What became of a bag when rows were made of it. Plain data, with its JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sensorium_core.bounded import parse_json


@dataclass(frozen=True)
class BuiltEpisode:
    """Rows of one episode."""

    number: int
    rows: int
    instruction: str
    outcome: str
    family: str


@dataclass(frozen=True)
class BuiltBag:
    """What became of one bag."""

    sha256: str
    episodes: tuple[BuiltEpisode, ...]
    texts: tuple[str, ...]
    """Instructions that rows refer to."""
    problem: str = ""
    """Why there are no rows, in words."""
    may_pass: bool = False
    """Whether the problem is the disk's rather than the bag's; the bag is then tried again."""

    live: int = 0
    """Rows at frames with a recorded live step."""
    lacking: int = 0
    """Those of them that a message is missing for which the step used."""
    doubted: dict[str, int] = field(default_factory=dict)
    """In how many rows a sense is not believed although messages came, by why."""

    @property
    def note(self) -> str:
        """What to know of the rows, in words; empty when there is nothing."""
        words = [
            f"{why}: not believed in {count} of {self.rows} frames"
            for why, count in self.doubted.items()
        ]
        if self.lacking:
            words.append(
                f"{self.lacking} of {self.live} frames with a live step lack a message that it "
                "used; they hold what was stamped until then"
            )
        return "; ".join(words)

    @property
    def rows(self) -> int:
        """Of all episodes."""
        return sum(episode.rows for episode in self.episodes)

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "BuiltBag":
        """What `to_json` wrote. Raises `ValueError`, `TypeError` or `KeyError` on other text."""
        data = parse_json(text)
        if not isinstance(data, dict):
            raise TypeError("not a mapping")
        episodes = tuple(BuiltEpisode(**episode) for episode in data.pop("episodes"))
        return cls(episodes=episodes, texts=tuple(data.pop("texts")), **data)


def part_file(folder: Path, sha256: str, kind: str) -> Path:
    """A file of a part."""
    return folder / f"{sha256}.{kind}"
