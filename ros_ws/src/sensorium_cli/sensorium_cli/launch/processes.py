"""From a `node` or `executable` entity to a process of the plan."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sensorium_core.errors import (
    ExecutableNotFoundError,
    PackageNotFoundError,
    SubstitutionError,
)

from sensorium_cli.launch.functions import truth
from sensorium_cli.launch.grammar import Entity
from sensorium_cli.launch.parameters import read_parameters
from sensorium_cli.launch.plan import ParameterSet, Plan, Process
from sensorium_cli.launch.scope import Scope, join_namespace
from sensorium_cli.launch.texts import Texts
from sensorium_cli.packages import find_executable

_NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAMESPACE = re.compile(r"/|(/[A-Za-z_][A-Za-z0-9_]*)+")
_OUTPUTS = ("screen", "log", "both", "own_log", "full")


def add_executable(plan: Plan, entity: Entity, scope: Scope) -> None:
    """Add an `executable` to the plan."""
    texts = Texts(scope)
    command = texts.words(entity, "cmd")
    if not command:
        raise entity.texts["cmd"].mark.error("`cmd` is empty", "write the command to run")
    label = texts.optional(entity, "name") or Path(command[0]).name
    prefix = texts.words(entity, "launch-prefix")
    plan.processes.append(
        Process(
            label=plan.unique_label(label),
            command=(*prefix, *command),
            **_common(entity, scope, texts),
        )
    )


def add_node(plan: Plan, entity: Entity, scope: Scope) -> None:
    """Add a `node` to the plan.

    Raises:
        LaunchFileError: if its executable does not exist or its name is not legal.
    """
    texts = Texts(scope)
    name = _node_name(entity, texts)
    namespace = _node_namespace(entity, scope, texts)
    executable = texts.required(entity, "exec")
    label = texts.optional(entity, "exec_name") or name or executable
    full_name = f"{namespace.rstrip('/')}/{name}" if namespace and name else "/**"
    shared = (ParameterSet("/**", scope.parameters),) if scope.parameters else ()
    own = read_parameters(entity.items.get("param", ()), full_name, texts)
    plan.processes.append(
        Process(
            label=plan.unique_label(label),
            command=tuple(_node_command(entity, scope, texts, name, namespace)),
            parameters=(*shared, *own),
            tail=tuple(_remaps(entity, scope, texts)),
            **_common(entity, scope, texts),
        )
    )


def _node_name(entity: Entity, texts: Texts) -> str | None:
    name = texts.optional(entity, "name")
    if name is not None and not _NODE_NAME.fullmatch(name):
        raise entity.texts["name"].mark.error(
            f"node name {name!r}", "allowed: letters, digits and _, not beginning with a digit"
        )
    return name


def _node_namespace(entity: Entity, scope: Scope, texts: Texts) -> str | None:
    namespace = join_namespace(scope.namespace, texts.optional(entity, "namespace"))
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        mark = entity.texts["namespace"].mark if "namespace" in entity.texts else entity.mark
        raise mark.error(
            f"namespace {namespace!r}", "allowed: names of letters, digits and _, parted by /"
        )
    return namespace


def _node_command(
    entity: Entity, scope: Scope, texts: Texts, name: str | None, namespace: str | None
) -> list[str]:
    package, executable = texts.required(entity, "pkg"), texts.required(entity, "exec")
    try:
        command = find_executable(package, executable, scope.environment)
    except (ExecutableNotFoundError, PackageNotFoundError) as error:
        key = "exec" if isinstance(error, ExecutableNotFoundError) else "pkg"
        problem, _, remedy = str(error).partition("; ")
        raise entity.texts[key].mark.error(problem, remedy) from error
    line = [*texts.words(entity, "launch-prefix"), *command, *texts.words(entity, "args")]
    own = texts.words(entity, "ros_args")
    line += ["--ros-args", *own] if own else []
    line += ["--ros-args"]
    line += ["-r", f"__node:={name}"] if name else []
    line += ["-r", f"__ns:={namespace}"] if namespace else []
    return line


def _remaps(entity: Entity, scope: Scope, texts: Texts) -> list[str]:
    pairs = [*scope.remaps, *texts.pairs(entity, "remap", "from", "to")]
    return [word for source, target in pairs for word in ("-r", f"{source}:={target}")]


def _common(entity: Entity, scope: Scope, texts: Texts) -> dict[str, Any]:
    """What nodes and executables share; absent keys keep the defaults of `Process`."""
    cwd = texts.optional(entity, "cwd")
    scalars = {
        "respawn_delay_s": entity.scalars.get("respawn_delay"),
        "respawn_max": entity.scalars.get("respawn_max_retries"),
        "sigterm_after_s": entity.scalars.get("sigterm_timeout"),
        "sigkill_after_s": entity.scalars.get("sigkill_timeout"),
    }
    for key, value in scalars.items():
        if isinstance(value, float) and value < 0.0:
            raise entity.mark.error(f"{key} = {value}", "expected zero or more seconds")
    return {
        "environment": scope.environment | dict(texts.pairs(entity, "env", "name", "value")),
        "cwd": Path(cwd) if cwd else None,
        "output": _output(entity, texts),
        "respawn": _respawn(entity, texts),
        "ends_launch": _ends_launch(entity),
        **{key: value for key, value in scalars.items() if value is not None},
    }


def _output(entity: Entity, texts: Texts) -> str:
    output = texts.optional(entity, "output") or "log"
    if output not in _OUTPUTS:
        raise entity.texts["output"].mark.error(
            f"`output` got {output!r}", f"allowed: {', '.join(_OUTPUTS)}"
        )
    return output


def _respawn(entity: Entity, texts: Texts) -> bool:
    respawn = texts.optional(entity, "respawn")
    if respawn is None:
        return False
    try:
        return truth(respawn, "`respawn`")
    except SubstitutionError as error:
        raise entity.texts["respawn"].mark.error(error.problem, error.remedy) from error


def _ends_launch(entity: Entity) -> bool:
    on_exit = entity.scalars.get("on_exit")
    if on_exit not in (None, "shutdown"):
        raise entity.mark.error(f"`on_exit` got {on_exit!r}", "allowed: shutdown")
    return on_exit == "shutdown"
