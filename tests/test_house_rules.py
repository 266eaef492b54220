"""The size and form of the code, as the house style says. Sizes are counted without blank ends."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODE = sorted((ROOT / "ros_ws" / "src").glob("*/sensorium_*/**/*.py"))
TESTS = sorted([*(ROOT / "tests").glob("*.py"), *(ROOT / "ros_ws/src").glob("*/test/*.py")])
MODULE_LINES, TEST_LINES, FUNCTION_LINES = 300, 400, 40


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, without its docstring."""
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize(
    ("paths", "limit"), [(CODE, MODULE_LINES), (TESTS, TEST_LINES)], ids=["code", "tests"]
)
def test_modules_are_short(paths, limit):
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {str(path.relative_to(ROOT)): n for path, n in sizes.items() if n > limit} == {}


def test_functions_are_short():
    long = {
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}": code_lines(function)
        for path in CODE
        for function in functions(path)
        if code_lines(function) > FUNCTION_LINES
    }
    assert long == {}


def test_every_module_says_what_it_owns():
    silent = [path for path in CODE if path.read_text(encoding="utf-8").strip()]
    silent = [p for p in silent if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_the_code_runs_on_python_3_10():
    """Its syntax, and none of the names that people import from a later standard library."""
    later = {
        "StrEnum", "IntFlagBoundary", "ExceptionGroup", "BaseExceptionGroup", "tomllib", "UTC",
        "Self", "LiteralString", "Never", "Required", "NotRequired", "Unpack", "TypeVarTuple",
        "assert_never", "assert_type", "reveal_type", "dataclass_transform", "override", "batched",
        "TaskGroup", "chdir", "file_digest", "itertools.batched",
    }  # fmt: skip
    for path in CODE:
        tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))
        kinds = (ast.Import, ast.ImportFrom)
        imports = [alias for n in ast.walk(tree) if isinstance(n, kinds) for alias in n.names]
        assert {alias.name for alias in imports} & later == set(), path


def test_no_module_has_a_name_that_says_nothing():
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
    assert [str(path) for path in CODE if path.stem in vague] == []


def test_nothing_is_left_to_do_later():
    mark = re.compile(r"#\s*(TODO|FIXME|XXX)\b")
    found = [path for path in [*CODE, *TESTS] if mark.search(path.read_text(encoding="utf-8"))]
    assert [str(path.relative_to(ROOT)) for path in found] == []
