"""A robot description as text: bounded, and without what XML can do beyond describing.

No state. `Kinematics` and the gate's limits read a description only after this.
"""

from xml.parsers import expat

from sensorium_core.bounded import one_line
from sensorium_core.errors import KinematicsError

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_ELEMENTS = 50_000


def check_urdf(urdf_xml: str) -> str:
    """The text itself, when it is XML within the bounds and declares no document type.

    A document type may define entities, of which a few lines stand for gigabytes, and name files.

    Raises `KinematicsError` for all else.
    """
    if len(urdf_xml) > MAX_BYTES:
        raise KinematicsError(
            f"the URDF has {len(urdf_xml)} characters", f"at most {MAX_BYTES} are read"
        )
    try:
        _Walk().parse(urdf_xml)
    except (expat.ExpatError, ValueError) as error:
        raise KinematicsError(
            f"the URDF cannot be read ({one_line(error)})", "check it with `check_urdf`"
        ) from None
    return urdf_xml


def read_number(text: str) -> float:
    """A number of a description; raises `KinematicsError` when it is none."""
    try:
        return float(text)
    except ValueError:
        raise KinematicsError(
            f"the URDF has {text[:40]!r} where a number belongs", "correct it"
        ) from None


class _Walk:
    """Goes through a document and builds nothing."""

    def __init__(self) -> None:
        self._depth = self._elements = 0

    def parse(self, text: str) -> None:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.Parse(text.encode(), True)

    def _refuse(self, *_: object) -> None:
        raise ValueError("it declares a document type; leave the <!DOCTYPE> out")

    def _begin(self, *_: object) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise ValueError(
                f"it nests deeper than {MAX_DEPTH} or has more than {MAX_ELEMENTS} elements"
            )

    def _end(self, *_: object) -> None:
        self._depth -= 1
