"""The reference arm and cell: one URDF (xacro) and the constants a URDF has no field for.

Owns every length, limit and camera pose of the cell. Imports neither ROS nor a simulator.
"""

from sensorium_description.description import (
    CellConstants,
    load_constants,
    load_urdf,
    urdf_path,
)

__all__ = ["CellConstants", "load_constants", "load_urdf", "urdf_path"]
