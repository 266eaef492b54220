"""A weighted sum of objectives, built from a config that names them.

    touch_and_sight: {objective: infonce, weight: 1.0, pairs: [[scene_rgb, wrench]]}
    contact_ahead:   {objective: contact, weight: 0.5, senses: [scene_rgb, wrench], touch: wrench}

The label is free; the logs carry it. Names, keys, senses and values that are not legal are refused
before anything is built, with the legal ones listed.
"""

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from pydantic import ValidationError
from sensorium_core.errors import GateConfigError, UnknownNameError
from torch import nn

from sensorium_training.objectives.binding import Binding, BindingConfig
from sensorium_training.objectives.factorcl import FactorCL, FactorCLConfig
from sensorium_training.objectives.infonce import InfoNCE, InfoNCEConfig
from sensorium_training.objectives.interface import (
    Batch,
    Objective,
    ObjectiveConfig,
    Shapes,
    Terms,
)
from sensorium_training.objectives.latent_flow import FlowConfig, LatentFlow
from sensorium_training.objectives.lee import (
    Alignment,
    AlignmentConfig,
    ContactConfig,
    MotionConfig,
    NextContact,
    NextMotion,
)
from sensorium_training.objectives.masked import Masked, MaskedConfig
from sensorium_training.objectives.matching import Matching, MatchingConfig
from sensorium_training.objectives.transport import Transport, TransportConfig
from sensorium_training.objectives.vse import VSE, VSEConfig


class _Kind(NamedTuple):
    """A config class and what is built from it."""

    config: type[ObjectiveConfig]
    build: Callable[..., Objective]


_KINDS: Mapping[str, _Kind] = {
    "infonce": _Kind(InfoNCEConfig, InfoNCE),
    "binding": _Kind(BindingConfig, Binding),
    "vse": _Kind(VSEConfig, VSE),
    "alignment": _Kind(AlignmentConfig, Alignment),
    "contact": _Kind(ContactConfig, NextContact),
    "motion": _Kind(MotionConfig, NextMotion),
    "flow": _Kind(FlowConfig, LatentFlow),
    "masked": _Kind(MaskedConfig, Masked),
    "matching": _Kind(MatchingConfig, Matching),
    "transport": _Kind(TransportConfig, Transport),
    "factorcl": _Kind(FactorCLConfig, FactorCL),
}
OBJECTIVES = tuple(_KINDS)
"""Legal values of `objective`."""


class Entry(NamedTuple):
    """One objective of a sum."""

    objective: str
    weight: float
    config: ObjectiveConfig


def parse(config: Mapping[str, Mapping[str, object]]) -> dict[str, Entry]:
    """Check a config; entries by label.

    Raises:
        UnknownNameError: an objective or a key that there is not.
        GateConfigError: a value outside its legal range, or no objective at all.
    """
    if not config:
        raise GateConfigError("objectives", "nothing", "one entry at least", of="pretraining")
    return {label: _entry(label, dict(settings)) for label, settings in config.items()}


def _entry(label: str, settings: dict[str, object]) -> Entry:
    name = settings.pop("objective", None)
    if name not in _KINDS:
        raise UnknownNameError(f"objective of {label!r}", name, OBJECTIVES)
    weight = settings.pop("weight", 1.0)
    number = weight if isinstance(weight, (int, float)) and not isinstance(weight, bool) else 0
    if not 0 < number <= sys.float_info.max:
        raise GateConfigError("weight", weight, "a number above 0", of=f"objective {label!r}")
    kind = _KINDS[str(name)].config
    unknown = sorted(set(settings) - set(kind.model_fields))
    if unknown:
        known = ("objective", "weight", *kind.model_fields)
        raise UnknownNameError(f"key of objective {label!r} ({name})", unknown[0], known)
    try:
        return Entry(str(name), float(number), kind.model_validate(settings))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "as a whole"
        got = first["input"] if first["type"] != "missing" else None
        of = f"objective {label!r} ({name})"
        allowed = first["msg"].removeprefix("Value error, ")
        raise GateConfigError(field, got, allowed, of=of) from error


class Composition(Objective):
    """Weighted sum of labelled objectives; logs are `label/name`."""

    def __init__(self, config: Mapping[str, Mapping[str, object]], shapes: Shapes) -> None:
        """Build all of them; raises `UnknownNameError` also for a sense that there is not."""
        super().__init__()
        self.entries = parse(config)
        self.parts = nn.ModuleList(
            _KINDS[entry.objective].build(entry.config, shapes) for entry in self.entries.values()
        )

    def forward(self, batch: Batch, generator: torch.Generator) -> Terms:
        """Needs what its objectives need."""
        losses, logs = [], {}
        for (label, entry), part in zip(self.entries.items(), self.parts, strict=True):
            terms = part(batch, generator)
            losses.append(entry.weight * terms.loss)
            logs[f"{label}/loss"] = terms.loss.detach()
            logs |= {f"{label}/{name}": value for name, value in terms.logs.items()}
        return Terms(torch.stack(losses).sum(), logs)
