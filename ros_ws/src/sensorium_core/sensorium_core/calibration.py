"""Where the sensors of one robot are and how they read: the files under `calibration/<robot>/`.

Every file says the date and the method of its numbers. Unknown keys are errors. Metres, radians,
pixels, newtons, kilograms throughout; `units` in a file repeats that for its reader.
"""

import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sensorium_core.bounded import load_yaml, one_line
from sensorium_core.errors import CalibrationError
from sensorium_core.geometry import Camera

Array = NDArray[np.float64]
Vector3 = tuple[float, float, float]
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_UNIT_TOLERANCE = 1e-4


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Pose(_Record):
    """Where a child frame is in its parent: `T_parent_child`."""

    parent: str
    child: str
    position_m: Vector3
    quat_xyzw: tuple[float, float, float, float]

    @field_validator("quat_xyzw")
    @classmethod
    def _unit(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        norm = float(np.linalg.norm(value))
        if not abs(norm - 1.0) <= _UNIT_TOLERANCE:
            raise ValueError(f"has length {norm:.6g}; a rotation needs 1")
        return value

    @property
    def matrix(self) -> Array:
        """`T_parent_child` `(4, 4)`."""
        pose = np.eye(4)
        pose[:3, :3] = rotation_of_quat(np.array(self.quat_xyzw))
        pose[:3, 3] = self.position_m
        return pose


class Intrinsics(_Record):
    """A pinhole camera; `(cx, cy)` counts from the centre of the first pixel."""

    width: int = Field(gt=0)
    height: int = Field(gt=0)
    fx: float = Field(gt=0)
    fy: float = Field(gt=0)
    cx: float
    cy: float
    distortion: tuple[float, float, float, float, float] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """`plumb_bob`: k1, k2, p1, p2, k3."""


class _File(_Record):
    units: dict[str, str]
    date: datetime.date
    method: str = Field(min_length=3)


class CameraCalibration(_File):
    """One camera: what it sees and where it is."""

    name: str
    intrinsics: Intrinsics
    pose: Pose
    """`child` is the optical frame: x right, y down, z ahead."""

    def camera(self) -> Camera:
        """The camera for lifting depth; its points come out in `pose.parent`."""
        k = self.intrinsics
        return Camera((k.fx, k.fy, k.cx, k.cy), (k.height, k.width), self.pose.matrix)


class WrenchCalibration(_File):
    """The wrist force/torque sensor and what hangs on it."""

    bias: tuple[_Finite, _Finite, _Finite, _Finite, _Finite, _Finite]
    """Reading with nothing on the sensor, force then torque, sensor frame [N, Nm]."""
    payload_mass_kg: float = Field(ge=0)
    """Everything beyond the sensor: gripper, fingers, camera."""
    payload_com_m: Vector3
    """Its centre of mass in the sensor's frame, gripper open."""
    pose: Pose
    """`child` is the sensor's frame, `parent` the frame that wrenches are published in."""


Record = TypeVar("Record", CameraCalibration, WrenchCalibration)


def load_camera_calibration(path: Path) -> CameraCalibration:
    """Read a camera's file. Raises `CalibrationError`."""
    return _load(path, CameraCalibration)


def load_wrench_calibration(path: Path) -> WrenchCalibration:
    """Read a force/torque sensor's file. Raises `CalibrationError`."""
    return _load(path, WrenchCalibration)


def rotation_of_quat(quat_xyzw: Array) -> Array:
    """Rotation matrix `(3, 3)` of a quaternion of any length but zero."""
    x, y, z, w = quat_xyzw / np.linalg.norm(quat_xyzw)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _load(path: Path, kind: type[Record]) -> Record:
    legal = f"legal keys: {', '.join(kind.model_fields)}"
    try:
        data = load_yaml(path)
    except OSError as error:
        raise CalibrationError(path, f"cannot be read ({error.strerror})", legal) from None
    except ValueError as error:
        raise CalibrationError(path, one_line(error), legal) from None
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise CalibrationError(
            path, f"{place}: {first['msg']}", _legal(kind, first["loc"])
        ) from None


def _legal(kind: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """The legal keys at the place of an error."""
    for part in where[:-1]:
        field = kind.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        kind = inner
    return f"legal keys: {', '.join(kind.model_fields)}"
