"""A safe evaluator for `$(eval '...')`: arithmetic, comparison, choice, a few functions.

Works on the syntax tree; nothing is ever handed to Python's own `eval`.
"""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from sensorium_core.errors import SubstitutionError

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: lambda left, right: _multiply(left, right),
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda item, group: item in group,
    ast.NotIn: lambda item, group: item not in group,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "bool": bool, "float": float, "int": int, "len": len, "max": max, "min": min,
    "round": round, "str": str,
    "ceil": math.ceil, "cos": math.cos, "degrees": math.degrees, "floor": math.floor,
    "hypot": math.hypot, "radians": math.radians, "sin": math.sin, "sqrt": math.sqrt,
}  # fmt: skip
_MAX_CHARACTERS = 1000
_CONSTANTS = {"pi": math.pi, "tau": math.tau, "e": math.e, "inf": math.inf}
_ALLOWED = (
    "allowed: numbers, quoted text, lists, + - * / // %, comparisons, in, and, or, not, "
    f"x if c else y, {', '.join(_CONSTANTS)}, {', '.join(_FUNCTIONS)}"
)


def evaluate(expression: str) -> str:
    """Evaluate an expression and return what Python's `str()` makes of it.

    Raises:
        SubstitutionError: if the expression is not one of the allowed kind.
    """
    if len(expression) > _MAX_CHARACTERS:
        words = f"eval of {len(expression)} characters; at most {_MAX_CHARACTERS} are read"
        raise SubstitutionError(words, _ALLOWED)
    try:
        return str(_value(ast.parse(expression.strip(), mode="eval").body))
    except (
        SyntaxError, ArithmeticError, TypeError, ValueError, RecursionError, MemoryError,
    ) as error:  # fmt: skip
        raise SubstitutionError(f"eval of {expression!r}: {error}", _ALLOWED) from error


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return node.value
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.List() | ast.Tuple():
            return [_value(item) for item in node.elts]
        case ast.UnaryOp(op=op) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(node.operand))
        case ast.BinOp(op=op) if type(op) in _BINARY:
            return _BINARY[type(op)](_value(node.left), _value(node.right))
        case ast.BoolOp():
            return _bool_value(node)
        case ast.Compare():
            return _compare_value(node)
        case ast.IfExp():
            return _value(node.body if _value(node.test) else node.orelse)
        case ast.Call(keywords=[]):
            return _function(node.func)(*[_value(item) for item in node.args])
    raise SubstitutionError(f"eval does not take {ast.unparse(node)!r}", _ALLOWED)


def _bool_value(node: ast.BoolOp) -> Any:
    result: Any = None
    for operand in node.values:
        result = _value(operand)
        if bool(result) != isinstance(node.op, ast.And):
            break
    return result


def _compare_value(node: ast.Compare) -> bool:
    left = _value(node.left)
    for op, right_node in zip(node.ops, node.comparators, strict=True):
        if type(op) not in _COMPARE:
            raise SubstitutionError(f"eval does not take {ast.unparse(node)!r}", _ALLOWED)
        right = _value(right_node)
        if not _COMPARE[type(op)](left, right):
            return False
        left = right
    return True


def _function(node: ast.expr) -> Callable[..., Any]:
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "math":
        name = node.attr
    else:
        name = node.id if isinstance(node, ast.Name) else ""
    if name not in _FUNCTIONS:
        raise SubstitutionError(f"eval does not take {ast.unparse(node)!r}", _ALLOWED)
    return _FUNCTIONS[name]


def _multiply(left: float, right: float) -> float:
    """Numbers only: `'x' * 10**9` would eat the memory."""
    if not isinstance(left, int | float) or not isinstance(right, int | float):
        raise TypeError("* takes numbers")
    return left * right
