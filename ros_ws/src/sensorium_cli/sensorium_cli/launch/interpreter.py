"""Walks a launch file and works out its plan. Starts nothing; same input, same plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sensorium_core.errors import LaunchArgumentError

from sensorium_cli.launch.grammar import Entity, read_launch_file
from sensorium_cli.launch.parameters import parse_yaml_value
from sensorium_cli.launch.plan import Argument, Plan
from sensorium_cli.launch.processes import add_executable, add_node
from sensorium_cli.launch.scope import Scope, join_namespace
from sensorium_cli.launch.texts import Texts

_DEEPEST_INCLUDE = 20
_MOST_INCLUDES = 100


def interpret(path: Path, arguments: Mapping[str, str], environment: Mapping[str, str]) -> Plan:
    """Work out what a launch file asks for.

    Args:
        path: the launch file.
        arguments: launch arguments by name, as on the command line.
        environment: environment variables to start from.

    Raises:
        LaunchFileError: pointing at the first thing that cannot be done.
        LaunchArgumentError: if an argument is unknown, missing or not among its choices.
    """
    path = path.resolve()
    entities = read_launch_file(path)
    _check_arguments(path, entities, arguments)
    interpreter = _Interpreter(Plan(path))
    interpreter.run(entities, Scope(path, dict(arguments), dict(environment)))
    return interpreter.plan


def declared_arguments(path: Path) -> list[Argument]:
    """The arguments that a launch file itself takes, in file order, also those in groups."""
    return _declared(read_launch_file(path.resolve()))


def _declared(entities: tuple[Entity, ...]) -> list[Argument]:
    found: list[Argument] = []
    for entity in entities:
        found += _declared(entity.children)
        if entity.name == "arg":
            default = entity.texts.get("default")
            choices = (str(choice.scalars["value"]) for choice in entity.items.get("choice", ()))
            found.append(
                Argument(
                    str(entity.scalars["name"]),
                    str(entity.scalars.get("description", "")),
                    default.raw if default else None,
                    tuple(choices),
                )
            )
    return found


def _check_arguments(
    path: Path, entities: tuple[Entity, ...], arguments: Mapping[str, str]
) -> None:
    declared = _declared(entities)
    names = [argument.name for argument in declared]
    for name in arguments:
        if name not in names:
            raise LaunchArgumentError(path, f"unknown argument {name!r}", names)


class _Interpreter:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._depth = self._included = 0
        self._actions: dict[str, Callable[[Entity, Scope], None]] = {
            "append_env": self._append_env,
            "arg": self._arg,
            "executable": lambda entity, scope: add_executable(self.plan, entity, scope),
            "group": self._group,
            "include": self._include,
            "let": self._let,
            "log": self._log,
            "node": lambda entity, scope: add_node(self.plan, entity, scope),
            "push-ros-namespace": self._push_namespace,
            "push_ros_namespace": self._push_namespace,
            "set_env": self._set_env,
            "set_parameter": self._set_parameter,
            "set_remap": self._set_remap,
            "unset_env": self._unset_env,
        }

    def run(self, entities: tuple[Entity, ...], scope: Scope) -> None:
        for entity in entities:
            if _applies(entity, scope):
                self._actions[entity.name](entity, scope)

    def _arg(self, entity: Entity, scope: Scope) -> None:
        name = str(entity.scalars["name"])
        if name not in scope.variables:
            default = Texts(scope).optional(entity, "default")
            if default is None:
                about = entity.scalars.get("description", "no description")
                raise entity.mark.error(
                    f"argument {name!r} ({about}) was not given", f"add `{name}:=value`"
                )
            scope.variables[name] = default
        choices = [str(choice.scalars["value"]) for choice in entity.items.get("choice", ())]
        if choices and scope.variables[name] not in choices:
            raise entity.mark.error(
                f"argument {name!r} got {scope.variables[name]!r}",
                f"allowed: {', '.join(choices)}",
            )

    def _let(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        scope.variables[texts.required(entity, "name")] = texts.required(entity, "value")

    def _log(self, entity: Entity, scope: Scope) -> None:
        self.plan.messages.append(Texts(scope).required(entity, "message"))

    def _group(self, entity: Entity, scope: Scope) -> None:
        inner = scope if entity.scalars.get("scoped") is False else scope.copy()
        self.run(entity.children, inner)

    def _include(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        path = Path(texts.required(entity, "file")).resolve()
        mark = entity.texts["file"].mark
        if not path.is_file():
            raise mark.error(f"no launch file {path}", "check the path")
        if path.suffix not in (".yaml", ".yml"):
            raise mark.error(
                f"cannot include {path.name}", "this interpreter reads YAML launch files only"
            )
        if self._depth == _DEEPEST_INCLUDE:
            raise mark.error("files that include each other", "break the circle")
        scope.variables.update(texts.pairs(entity, "arg", "name", "value"))
        outer, scope.file = scope.file, path
        self._included += 1
        if self._included > _MOST_INCLUDES:
            raise mark.error(f"more than {_MOST_INCLUDES} files included", "include fewer")
        self._depth += 1
        self.run(read_launch_file(path), scope)
        self._depth -= 1
        scope.file = outer

    def _push_namespace(self, entity: Entity, scope: Scope) -> None:
        pushed = Texts(scope).required(entity, "namespace")
        scope.namespace = join_namespace(scope.namespace, pushed)

    def _set_parameter(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        value = parse_yaml_value(texts.required(entity, "value"), entity.texts["value"].mark)
        scope.parameters[texts.required(entity, "name")] = value

    def _set_remap(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        pair = (texts.required(entity, "from"), texts.required(entity, "to"))
        scope.remaps = (*scope.remaps, pair)

    def _set_env(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        scope.environment[texts.required(entity, "name")] = texts.required(entity, "value")

    def _unset_env(self, entity: Entity, scope: Scope) -> None:
        scope.environment.pop(Texts(scope).required(entity, "name"), None)

    def _append_env(self, entity: Entity, scope: Scope) -> None:
        texts = Texts(scope)
        name, value = texts.required(entity, "name"), texts.required(entity, "value")
        parts = [scope.environment[name], value] if name in scope.environment else [value]
        if entity.scalars.get("prepend"):
            parts.reverse()
        separator = texts.optional(entity, "separator")
        scope.environment[name] = (os.pathsep if separator is None else separator).join(parts)


def _applies(entity: Entity, scope: Scope) -> bool:
    for key, wanted in (("if", True), ("unless", False)):
        condition = Texts(scope).optional(entity, key)
        if condition is not None:
            word = condition.strip().lower()
            if word not in ("true", "1", "false", "0"):
                raise entity.texts[key].mark.error(
                    f"`{key}` came to {condition!r}", "expected true, 1, false or 0"
                )
            return (word in ("true", "1")) is wanted
    return True
