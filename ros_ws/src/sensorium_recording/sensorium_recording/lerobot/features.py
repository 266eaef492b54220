"""What a frame of the dataset holds, derived from the contract: nothing is named twice.

Each sense keeps the contract's tensor, windows included, so that 500 Hz of force survive in a
dataset of 10 frames a second. Windows lie flat, oldest sample first, since lerobot's own tools
(merging, deleting episodes) fail on columns of more than one axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sensorium_core.contract import Contract, Modality
from sensorium_core.observation import Observation, sense_validity

Row = dict[str, NDArray[np.generic]]
Images = Literal["video", "image"]

_FORCES = ("fx", "fy", "fz", "tx", "ty", "tz")
_CLOUD = ("x", "y", "z", "r", "g", "b", "filled")


@dataclass(frozen=True)
class Feature:
    """One column: `dtype` is a numpy name, `image` (PNG in Parquet) or `video` (MP4)."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    labels: tuple[str, ...] | None = None
    """Of the entries of a vector, or of the axes of anything else."""

    @property
    def visual(self) -> bool:
        """Whether it holds pictures."""
        return self.dtype in ("image", "video")

    def info(self) -> dict[str, object]:
        """Its entry in `info.json`."""
        labels = None if self.labels is None else list(self.labels)
        return {"dtype": self.dtype, "shape": list(self.shape), "names": labels}


COUNTERS = (
    Feature("timestamp", "float32", (1,)),
    Feature("frame_index", "int64", (1,)),
    Feature("episode_index", "int64", (1,)),
    Feature("index", "int64", (1,)),
    Feature("task_index", "int64", (1,)),
)
"""What every LeRobotDataset counts; the writer fills them in."""


def exported(contract: Contract, only: Sequence[str] = ()) -> tuple[Modality, ...]:
    """Modalities that go out: all, or those named. Raises `ContractError` for unknown names.

    Depth has no place in the format; it goes out as a cloud, if wanted.
    """
    for name in only:
        contract.modality(name)
    wanted = [m for m in contract.modalities if m.kind != "depth"]
    return tuple(m for m in wanted if not only or m.name in only)


def sensed_features(
    contract: Contract, modalities: Sequence[Modality], images: Images, cloud: bool
) -> tuple[Feature, ...]:
    """Everything but the counters: senses, their validity and age, action, end of episode."""
    features = [_sensed(m, contract, images) for m in modalities]
    if cloud:
        shape = (contract.cloud.points, len(_CLOUD))
        features.append(_flat("observation.cloud", shape, _CLOUD))
    joints = tuple(f"{joint}.pos" for joint in contract.action.joints)
    names = tuple(m.name for m in contract.modalities)
    return (
        *features,
        Feature("observation.validity", "float32", (len(contract.senses),), contract.senses),
        Feature("observation.age", "float32", (len(names),), names),
        Feature("action", "float32", (len(joints),), joints),
        Feature("next.done", "bool", (1,)),
    )


def sensed_row(
    contract: Contract, modalities: Sequence[Modality], seen: Observation, cloud: bool
) -> Row:
    """What was sensed, as the aligner gave it; zeros where a sense is not valid."""
    row = {
        feature_name(m): seen.values[m.name]
        if m.kind == "image"
        else seen.values[m.name].reshape(-1)
        for m in modalities
    }
    if cloud:
        row["observation.cloud"] = seen.values["cloud"].astype(np.float32).reshape(-1)
    row["observation.validity"] = sense_validity(contract, seen)
    row["observation.age"] = _ages(contract, seen)
    return row


def action_row(
    contract: Contract, seen: Observation, setpoint: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Commanded joints `(n_joints,)`; the measured ones before anything was commanded."""
    held = seen.values[_joints(contract).name][: len(contract.action.joints)]
    return np.asarray(held if setpoint is None else setpoint, dtype=np.float32)


def feature_name(modality: Modality) -> str:
    """Name of a modality's column, as lerobot's policies look for it."""
    if modality.kind == "image":
        return f"observation.images.{modality.name.removesuffix('_rgb')}"
    return "observation.state" if modality.kind == "joints" else f"observation.{modality.name}"


def _joints(contract: Contract) -> Modality:
    return next(m for m in contract.modalities if m.kind == "joints")


def _sensed(modality: Modality, contract: Contract, images: Images) -> Feature:
    name, shape = feature_name(modality), modality.shape
    if modality.kind == "image":
        return Feature(name, images, shape, ("height", "width", "channels"))
    if modality.kind == "joints":
        joints = contract.action.joints
        labels = (*(f"{j}.pos" for j in joints), *(f"{j}.vel" for j in joints))
        return Feature(name, modality.dtype, shape, labels)
    if len(shape) > 1:
        return _flat(name, shape, _FORCES)
    return Feature(name, modality.dtype, shape, _labels(shape[0], _FORCES))


def _flat(name: str, shape: tuple[int, ...], labels: tuple[str, ...]) -> Feature:
    """A window or a cloud `(n, width)` as one vector; labels tell the place of each entry."""
    width = math.prod(shape[1:])
    each = _labels(width, labels)
    flat = tuple(f"{label}.{i}" for i in range(shape[0]) for label in each)
    return Feature(name, "float32", (len(flat),), flat)


def _labels(width: int, labels: tuple[str, ...]) -> tuple[str, ...]:
    return labels[:width] if width <= len(labels) else tuple(map(str, range(width)))


def _ages(contract: Contract, seen: Observation) -> NDArray[np.float32]:
    """Seconds since each modality's newest sample; at most the age at which it counts as lost."""
    ages = [min(seen.age_s[m.name], m.max_age_s) for m in contract.modalities]
    return np.array(ages, dtype=np.float32)
