"""What a fast correction senses and does; travels inside its ONNX file as `Contract` does.

The fast half corrects a motion between two steps of the policy, from force alone: see
`fast_policy`. `docs/fast_correction.md` is the reference.
"""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from sensorium_core.bounded import one_line, parse_json
from sensorium_core.contract import Frozen, Modality, first_problem
from sensorium_core.errors import ContractError

WIDTHS = {"wrench": (6,), "touch": (2, 3), "joints": (14,)}
"""Axes behind time of what a fast correction may sense."""
MOST_READINGS = 64
"""Longest window."""


class FastContract(Frozen):
    """The agreement between a fast correction and what drives it."""

    name: str
    version: int = 1
    robot: str
    senses: tuple[Modality, ...] = Field(min_length=1, max_length=len(WIDTHS))
    """Windows that end at the tick, oldest reading first; the wrench is always among them."""
    rate_hz: float = Field(gt=0, le=1000)
    """How often it is stepped."""
    state: int = Field(gt=0, le=1024)
    """Numbers that it remembers from tick to tick."""
    frame: Literal["tool_yaw"] = "tool_yaw"
    """Of the correction: x along the heading of the commanded tool, z up."""
    unit: Literal["m"] = "m"
    largest_m: float = Field(gt=0, le=0.002)
    """Longest correction along one axis in one tick."""
    contact_n: float = Field(gt=0, le=20)
    """Least mean force along an axis that is contact; below it the correction is exactly 0."""
    contact_samples: int = Field(gt=0, le=MOST_READINGS)
    """Newest readings in that mean."""
    largest_press_n: float = Field(gt=0, le=100)
    """More than this is never pressed, whatever is asked."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Git commit, data hash, seeds, metrics."""

    @model_validator(mode="after")
    def _consistent(self) -> FastContract:
        names = [sense.name for sense in self.senses]
        if len(set(names)) != len(names) or "wrench" not in names or set(names) - WIDTHS.keys():
            raise ValueError(f"senses are {names}; wanted the wrench and any of {sorted(WIDTHS)}")
        for sense in self.senses:
            if sense.shape[1:] != WIDTHS[sense.name] or sense.shape[0] > MOST_READINGS:
                wanted = f"at most {MOST_READINGS} readings of {WIDTHS[sense.name]}"
                raise ValueError(f"{sense.name} has shape {sense.shape}; wanted {wanted}")
        if self.contact_samples > self.sense("wrench").shape[0]:
            raise ValueError(f"contact is judged on {self.contact_samples} readings, not all seen")
        return self

    def sense(self, name: str) -> Modality:
        """One of the senses by name. Raises `KeyError` where it is not sensed."""
        return {sense.name: sense for sense in self.senses}[name]

    def to_json(self) -> str:
        """Stable JSON, fit for a file's metadata and for hashing."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, where: str = "metadata") -> FastContract:
        """Parse what `to_json` wrote. Raises `ContractError` on anything else."""
        try:
            return cls.model_validate(parse_json(text))
        except ValidationError as error:
            legal = f"legal top-level keys: {', '.join(cls.model_fields)}"
            raise ContractError(where, first_problem(error), legal) from None
        except ValueError as error:
            problem = f"is not JSON ({one_line(error)})"
            raise ContractError(where, problem, "export the fast correction anew") from None
