"""What an instruction asks for, once it is understood: family, object, direction.

Owns the closed vocabulary that tasks, grammar and policy share. Colours and shapes may be `None`:
"the red one" names no shape.
"""

from dataclasses import dataclass

from sensorium_core.errors import UnknownNameError

COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
SHAPES = ("cube", "cylinder", "ball")
DIRECTIONS = ("left", "right", "away", "closer")
FAMILIES = ("pick", "push", "press")


@dataclass(frozen=True)
class Goal:
    """One understood command. Directions are seen from the robot base: left is +y, away is +x."""

    family: str
    colour: str | None = None
    shape: str | None = None
    direction: str | None = None

    def __post_init__(self) -> None:
        require_name("family", self.family, FAMILIES)
        if self.colour is not None:
            require_name("colour", self.colour, COLOURS)
        if self.shape is not None:
            require_name("shape", self.shape, SHAPES)
        if self.direction is not None:
            require_name("direction", self.direction, DIRECTIONS)


def require_name(field: str, got: str, allowed: tuple[str, ...]) -> None:
    """Raise `UnknownNameError` unless `got` is one of `allowed`."""
    if got not in allowed:
        raise UnknownNameError(field, got, allowed)
