"""What a launch file may say: every entity, its keys and their types, as in ROS 2 Jazzy.

Checks a whole file before anything runs, also the parts behind conditions. Types are as strict as
`ros2 launch` is (`if: 'true'` must be text), so that a file which runs here runs there.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sensorium_core.errors import SubstitutionError

from sensorium_cli.launch.document import (
    Entry,
    Items,
    Mark,
    Plain,
    Scalar,
    Table,
    Value,
    read_document,
)
from sensorium_cli.launch.functions import check_calls
from sensorium_cli.launch.substitution import Template, parse_template


@dataclass(frozen=True)
class Text:
    """Text with its substitutions not yet made."""

    mark: Mark
    template: Template
    raw: str


@dataclass(frozen=True)
class Entity:
    """One checked action or sub-item of a launch file."""

    name: str
    mark: Mark
    texts: dict[str, Text] = field(default_factory=dict)
    scalars: dict[str, Plain] = field(default_factory=dict)
    values: dict[str, Scalar | Items] = field(default_factory=dict)
    items: dict[str, tuple[Entity, ...]] = field(default_factory=dict)
    children: tuple[Entity, ...] = ()


TEXT, RAW, VALUE, ITEMS = "text", "raw", "value", "items"
BOOL, INT, FLOAT = "bool", "int", "float"
_SCALAR_TYPES: dict[str, type] = {BOOL: bool, INT: int, FLOAT: float}

_CONDITION = {"if": TEXT, "unless": TEXT}
_NAME_VALUE = {"name!": TEXT, "value!": TEXT}
_PROCESS = {
    **_CONDITION,
    "cwd": TEXT, "env": ITEMS, "launch-prefix": TEXT, "name": TEXT, "on_exit": RAW,
    "output": TEXT, "respawn": TEXT, "respawn_delay": FLOAT, "respawn_max_retries": INT,
    "sigterm_timeout": FLOAT, "sigkill_timeout": FLOAT, "emulate_tty": BOOL,
}  # fmt: skip

# A key that ends in `!` must be there.
ACTIONS: dict[str, dict[str, str]] = {
    "append_env": {**_CONDITION, **_NAME_VALUE, "prepend": BOOL, "separator": TEXT},
    "arg": {**_CONDITION, "name!": RAW, "default": TEXT, "description": RAW, "choice": ITEMS},
    "executable": {**_PROCESS, "cmd!": TEXT},
    "group": {**_CONDITION, "scoped": BOOL, "children!": ITEMS},
    "include": {**_CONDITION, "file!": TEXT, "arg": ITEMS},
    "let": {**_CONDITION, **_NAME_VALUE},
    "log": {**_CONDITION, "message!": TEXT},
    "node": {
        **_PROCESS, "pkg!": TEXT, "exec!": TEXT, "exec_name": TEXT, "namespace": TEXT,
        "args": TEXT, "ros_args": TEXT, "param": ITEMS, "remap": ITEMS,
    },
    "push_ros_namespace": {**_CONDITION, "namespace!": TEXT},
    "push-ros-namespace": {**_CONDITION, "namespace!": TEXT},
    "set_env": {**_CONDITION, **_NAME_VALUE},
    "set_parameter": {**_CONDITION, **_NAME_VALUE},
    "set_remap": {**_CONDITION, "from!": TEXT, "to!": TEXT},
    "unset_env": {**_CONDITION, "name!": TEXT},
}  # fmt: skip

ITEM_KEYS: dict[str, dict[str, str]] = {
    "arg": _NAME_VALUE,
    "choice": {"value!": RAW},
    "env": _NAME_VALUE,
    "param": {
        "name": TEXT, "value": VALUE, "type": RAW, "param": ITEMS, "from": TEXT,
        "allow_substs": BOOL,
    },
    "remap": {"from!": TEXT, "to!": TEXT},
}  # fmt: skip

# Part of ROS 2's grammar, on purpose not of ours.
ONLY_ROS = (
    "load_composable_node", "node_container", "reset", "reset_env", "ros_timer",
    "set_parameters_from_file", "set_ros_log_dir", "set_use_sim_time", "shutdown", "timer",
)  # fmt: skip


def read_launch_file(path: Path) -> tuple[Entity, ...]:
    """Read and check a launch file.

    Raises:
        LaunchFileError: pointing at the first thing that is not allowed.
    """
    document = read_document(path)
    if not isinstance(document, Table) or list(document.entries) != ["launch"]:
        mark = document.mark
        if isinstance(document, Table):
            mark = next((e.mark for k, e in document.entries.items() if k != "launch"), mark)
        raise mark.error("the file must have one key, `launch`", "begin it with `launch:`")
    return _read_children(document.entries["launch"].value)


def _read_children(value: Value) -> tuple[Entity, ...]:
    if not isinstance(value, Items):
        raise value.mark.error("expected a list of actions", "write each as `- action:`")
    return tuple(_read_action(child) for child in value.values)


def _read_action(value: Value) -> Entity:
    if not isinstance(value, Table) or len(value.entries) != 1:
        raise value.mark.error(
            "expected one action", "write `- action:` and indent its keys below it"
        )
    (name, entry), *_ = value.entries.items()
    if name in ONLY_ROS:
        raise entry.mark.error(
            f"`{name}` is ROS 2 grammar that this interpreter does not have",
            f"run the file with `ros2 launch`, or use: {', '.join(ACTIONS)}",
        )
    if name not in ACTIONS:
        raise entry.mark.error(f"unknown action {name!r}", _choices(name, ACTIONS))
    if name == "group" and isinstance(entry.value, Items):
        return Entity(name, entry.mark, children=_read_children(entry.value))
    return _read_entity(name, entry, ACTIONS[name])


def _read_entity(name: str, entry: Entry, allowed: dict[str, str]) -> Entity:
    if not isinstance(entry.value, Table):
        raise entry.mark.error(
            f"`{name}` has no keys", f"its keys: {', '.join(k.rstrip('!') for k in allowed)}"
        )
    kinds = {key.rstrip("!"): kind for key, kind in allowed.items()}
    entity = Entity(name, entry.mark)
    for key, item in entry.value.entries.items():
        if key not in kinds:
            raise item.mark.error(f"`{name}` has no key {key!r}", _choices(key, kinds))
        if key == "children":
            entity = Entity(
                name, entry.mark, entity.texts, entity.scalars, children=_read_children(item.value)
            )
        else:
            _read_key(entity, key, item.value, kinds[key])
    missing = [key[:-1] for key in allowed if key[-1] == "!" and not _has(entity, key[:-1])]
    if missing and not (name == "group" and "children" in entry.value.entries):
        raise entry.mark.error(f"`{name}` lacks {missing[0]!r}", f"add `{missing[0]}:` below it")
    if "if" in entity.texts and "unless" in entity.texts:
        raise entry.mark.error(f"`{name}` has both `if` and `unless`", "keep one of the two")
    return entity


def _has(entity: Entity, key: str) -> bool:
    return any(key in part for part in (entity.texts, entity.scalars, entity.values, entity.items))


def _read_key(entity: Entity, key: str, value: Value, kind: str) -> None:
    if kind == ITEMS:
        entity.items[key] = _read_items(key, value)
    elif kind == VALUE and not isinstance(value, Table):
        _check_value(value)
        entity.values[key] = value
    elif kind in _SCALAR_TYPES:
        entity.scalars[key] = _read_scalar(key, value, kind)
    else:
        text = _expect_text(key, value)
        if kind == RAW:
            entity.scalars[key] = text
        else:
            entity.texts[key] = read_text(value.mark, text)


def _read_items(key: str, value: Value) -> tuple[Entity, ...]:
    if not isinstance(value, Items) or not value.values:
        raise value.mark.error(f"`{key}` must be a list", f"write `{key}:` and `- ...` below it")
    return tuple(_read_entity(key, Entry(v.mark, v), ITEM_KEYS[key]) for v in value.values)


def _read_scalar(key: str, value: Value, kind: str) -> Plain:
    got = value.value if isinstance(value, Scalar) else None
    if type(got) is not _SCALAR_TYPES[kind]:
        example = {BOOL: "true or false", INT: "a whole number", FLOAT: "a number with a point"}
        raise value.mark.error(
            f"`{key}` got {got!r}", f"ROS 2 takes {example[kind]} here, without quotes"
        )
    return got


def _expect_text(key: str, value: Value) -> str:
    if isinstance(value, Scalar) and isinstance(value.value, str):
        return value.value
    if isinstance(value, Scalar) and value.value is not None:
        plain = str(value.value).lower() if isinstance(value.value, bool) else value.value
        raise value.mark.error(
            f"`{key}` got {plain}, a {type(value.value).__name__}",
            f"ROS 2 takes only text here; put it in quotes: '{plain}'",
        )
    raise value.mark.error(f"`{key}` must be text", "write it on the same line as its key")


def _check_value(value: Scalar | Items) -> None:
    for item in value.values if isinstance(value, Items) else (value,):
        if not isinstance(item, Scalar) or item.value is None:
            raise item.mark.error(
                "not a parameter value",
                "allowed: text, number, true, false, or a list of one kind",
            )
        if isinstance(item.value, str):
            read_text(item.mark, item.value)


def read_text(mark: Mark, text: str) -> Text:
    """Parse the substitutions of a text.

    Raises:
        LaunchFileError: pointing at the bad character.
    """
    try:
        template = parse_template(text)
        check_calls(template)
    except SubstitutionError as error:
        raise substitution_mark(mark, error.offset).error(error.problem, error.remedy) from error
    return Text(mark, template, text)


def substitution_mark(mark: Mark, offset: int) -> Mark:
    """The place of a character of a text that begins at `mark`."""
    if mark.text[mark.column - 1 : mark.column] in ("'", '"'):
        offset += 1
    column = min(mark.column + offset, len(mark.text) + 1)
    return Mark(mark.path, mark.line, column, mark.text)


def _choices(got: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(got, list(allowed), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}allowed: {', '.join(allowed)}"
