"""Configuration dataclasses as ROS parameters: same names, same defaults, same documentation."""

import ast
import inspect
import textwrap
from collections.abc import Collection
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any, TypeVar

from rcl_interfaces.msg import ParameterDescriptor
from rclpy.node import Node

Config = TypeVar("Config")


def declare_config(node: Node, config: Config, live: Collection[str] = ()) -> Config:
    """Declare one parameter for every field of a frozen dataclass; return it as set.

    They are read-only, except those named in `live`, whose changes the node takes itself.
    Numbers, flags, text and tuples of those become parameters; other fields stay as they are.
    Raises what the dataclass raises on illegal values.
    """
    documentation = field_documentation(type(config))
    changes: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]
        default = getattr(config, field.name)
        if not isinstance(default, bool | int | float | str | tuple):
            continue
        descriptor = ParameterDescriptor(
            description=documentation.get(field.name, ""), read_only=field.name not in live
        )
        given = node.declare_parameter(
            field.name, list(default) if isinstance(default, tuple) else default, descriptor
        ).value
        changes[field.name] = tuple(given) if isinstance(default, tuple) else given
    return replace(config, **changes)  # type: ignore[type-var]


def field_documentation(config: type) -> dict[str, str]:
    """The docstring under each field of a class."""
    body = ast.parse(textwrap.dedent(inspect.getsource(config))).body[0].body  # type: ignore[attr-defined]
    return {
        before.target.id: inspect.cleandoc(after.value.value)
        for before, after in pairwise(body)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
    }
