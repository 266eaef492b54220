"""Where a picture or a film of a bag goes: never over a recording."""

from pathlib import Path

from sensorium_core.errors import BagError


def require_suffix(output: Path, suffix: str) -> None:
    """Raises `BagError` for a name of another kind of file."""
    if output.suffix.lower() != suffix:
        raise BagError(output, f"is no name of a {suffix} file", f"end it with {suffix}")
