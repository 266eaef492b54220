"""What a policy senses and does, in one typed object that travels inside its ONNX file.

The fusion node, the dataset builder, the trainer, the gate and the console read this object and
nothing else. `docs/contract.md` is its reference.
"""

import json
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from sensorium_core.bounded import load_yaml, one_line, parse_json, short_repr
from sensorium_core.errors import ContractError
from sensorium_core.printable import printable

_LONGEST_TEXT = 256
_MOST_VALUES = 1 << 24
"""Of one tensor."""
Length = Annotated[int, Field(gt=0, le=1 << 20)]
"""Of one axis, or of one list."""
Kind = Literal["image", "depth", "vector", "joints", "trajectory"]


_AXES = {"image": 3, "depth": 2}
"""Of the kinds that have more than one."""


class Frozen(BaseModel):
    """What a contract is made of: cannot be changed, has no other keys, only finite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, str_max_length=_LONGEST_TEXT
    )


class Modality(Frozen):
    """One stream of messages and the tensor that it becomes."""

    name: str
    kind: Kind
    sense: str
    """The sense that a person would name; `--drop` and the validity flags go by it."""
    topic: str
    message: str
    """ROS type, for example `sensor_msgs/msg/Image`."""
    shape: tuple[Length, ...] = Field(min_length=1, max_length=4)
    """Shape of the tensor; a window's first axis is time, oldest first."""
    dtype: Literal["uint8", "uint16", "float32"]
    unit: str
    frame: str
    rate_hz: float = Field(gt=0, le=100_000)
    window_s: float = Field(default=0.0, ge=0, le=60)
    """Zero: the latest message. Otherwise `shape[0]` samples that end at the step's time."""
    max_age_s: float = Field(gt=0, le=60)
    """Older than this counts as missing."""

    @model_validator(mode="after")
    def _bounded(self) -> "Modality":
        if prod(self.shape) > _MOST_VALUES:
            raise ValueError(f"{self.name} has {prod(self.shape)} values; at most {_MOST_VALUES}")
        if len(self.shape) < _AXES.get(self.kind, 1):
            raise ValueError(f"{self.name}: {self.kind} needs {_AXES[self.kind]} axes")
        return self

    @property
    def period_s(self) -> float:
        """Sample spacing of a window [s]."""
        return self.window_s / self.shape[0] if self.window_s else 0.0


class ActionSpec(Frozen):
    """What a policy emits and how it is executed."""

    space: Literal["tool_delta_xyz_yaw_grip"] = "tool_delta_xyz_yaw_grip"
    """Cumulative displacement of the commanded tool, in its yaw frame, and open fraction 0..1."""
    frame: str = "tool"
    horizon: int = Field(default=8, gt=0, le=1000)
    step_s: float = Field(default=0.1, gt=0, le=60)
    execute_steps: int = Field(default=3, gt=0, le=1000)
    joints: tuple[str, ...] = Field(max_length=64)
    workspace_min_m: tuple[float, float, float]
    workspace_max_m: tuple[float, float, float]
    """Box in base_link that the tool stays in."""


class CloudSpec(Frozen):
    """How depth becomes the policy's coloured cloud."""

    points: Length = 512
    crop_min_m: tuple[float, float, float]
    crop_max_m: tuple[float, float, float]
    """Box in base_link; what lies outside is not the policy's business."""


class Contract(Frozen):
    """The agreement between a policy and the world around it."""

    name: str
    version: Literal[1, 2] = 1
    """2: the policy remembers more (see `sensorium_core.memory`), and says what to feel."""
    robot: str
    modalities: tuple[Modality, ...] = Field(max_length=64)
    cloud: CloudSpec
    action: ActionSpec
    required: tuple[str, ...] = Field(max_length=64)
    """Senses without which the policy holds still."""
    provenance: dict[str, Any] = Field(default_factory=dict)
    """Git commit, data hash, seeds, metrics."""

    @model_validator(mode="after")
    def _version_fits(self) -> "Contract":
        windowed = [m.name for m in self.modalities if m.kind == "joints" and m.window_s]
        if (self.version == 2) != bool(windowed):
            raise ValueError(
                "joints are a window in version 2, and the latest sample in version 1"
            )
        return self

    @cached_property
    def senses(self) -> tuple[str, ...]:
        """Every sense once, in the order of the validity flags."""
        return tuple(dict.fromkeys(m.sense for m in self.modalities))

    def modality(self, name: str) -> Modality:
        """One modality by name; raises `ContractError` listing the known ones."""
        for modality in self.modalities:
            if modality.name == name:
                return modality
        known = ", ".join(m.name for m in self.modalities)
        raise ContractError(self.name, f"has no modality {name!r}", f"known: {known}")

    def to_json(self) -> str:
        """Stable JSON, fit for a file's metadata and for hashing."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    @classmethod
    def parse(cls, data: object, where: str) -> "Contract":
        """Validate plain data; `where` names the source in the error."""
        try:
            contract = cls.model_validate(data)
        except ValidationError as error:
            raise ContractError(where, first_problem(error), _legal_keys(cls)) from None
        names = [m.name for m in contract.modalities]
        if len(set(names)) != len(names):
            raise ContractError(where, f"names a modality twice in {names}", "give each its own")
        unknown = sorted(set(contract.required) - set(contract.senses))
        if unknown:
            raise ContractError(
                where, f"requires unknown senses {unknown}", f"known: {contract.senses}"
            )
        return contract

    @classmethod
    def from_json(cls, text: str, where: str = "metadata") -> "Contract":
        """Parse what `to_json` wrote."""
        try:
            data = parse_json(text)
        except ValueError as error:
            raise ContractError(
                where, f"is not JSON ({one_line(error)})", "export the policy anew"
            ) from None
        return cls.parse(data, where)

    @classmethod
    def load(cls, path: Path) -> "Contract":
        """Read a contract from YAML. Raises `ContractError` when it is none."""
        try:
            data = load_yaml(path)
        except OSError as error:
            raise ContractError(str(path), f"cannot be read ({error})", "check the path") from None
        except ValueError as error:
            raise ContractError(str(path), one_line(error), "see docs/contract.md") from None
        return cls.parse(data, str(path))


def tabletop() -> Contract:
    """The contract of the reference cell: every sense, tool motions of a UR5e-size arm."""
    return Contract.load(Path(__file__).parent / "contracts" / "tabletop.yaml")


def touch() -> Contract:
    """The contract of all nine families: the same topics, longer windows, more memory, intent."""
    return Contract.load(Path(__file__).parent / "contracts" / "touch.yaml")


def load_contract(path: Path | str | None) -> Contract:
    """The contract of a file; the tabletop one where no file is named."""
    return Contract.load(Path(path)) if path else tabletop()


def first_problem(error: ValidationError) -> str:
    """The first of a model's objections, on one line."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return printable(f"{place[:80]}: {first['msg'][:200]} (got {short_repr(first['input'])})")


def _legal_keys(model: type[BaseModel]) -> str:
    return f"legal top-level keys: {', '.join(model.model_fields)}"
