"""YAML values that remember where in the file they stood, for errors that point.

Owns reading the file; knows nothing of what a launch file means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml
from sensorium_core.bounded import check_yaml, one_line, read_text
from sensorium_core.errors import LaunchFileError

Plain = bool | int | float | str | None
"""What a scalar can be after YAML's own typing."""


@dataclass(frozen=True)
class Mark:
    """One place in a launch file."""

    path: Path
    line: int
    """Counted from 1."""
    column: int
    """Counted from 1."""
    text: str
    """The whole line."""

    def error(self, problem: str, remedy: str) -> LaunchFileError:
        """The error that points here."""
        return LaunchFileError(self.path, self.line, self.column, self.text, problem, remedy)


@dataclass(frozen=True)
class Scalar:
    """A text, number, truth value or nothing."""

    mark: Mark
    value: Plain


@dataclass(frozen=True)
class Items:
    """A YAML list."""

    mark: Mark
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Entry:
    """One `key: value` of a mapping."""

    mark: Mark
    """Of the key."""
    value: Value


@dataclass(frozen=True)
class Table:
    """A YAML mapping, in file order."""

    mark: Mark
    entries: dict[str, Entry] = field(default_factory=dict)


Value = Scalar | Items | Table


class _Builder(yaml.SafeLoader):
    """Turns composed YAML nodes into marked values."""

    def __init__(self, path: Path, text: str) -> None:
        super().__init__(text)
        self._path = path
        self._lines = text.splitlines() or [""]

    def mark(self, at: yaml.Mark) -> Mark:
        text = self._lines[at.line] if at.line < len(self._lines) else ""
        return Mark(self._path, at.line + 1, at.column + 1, text)

    def build(self, node: yaml.Node) -> Value:
        mark = self.mark(node.start_mark)
        if isinstance(node, yaml.SequenceNode):
            return Items(mark, tuple(self.build(child) for child in node.value))
        if isinstance(node, yaml.MappingNode):
            return self._build_table(mark, node)
        return Scalar(mark, self._build_scalar(mark, node))

    def _build_table(self, mark: Mark, node: yaml.MappingNode) -> Table:
        table = Table(mark)
        for key_node, value_node in node.value:
            key_mark, key = self.mark(key_node.start_mark), key_node.value
            if not isinstance(key, str):
                raise key_mark.error("a key that is not text", "write `name: value`")
            if key in table.entries:
                first = table.entries[key].mark.line
                raise key_mark.error(f"{key!r} stands twice", f"the first is on line {first}")
            table.entries[key] = Entry(key_mark, self.build(value_node))
        return table

    def _build_scalar(self, mark: Mark, node: yaml.Node) -> Plain:
        try:
            value = self.construct_object(node)
        except (ValueError, LookupError, AttributeError, TypeError, OverflowError) as error:
            raise mark.error(f"no YAML value ({one_line(error)})", "put it in quotes") from error
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise mark.error(
            f"a YAML {type(value).__name__}",
            "put it in quotes; allowed: text, numbers, true, false",
        )


def read_document(path: Path) -> Value:
    """Read one YAML file.

    Raises:
        LaunchFileError: if it cannot be read or is not YAML.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        words = error.strerror if isinstance(error, OSError) else one_line(error)
        nowhere = Mark(path, 1, 1, "")
        raise nowhere.error(f"cannot read the launch file: {words}", "check the file") from error
    start = Mark(path, 1, 1, "")
    try:
        check_yaml(text)
        builder = _Builder(path, text)
        node = builder.get_single_node()
    except yaml.YAMLError as error:
        raise _not_yaml(path, text, error) from error
    except ValueError as error:
        raise start.error(f"the file {one_line(error)}", "make it smaller") from error
    if node is None:
        raise start.error("the file is empty", "begin it with `launch:`")
    return builder.build(node)


def _not_yaml(path: Path, text: str, error: yaml.YAMLError) -> LaunchFileError:
    """The error that points to what YAML's grammar does not take."""
    at = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    lines = text.splitlines()
    line = lines[at.line] if at and at.line < len(lines) else ""
    mark = Mark(path, at.line + 1, at.column + 1, line) if at else Mark(path, 1, 1, "")
    problem = getattr(error, "problem", None) or one_line(error)
    return mark.error(f"not YAML: {problem}", "check quotes, colons and indents")
