"""What each `$(name ...)` means. One table; a function gets its arguments not yet evaluated."""

from __future__ import annotations

import difflib
import math
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from sensorium_core.errors import SubstitutionError

from sensorium_cli.launch.expression import evaluate
from sensorium_cli.launch.scope import Scope
from sensorium_cli.launch.substitution import MAX_CHARACTERS, Call, Template
from sensorium_cli.packages import package_prefix, package_share

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


def perform(template: Template, scope: Scope) -> str:
    """Make a text of a template.

    Raises:
        SubstitutionError: if a call has no value here, or the text grows too long.
    """
    made = "".join(
        part if isinstance(part, str) else _perform_call(part, scope) for part in template
    )
    if len(made) > MAX_CHARACTERS:
        raise SubstitutionError(
            f"gives {len(made)} characters", f"make it at most {MAX_CHARACTERS}"
        )
    return made


def check_calls(template: Template) -> None:
    """Check names and argument counts, at any depth.

    Raises:
        SubstitutionError: with the offset of the bad call.
    """
    for call in (part for part in template if isinstance(part, Call)):
        function = FUNCTIONS.get(call.name)
        if function is None:
            near = difflib.get_close_matches(call.name, FUNCTIONS, n=1)
            hint = f"did you mean `$({near[0]} ...)`? " if near else ""
            raise SubstitutionError(
                f"unknown substitution `$({call.name} ...)`",
                f"{hint}allowed: {', '.join(FUNCTIONS)}",
                call.offset,
            )
        if not function.fewest <= len(call.arguments) <= function.most:
            raise SubstitutionError(
                f"`$({call.name} ...)` got {len(call.arguments)} arguments",
                f"write it as `{function.usage}`; an argument with spaces stands in quotes",
                call.offset,
            )
        for argument in call.arguments:
            check_calls(argument)


def _perform_call(call: Call, scope: Scope) -> str:
    try:
        return FUNCTIONS[call.name].body(call.arguments, scope)
    except SubstitutionError as error:
        raise SubstitutionError(error.problem, error.remedy, call.offset) from error


def truth(text: str, where: str) -> bool:
    """Read a truth value as ROS 2 does."""
    word = text.strip().lower()
    if word not in _TRUE + _FALSE:
        raise SubstitutionError(f"{where} got {text!r}", "expected true or false")
    return word in _TRUE


def _var(arguments: tuple[Template, ...], scope: Scope) -> str:
    name = perform(arguments[0], scope)
    if name in scope.variables:
        return scope.variables[name]
    if len(arguments) == 2:
        return perform(arguments[1], scope)
    raise SubstitutionError(
        f"no argument or `let` named {name!r}",
        f"known here: {', '.join(scope.variables) or 'none'}",
    )


def _env(arguments: tuple[Template, ...], scope: Scope) -> str:
    name = perform(arguments[0], scope)
    if name in scope.environment:
        return scope.environment[name]
    if len(arguments) == 2:
        return perform(arguments[1], scope)
    raise SubstitutionError(
        f"environment variable {name!r} is not set", f"set it, or write `$(env {name} default)`"
    )


def _find_exec(arguments: tuple[Template, ...], scope: Scope) -> str:
    name = perform(arguments[0], scope)
    path = shutil.which(name, path=scope.environment.get("PATH"))
    if path is None:
        raise SubstitutionError(f"no executable {name!r} on the PATH", "install it")
    return path


def _exec_in_pkg(arguments: tuple[Template, ...], scope: Scope) -> str:
    executable, package = (perform(argument, scope) for argument in arguments)
    return str(package_prefix(package, scope.environment) / "lib" / package / executable)


def _equals(arguments: tuple[Template, ...], scope: Scope) -> bool:
    left, right = (perform(argument, scope) for argument in arguments)
    words = ("true", "false", "1", "0")
    if left.lower() in words and right.lower() in words:
        return (left.lower() in _TRUE) == (right.lower() in _TRUE)
    try:
        return math.isclose(float(left), float(right))
    except ValueError:
        return left == right


def _truths(name: str, arguments: tuple[Template, ...], scope: Scope) -> list[bool]:
    return [truth(perform(argument, scope), f"`$({name} ...)`") for argument in arguments]


def _if(arguments: tuple[Template, ...], scope: Scope) -> str:
    chosen = 1 if truth(perform(arguments[0], scope), "`$(if ...)`") else 2
    return perform(arguments[chosen], scope) if chosen < len(arguments) else ""


def _text(value: bool) -> str:
    return str(value).lower()


@dataclass(frozen=True)
class Function:
    """One substitution."""

    fewest: int
    most: int
    usage: str
    body: Callable[[tuple[Template, ...], Scope], str]


FUNCTIONS: dict[str, Function] = {
    "and": Function(2, 2, "$(and a b)", lambda a, s: _text(all(_truths("and", a, s)))),
    "anon": Function(
        1, 1, "$(anon name)", lambda a, s: f"{perform(a[0], s)}_{secrets.token_hex(4)}"
    ),
    "dirname": Function(0, 0, "$(dirname)", lambda a, s: str(s.file.parent)),
    "env": Function(1, 2, "$(env NAME default)", _env),
    "equals": Function(2, 2, "$(equals a b)", lambda a, s: _text(_equals(a, s))),
    "eval": Function(1, 1, "$(eval 'expression')", lambda a, s: evaluate(perform(a[0], s))),
    "exec-in-pkg": Function(2, 2, "$(exec-in-pkg exec pkg)", _exec_in_pkg),
    "filename": Function(0, 0, "$(filename)", lambda a, s: str(s.file)),
    "find-exec": Function(1, 1, "$(find-exec name)", _find_exec),
    "find-pkg-prefix": Function(
        1, 1, "$(find-pkg-prefix pkg)",
        lambda a, s: str(package_prefix(perform(a[0], s), s.environment)),
    ),
    "find-pkg-share": Function(
        1, 1, "$(find-pkg-share pkg)",
        lambda a, s: str(package_share(perform(a[0], s), s.environment)),
    ),
    "if": Function(2, 3, "$(if condition then else)", _if),
    "not": Function(1, 1, "$(not a)", lambda a, s: _text(not _truths("not", a, s)[0])),
    "not-equals": Function(2, 2, "$(not-equals a b)", lambda a, s: _text(not _equals(a, s))),
    "or": Function(2, 2, "$(or a b)", lambda a, s: _text(any(_truths("or", a, s)))),
    "var": Function(1, 2, "$(var name default)", _var),
}  # fmt: skip
