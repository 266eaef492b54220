"""Which episodes train, which watch, which judge: by a hash of each, so that growth moves none."""

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

from sensorium_core.errors import LoaderError

Split = Literal["train", "validation", "test", "all"]
SPLITS: tuple[str, ...] = get_args(Split)


@dataclass(frozen=True)
class Shares:
    """Shares of episodes; what is left of 1 belongs to no split but `all`."""

    train: float = 0.9
    validation: float = 0.05
    test: float = 0.05

    def __post_init__(self) -> None:
        shares = (self.train, self.validation, self.test)
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise LoaderError(
                f"shares {shares}", "three numbers from 0 on that add up to at most 1"
            )

    def split_of(self, sha256: str, number: int) -> str | None:
        """Split of an episode, by its bag's content and its number in it."""
        digest = hashlib.sha256(f"{sha256}:{number}".encode()).digest()
        place = int.from_bytes(digest[:8], "big") / 2**64
        for name in SPLITS[:3]:
            share: float = getattr(self, name)
            if place < share:
                return name
            place -= share
        return None


def require_split(name: str) -> None:
    """Raise `LoaderError` for a name that is no split."""
    if name not in SPLITS:
        raise LoaderError(f"split {name!r}", ", ".join(SPLITS))
