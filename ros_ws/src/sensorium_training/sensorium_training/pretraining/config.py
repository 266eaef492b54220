"""What a pretraining run is asked to do: a file of objectives, and settings.

The file is YAML: labels with the settings of `objectives.compose`. Nothing else may stand in it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sensorium_core.bounded import load_yaml
from sensorium_core.errors import GateConfigError, UnknownNameError

from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import SENSES
from sensorium_training.objectives.binding import BindingConfig
from sensorium_training.objectives.compose import Entry, parse
from sensorium_training.objectives.infonce import InfoNCEConfig
from sensorium_training.objectives.vse import VSEConfig

INSTRUCTION = "instruction"
"""The sense whose tokens are words; it has no encoder of its own here."""
DEFAULT = Path(__file__).with_name("default.yaml")
PRECISIONS = ("float32", "bfloat16", "float64")
ObjectivesConfig = Mapping[str, Mapping[str, object]]
_TRAINED = ("pairs", "anchor", "senses", "pair", "sense", "words", "patches")
"""Settings that name senses whose encoder learns from the objective."""
_NOW = ("touch", "image", "sense")
"""Settings that name senses whose samples are looked at."""
_LATER = ("touch", "image")
"""Settings that name senses whose samples one step later are looked at."""
_OF_TOKENS = ("matching", "transport")
_OF_FUTURE = ("contact", "motion", "flow")
_OF_VIEWS = ("factorcl",)
_OF_NEGATIVES = (InfoNCEConfig, BindingConfig, VSEConfig)
"""Of objectives that take all other rows as negatives unless told which sense is words."""
_OF_MOMENTS = ("alignment",)
"""Objectives whose negatives are of the same episode."""


@dataclass(frozen=True)
class Needs:
    """What the objectives of a config ask of the data."""

    senses: tuple[str, ...]
    """Whose encoders are trained, in the contract's order."""
    words: bool
    samples: tuple[str, ...]
    later: tuple[str, ...]
    future: bool
    tokens: bool
    views: bool


@dataclass(frozen=True)
class PretrainConfig:
    """How to pretrain. Raises at once if illegal; travels with every checkpoint."""

    objectives: ObjectivesConfig
    steps: int = 4000
    """The learning rate's cosine ends with the last."""
    batch: int = 192
    """Rows of a step, over all processes."""
    rows_per_episode: int = 4
    """Rows of a batch that come from one episode, so that there are near-in-time negatives."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warm_up: int = 100
    """Steps until the learning rate is full; a tenth of all at most."""
    seed: int = 0
    precision: str = PRECISIONS[0]
    log_steps: int = 10
    checkpoint_steps: int = 500
    validation_batches: int = 8
    validation_share: float = 0.05
    """Share of episodes kept aside by a hash of each, the same as in `sensorium train`."""
    net: NetConfig = field(default_factory=NetConfig)
    """Of the policy whose encoders these are."""

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise UnknownNameError("precision", self.precision, PRECISIONS)
        counts = ("steps", "batch", "rows_per_episode", "log_steps", "checkpoint_steps")
        for name in (*counts, "learning_rate"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise GateConfigError(name, value, "a number above 0", of="pretraining")
        if not 0 <= self.validation_share < 1:
            got = self.validation_share
            raise GateConfigError("validation_share", got, "0 to below 1", of="pretraining")
        needs(parse(self.objectives))

    def as_data(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


def load_objectives(path: Path) -> ObjectivesConfig:
    """The objectives of a file, checked.

    Raises:
        GateConfigError: it cannot be read, or is not labels with settings.
        UnknownNameError: an objective, key or sense that there is not.
    """
    try:
        found = load_yaml(path)
    except (OSError, ValueError) as error:
        raise GateConfigError(
            "file", str(path), f"a YAML file of objectives ({error})", of="pretraining"
        ) from None
    legal = isinstance(found, dict) and all(isinstance(one, dict) for one in found.values())
    if not legal or not all(isinstance(label, str) for label in found):
        raise GateConfigError(
            "file", str(path), "labels with settings, as `touch: {objective: infonce, ...}`; see "
            "docs/pretraining.md", of="pretraining",
        )  # fmt: skip
    needs(parse(found))
    return found


def needs(entries: Mapping[str, Entry]) -> Needs:
    """What these objectives ask for.

    Raises:
        UnknownNameError: a sense that there is not.
        GateConfigError: words are told apart that are the same.
    """
    named: dict[str, set[str]] = {"trained": set(), "now": set(), "later": set()}
    kinds = {entry.objective for entry in entries.values()}
    for label, entry in entries.items():
        _require_words_are_known(label, entry)
        told = getattr(entry.config, INSTRUCTION, None)
        if told not in (None, INSTRUCTION):
            raise UnknownNameError(f"instruction of {label!r}", told, (INSTRUCTION,))
        if told is not None:
            named["trained"].add(INSTRUCTION)
        for role, settings in (("trained", _TRAINED), ("now", _NOW), ("later", _LATER)):
            for setting in settings:
                named[role] |= set(_names(getattr(entry.config, setting, ())))
    for sense in sorted(set.union(*named.values())):
        if sense not in (*SENSES, INSTRUCTION):
            raise UnknownNameError("sense of pretraining", sense, (*SENSES, INSTRUCTION))
    return Needs(
        senses=tuple(sense for sense in SENSES if sense in named["trained"]),
        words=INSTRUCTION in named["trained"],
        samples=tuple(sense for sense in SENSES if sense in named["now"]),
        later=tuple(sense for sense in SENSES if sense in named["later"]),
        future=bool(kinds & set(_OF_FUTURE)),
        tokens=bool(kinds & set(_OF_TOKENS)),
        views=bool(kinds & set(_OF_VIEWS)),
    )


def _require_words_are_known(label: str, entry: Entry) -> None:
    """Many rows are told the same words: those may not be each other's negatives unnoticed."""
    settings = {name: getattr(entry.config, name, ()) for name in _TRAINED}
    named = {name: value for name, value in settings.items() if INSTRUCTION in _names(value)}
    of = f"objective {label!r} ({entry.objective})"
    if entry.objective in _OF_MOMENTS and named:
        setting, value = next(iter(named.items()))
        allowed = "senses that change within an episode, whose words stay the same; `matching` "
        allowed += "tells whether words and senses belong together"
        raise GateConfigError(setting, value, allowed, of=of)
    config = entry.config
    if isinstance(config, _OF_NEGATIVES) and named and config.instruction is None:
        allowed = f"`{INSTRUCTION}: {INSTRUCTION}`, as that sense is among these: rows that were "
        allowed += "told the same words are then no negatives of each other"
        raise GateConfigError(INSTRUCTION, None, allowed, of=of)


def _names(value: Any) -> list[str]:
    """All strings in nested tuples."""
    if isinstance(value, str):
        return [value]
    return [name for part in value for name in _names(part)]
