"""The words of the grammar: loads the phrase data, expands alternatives, splits by a stable hash.

Owns the split rule. A wording is held out for good when the hash of its own text says so, so that
adding wordings never moves another one between the splits.
"""

import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from itertools import product
from typing import Any

import numpy as np
import yaml

_ALTERNATIVES = re.compile(r"\(([^()]*)\)")
FIELD = re.compile(r"\{(\w+)\}")
"""A place in a template, to be filled."""
_KNOWN_KINDS = (
    "colours", "shapes", "shape_adjectives", "directions", "qualities", "weighs", "manners",
    "touches",
)  # fmt: skip


@cache
def load(name: str) -> dict[str, Any]:
    """Read one file of the phrase data."""
    text = resources.files("sensorium_sim").joinpath(f"phrases/{name}.yaml").read_text("utf-8")
    return dict(yaml.safe_load(text))


def is_heldout(text: str, one_in: int = 10) -> bool:
    """Say whether a wording belongs to the held-out part, by the hash of the wording alone."""
    return zlib.crc32(text.encode()) % one_in == 0


def split_words(words: Sequence[str], split: str, one_in: int = 5) -> tuple[str, ...]:
    """Keep the words of one split; a list too small to split is held out whole in neither."""
    kept = tuple(word for word in words if is_heldout(word, one_in) == (split != "train"))
    return kept or tuple(words)


def expand(pattern: str) -> Iterator[str]:
    """Yield every text that a pattern with "(a|b|)" alternatives stands for."""
    parts = _ALTERNATIVES.split(pattern)
    choices = [part.split("|") if at % 2 else [part] for at, part in enumerate(parts)]
    return (tidy("".join(chosen)) for chosen in product(*choices))


def one_of(items: Sequence[str], rng: np.random.Generator) -> str:
    """Draw one item."""
    return items[int(rng.integers(len(items)))]


def choose(pattern: str, rng: np.random.Generator) -> str:
    """Draw one of the texts that a pattern stands for."""
    return _ALTERNATIVES.sub(lambda found: one_of(found[1].split("|"), rng), pattern)


def fields(template: str) -> tuple[str, ...]:
    """List the names of a template's {fields}, in order, with repeats."""
    return tuple(FIELD.findall(template))


def tidy(text: str) -> str:
    """Collapse spaces and set punctuation against the word before it."""
    text = re.sub(r"\s+([,:?.!])", r"\1", re.sub(r"\s+", " ", text))
    return re.sub(r"[,\s]+$", "", re.sub(r",(\s*,)+", ",", text)).strip()


@cache
def known_words() -> frozenset[str]:
    """Every single word that the grammar uses for what the arm knows."""
    words, commands = load("words"), load("commands")
    lists = [words[kind][name] for kind in _KNOWN_KINDS for name in words[kind]]
    lists += [names for kind in words["unseen"].values() for names in kind.values()]
    lists += list(words["objects"].values()) + list(commands["actions"].values())
    lists += list(commands["frames"].values()) + list(commands["elliptic"].values())
    text = " ".join(item for items in lists for item in items)
    return frozenset(re.findall(r"[a-z]+", text.lower()))


def colour_words() -> dict[str, list[str]]:
    """For each colour, the single words that can mean it, without "dark", "coloured" and such."""
    found: dict[str, list[str]] = {}
    for colour, items in load("words")["colours"].items():
        words: set[str] = set()
        for text in (text for item in items for text in expand(item)):
            parts = re.findall(r"[a-z]+", text)
            words |= {colour} if colour in parts else set(parts) - {"coloured"}
        found[colour] = sorted(words)
    return found
