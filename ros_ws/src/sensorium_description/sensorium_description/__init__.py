"""URDF (xacro) of the reference arm and cell."""
