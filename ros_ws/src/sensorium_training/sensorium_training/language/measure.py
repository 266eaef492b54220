"""What a language encoder gets right, through the same run-time code that the robot uses."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sensorium_core.language import LanguageEncoder

from sensorium_training.language.corpus import NAMED_FREELY, Line, naming


@dataclass(frozen=True)
class Score:
    """Counts over a set of lines."""

    n: int
    right: int
    """Accepted with every slot right, or refused when it should be."""
    wrongly_accepted: int
    wrongly_refused: int
    mistaken: tuple[tuple[str, str, str], ...]
    """Up to 60 of (text, expected, got)."""
    families: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """How many of how many lines of each family were right."""
    namings: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The same of picks and pushes, by what names their object: see `corpus.naming`."""

    @property
    def share(self) -> float:
        """Share of lines that are right."""
        return self.right / max(self.n, 1)

    def summary(self) -> dict[str, int | float]:
        """The counts, without the lines."""
        wrong = {"accepted": self.wrongly_accepted, "refused": self.wrongly_refused}
        named = {f"wrongly_{name}": count for name, count in wrong.items()}
        return {"n": self.n, "right": self.right, **named, "share": round(self.share, 4)}


def measure(encoder: LanguageEncoder, lines: Iterable[Line]) -> Score:
    """Encode every line and compare."""
    n = right = accepted = refused = 0
    mistaken: list[tuple[str, str, str]] = []
    families: dict[str, tuple[int, int]] = {}
    namings: dict[str, tuple[int, int]] = {}
    for line in lines:
        n += 1
        command = encoder.encode(line.text)
        got = command.goal if command.in_scope else None
        if line.goal is not None:
            _count(families, line.goal.family, got == line.goal)
            if line.goal.family in NAMED_FREELY:
                _count(namings, naming(line.goal), got == line.goal)
        if got == line.goal:
            right += 1
            continue
        accepted += line.goal is None
        refused += got is None
        wanted = line.goal.words if line.goal else line.reason
        mistaken.append((line.text, wanted, got.words if got else command.reason_class))
    return Score(n, right, accepted, refused, tuple(mistaken[:60]), families, namings)


def _count(counts: dict[str, tuple[int, int]], name: str, right: bool) -> None:
    part, whole = counts.get(name, (0, 0))
    counts[name] = (part + right, whole + 1)
