"""What an instruction asks for in the tasks where touch decides. Beside `sensorium_core.goal`.

Owns the names of the families and their words; wiring into language and codebook comes later.
"""

from __future__ import annotations

from dataclasses import dataclass

from sensorium_core.errors import UnknownNameError
from sensorium_core.goal import COLOURS, SHAPES, require_name

TOUCH_FAMILIES = ("insert", "hold", "give", "feel", "put", "stack")
"""Insert a peg; hold a button down; give the heavier block; find the soft or hard one by feeling;
put into a bowl; stack on another object."""
PEGS = ("round", "square")
MANNERS = ("gently", "firmly")
FEELS = ("soft", "hard")
WEIGHTS = ("heavier", "lighter")

_NEEDED = {
    "insert": ("quality",),
    "hold": ("colour", "manner"),
    "give": ("quality",),
    "feel": ("quality",),
    "put": ("colour", "shape", "onto_colour"),
    "stack": ("colour", "shape", "onto_colour", "onto_shape"),
}
_WORDS: dict[str, tuple[str, ...]] = {
    "colour": COLOURS,
    "shape": SHAPES,
    "onto_colour": COLOURS,
    "onto_shape": SHAPES,
    "manner": MANNERS,
}
_QUALITIES = {"insert": PEGS, "give": WEIGHTS, "feel": FEELS}


@dataclass(frozen=True)
class TouchGoal:
    """One understood command; a family needs exactly the fields named in the module's table."""

    family: str
    colour: str | None = None
    """Of the object that is moved, or of the button."""
    shape: str | None = None
    quality: str | None = None
    """Which of two: round or square, heavier or lighter, soft or hard."""
    manner: str | None = None
    onto_colour: str | None = None
    """Of the bowl, or of the object below."""
    onto_shape: str | None = None

    def __post_init__(self) -> None:
        require_name("family", self.family, TOUCH_FAMILIES)
        for name in (*_WORDS, "quality"):
            value = getattr(self, name)
            words = _QUALITIES.get(self.family, ()) if name == "quality" else _WORDS[name]
            if name not in _NEEDED[self.family]:
                words = ("nothing",)
            if (value is not None or words != ("nothing",)) and value not in words:
                raise UnknownNameError(f"{name} of {self.family}", value, words)

    @property
    def text(self) -> str:
        """The plainest words for it."""
        return {
            "insert": f"insert the {self.quality} peg",
            "hold": f"press the {self.colour} button {self.manner}",
            "give": f"give me the {self.quality} block",
            "feel": f"pick up the {self.quality} one",
            "put": f"put the {self.colour} {self.shape} in the {self.onto_colour} bowl",
            "stack": f"stack the {self.colour} {self.shape} on the "
            f"{self.onto_colour} {self.onto_shape}",
        }[self.family]
