"""Reads text, YAML and JSON that others wrote, within bounds on size, depth and number of values.

Each bound holds before memory or time is spent. Nothing here builds objects other than plain data.
Callers turn the `ValueError` of what is refused into their own error, which names the file.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from sensorium_core.printable import printable

YAML_BYTES = 64 << 10
"""Longest YAML text that is read."""
JSON_CHARACTERS = 4 << 20
"""Longest JSON text that is read."""
MAX_DEPTH = 32
"""Deepest nesting of lists and mappings in YAML."""
MAX_VALUES = 10_000
"""Most scalars, lists and mappings in one YAML text."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_FAULTS = (
    yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError,
    RecursionError,
)  # fmt: skip
"""What PyYAML raises for texts that are no YAML, or claim types that they do not have."""


class ExcessError(ValueError):
    """More than a bound allows; never seen outside: callers turn it into their own error."""


def read_bytes(path: Path, most: int) -> bytes:
    """A regular file's bytes. Raises `OSError`, or `ValueError` for more than `most`."""
    if path.exists() and not path.is_file():
        raise ValueError("is not a regular file")
    with path.open("rb") as stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise ValueError(f"has more than {most} bytes")
    return data


def read_text(path: Path, most: int = YAML_BYTES) -> str:
    """A file's UTF-8. Raises `OSError`, or `ValueError` when it is too long or not UTF-8."""
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot be read as UTF-8 ({one_line(error)})") from None


def load_yaml(path: Path) -> Any:
    """Plain data of a YAML file. Raises `OSError`, or `ValueError` as `parse_yaml` does."""
    return parse_yaml(read_text(path))


def parse_yaml(text: str) -> Any:
    """Plain data of a YAML text.

    Raises:
        ValueError: it is too long or too deep, repeats itself by aliases, or is not YAML.
    """
    try:
        check_yaml(text, _LOADER)
        return yaml.load(text, Loader=_LOADER)
    except ExcessError:
        raise
    except _FAULTS as error:
        raise ValueError(f"is not YAML ({one_line(error)})") from None


def check_yaml(text: str, loader: Any = yaml.SafeLoader) -> None:
    """Raise `ExcessError` when a YAML text goes beyond the bounds; nothing is built of it.

    Aliases are refused: a few of them, nested, stand for more values than any memory holds.
    What is no YAML at all raises a `yaml.YAMLError`.
    """
    if len(text) > YAML_BYTES:
        raise ExcessError(f"has {len(text)} characters; at most {YAML_BYTES} are read")
    depth = values = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.AliasEvent):
            raise ExcessError(f"repeats a value by the alias *{event.anchor}; write it out")
        begins = isinstance(event, yaml.CollectionStartEvent)
        depth += begins - isinstance(event, yaml.CollectionEndEvent)
        values += begins or isinstance(event, yaml.ScalarEvent)
        if depth > MAX_DEPTH or values > MAX_VALUES:
            words = f"nests deeper than {MAX_DEPTH} or holds more than {MAX_VALUES} values"
            raise ExcessError(words)


def parse_json(text: str | bytes, most: int = JSON_CHARACTERS) -> Any:
    """Plain data of a JSON text.

    Raises:
        ValueError: it is too long, too deep, or not JSON.
    """
    if len(text) > most:
        raise ValueError(f"has {len(text)} characters; at most {most} are read")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nests too deep") from None


def one_line(error: Exception, most: int = 200) -> str:
    """What an error says, on one line of at most `most` characters that steer no terminal."""
    return printable(" ".join(str(error).split())[:most])


def short_repr(value: object, most: int = 80) -> str:
    """The beginning of a value's `repr`; only the beginning of a text or list is looked at."""
    if isinstance(value, str | bytes | list | tuple):
        value = value[:most]
    return f"{value!r:.{most}}"
