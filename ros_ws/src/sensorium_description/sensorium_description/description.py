"""Loads the xacro and the constants that ship inside this package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import xacro
import yaml

_ROOT = Path(str(files("sensorium_description")))


@dataclass(frozen=True)
class CellConstants:
    """What `config/cell.yaml` says; the file documents each field."""

    arm_joints: tuple[str, ...]
    gripper_joint: str
    gripper_stroke_m: float
    max_acceleration: tuple[float, ...]
    home_tool_pose: tuple[float, float, float, float]
    home_seed_q: tuple[float, ...]
    fingertip_below_tool_m: float
    table_height_m: float
    work_area: dict[str, tuple[float, float]]
    button_area: dict[str, tuple[float, float]]
    workspace: dict[str, tuple[float, float]]
    cameras: dict[str, dict[str, float]]

    @property
    def joints(self) -> tuple[str, ...]:
        """The seven controlled joints in contract order."""
        return (*self.arm_joints, self.gripper_joint)


def urdf_path() -> Path:
    """Path of the cell's xacro file."""
    return _ROOT / "urdf" / "cell.urdf.xacro"


@cache
def load_urdf(**xacro_args: str) -> str:
    """Expands the xacro to URDF text, the same wherever the package is installed.

    Args:
        **xacro_args: arguments of the xacro file, e.g. `scene_camera_xyz="1 0 0.8"`.
    """
    document = xacro.process_file(str(urdf_path()), mappings=dict(xacro_args))
    return str(document.toxml()).replace(str(urdf_path()), f"{_ROOT.name}/urdf/{urdf_path().name}")


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


@cache
def load_constants() -> CellConstants:
    """Reads `config/cell.yaml`."""
    raw = yaml.safe_load((_ROOT / "config" / "cell.yaml").read_text(encoding="utf-8"))
    return CellConstants(**{key: _frozen(value) for key, value in raw.items()})
