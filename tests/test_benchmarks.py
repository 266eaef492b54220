"""The benchmarks run outside CI; that all of their modules are there is tested here."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
_ELSEWHERE = {"atheris", "lerobot", "torch"}
"""Imported in environments that the benchmarks set up themselves."""


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("*.py")), ids=lambda path: path.name)
def test_everything_that_a_benchmark_imports_is_there(path: Path) -> None:
    wanted = imported(path) - _ELSEWHERE
    here = {module.stem for module in BENCHMARKS.glob("*.py")}
    assert {name for name in wanted - here if importlib.util.find_spec(name) is None} == set()
