"""Node parameters: from `param` items to typed values, by the rules of launch_ros.

Text without a substitution stays text; text with one is read as YAML, so that
`value: $(var rate)` becomes a number.
"""

from __future__ import annotations

from pathlib import Path

from sensorium_core.bounded import parse_yaml

from sensorium_cli.launch.document import Items, Mark, Plain, Scalar
from sensorium_cli.launch.grammar import Entity, Text, read_text
from sensorium_cli.launch.plan import ParameterSet
from sensorium_cli.launch.scope import ParameterValue
from sensorium_cli.launch.texts import Texts

_TYPES: dict[str, type] = {"str": str, "bool": bool, "float": float, "int": int}
_TYPE_NAMES = ("yaml", *_TYPES, *(f"list_of_{name}" for name in _TYPES))


def read_parameters(
    items: tuple[Entity, ...], node: str, texts: Texts
) -> tuple[ParameterSet | Path, ...]:
    """The `param` items of one node, in order.

    Raises:
        LaunchFileError: pointing at what has no legal value.
    """
    return tuple(
        _read_file(item, texts)
        if "from" in item.texts
        else ParameterSet(node, dict([*_read_named(item, texts)]))
        for item in items
    )


def parse_yaml_value(text: str, mark: Mark) -> ParameterValue:
    """Type a text by the rules of YAML.

    Raises:
        LaunchFileError: if it is not a scalar or a list of one kind.
    """
    try:
        value = parse_yaml(text) if text else text
    except ValueError as error:
        raise mark.error(
            f"{text[:80]!r} is not a parameter value", "put it in double quotes within the quotes"
        ) from error
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return _uniform(value, mark)
    raise mark.error(
        f"{text[:80]!r} gives {type(value).__name__}",
        "allowed: text, number, true, false, or a list",
    )


def _read_file(item: Entity, texts: Texts) -> Path:
    extra = [key for key in ("name", "value", "type", "param") if _has(item, key)]
    if extra:
        raise item.mark.error(f"`param` has both `from` and {extra[0]!r}", "keep one of the two")
    if item.scalars.get("allow_substs"):
        raise item.mark.error(
            "`allow_substs: true` is ROS 2 grammar that this interpreter does not have",
            "give the values that vary as `name` and `value`",
        )
    path = Path(texts.required(item, "from"))
    if not path.is_file():
        raise item.texts["from"].mark.error(f"no parameter file {path}", "check the path")
    return path


def _has(item: Entity, key: str) -> bool:
    return key in item.texts or key in item.values or key in item.items or key in item.scalars


def _read_named(item: Entity, texts: Texts, prefix: str = "") -> list[tuple[str, ParameterValue]]:
    if "name" not in item.texts:
        raise item.mark.error("`param` has neither `name` nor `from`", "add `name:` or `from:`")
    name = prefix + texts.required(item, "name")
    if ("value" in item.values) == ("param" in item.items):
        raise item.mark.error(
            f"parameter {name!r} needs one of `value` and `param`", "keep or add one of the two"
        )
    if "param" in item.items:
        nested = (_read_named(child, texts, f"{name}.") for child in item.items["param"])
        return [pair for pairs in nested for pair in pairs]
    kind = item.scalars.get("type", "yaml")
    if kind not in _TYPE_NAMES:
        raise item.mark.error(f"unknown type {kind!r}", f"allowed: {', '.join(_TYPE_NAMES)}")
    value = _evaluate(item.values["value"], texts, str(kind))
    _check_kind(value, str(kind), item.values["value"].mark)
    return [(name, value)]


def _evaluate(value: Scalar | Items, texts: Texts, kind: str) -> ParameterValue:
    if isinstance(value, Items):
        item_kind = kind.removeprefix("list_of_")
        values = [_evaluate_scalar(item, texts, item_kind) for item in value.values]
        return _uniform(values, value.mark)
    return _evaluate_scalar(value, texts, kind)


def _evaluate_scalar(item: object, texts: Texts, kind: str) -> ParameterValue:
    if not isinstance(item, Scalar) or item.value is None:
        raise TypeError("the grammar lets only scalars through")
    if not isinstance(item.value, str):
        return item.value
    text = read_text(item.mark, item.value)
    made = texts.make(text)
    if _is_plain(text) or kind == "str":
        return made
    value = parse_yaml_value(made, item.mark)
    return float(value) if kind == "float" and type(value) is int else value


def _is_plain(text: Text) -> bool:
    return all(isinstance(part, str) for part in text.template)


def _uniform(values: list[Plain] | list[ParameterValue], mark: Mark) -> ParameterValue:
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {bool, int, float, str}:
        got = ", ".join(sorted(kind.__name__ for kind in kinds)) or "nothing"
        raise mark.error(f"a list of {got}", "allowed: a list of one kind, not empty")
    return list(values)  # type: ignore[return-value]


def _check_kind(value: ParameterValue, kind: str, mark: Mark) -> None:
    if kind == "yaml":
        return
    wanted = _TYPES[kind.removeprefix("list_of_")]
    is_list = kind.startswith("list_of_")
    items = value if isinstance(value, list) else [value]
    if isinstance(value, list) != is_list or any(type(item) is not wanted for item in items):
        raise mark.error(
            f"{value!r} is not of type {kind}", "write the value in the form of its type"
        )
