"""Layering: what a package may import, file by file, and what it must do without."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCES = Path(__file__).resolve().parents[1] / "ros_ws" / "src"
PACKAGES = sorted(path.parent.name for path in SOURCES.glob("*/setup.py"))

ROS = {
    "builtin_interfaces", "diagnostic_msgs", "geometry_msgs", "lifecycle_msgs",
    "rcl_interfaces", "rclpy", "rosgraph_msgs", "sensor_msgs", "std_msgs", "std_srvs",
    "trajectory_msgs", "visualization_msgs",
}  # fmt: skip

# Which of our packages a package may import; `description` depends on nothing.
BELOW = {
    "sensorium_description": set(),
    "sensorium_core": {"sensorium_description"},
    "sensorium_drivers": {"sensorium_description", "sensorium_core"},
    "sensorium_fusion": {"sensorium_description", "sensorium_core", "sensorium_drivers"},
    "sensorium_control": {"sensorium_description", "sensorium_core"},
    "sensorium_recording": {"sensorium_description", "sensorium_core"},
    "sensorium_sim": {"sensorium_description", "sensorium_core", "sensorium_recording"},
    "sensorium_training": {name for name in PACKAGES if name != "sensorium_cli"},
    "sensorium_cli": set(PACKAGES),
}

# Packages that a robot computer or a training machine uses, and what it does not install.
WITHOUT = [
    ("sensorium_description", ("torch", "mujoco", "rclpy")),
    ("sensorium_core", ("torch", "mujoco", "rclpy")),
    ("sensorium_drivers", ("torch", "mujoco", "rclpy")),
    ("sensorium_fusion", ("torch", "mujoco", "rclpy")),
    ("sensorium_control", ("torch", "mujoco", "rclpy")),
    ("sensorium_recording", ("torch", "mujoco", "rclpy")),
    ("sensorium_sim", ("torch", "rclpy")),
    ("sensorium_cli", ("torch", "mujoco", "rclpy")),
    ("sensorium_training", ("rclpy",)),
]

# Imports every module of a package while some libraries cannot be found.
IMPORT_ALL = """
import importlib, pkgutil, sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)

package, BLOCKED, with_nodes = sys.argv[1], set(sys.argv[2].split(",")), sys.argv[3] == "nodes"
sys.meta_path.insert(0, Blocker())
root = importlib.import_module(package)
names = [item.name for item in pkgutil.walk_packages(root.__path__, package + ".")]
for name in names:
    if (with_nodes or ".nodes" not in name) and not name.endswith("__main__"):
        importlib.import_module(name)
"""


def modules(package: str) -> list[Path]:
    return sorted((SOURCES / package / package).rglob("*.py"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Top-level names of all absolute imports of a file, also those within functions."""
    return frozenset(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0]


def offenders(forbidden: set[str], exempt: str | None = None, outside: str = "") -> list[str]:
    """Files that import something forbidden, except in one package or one kind of folder."""
    return [
        f"{path.relative_to(SOURCES)}: {', '.join(sorted(bad))}"
        for package in PACKAGES
        if package != exempt
        for path in modules(package)
        if outside not in path.parts or not outside
        if (bad := imported(path) & forbidden)
    ]


def test_ros_is_imported_only_under_nodes():
    assert offenders(ROS, outside="nodes") == []


def test_torch_is_imported_only_by_training():
    assert offenders({"torch"}, exempt="sensorium_training") == []


def test_mujoco_is_imported_only_by_sim():
    assert offenders({"mujoco"}, exempt="sensorium_sim") == []


def test_pickle_is_imported_nowhere():
    assert offenders({"pickle", "marshal", "shelve", "dill"}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_dependencies_go_one_way(package):
    ours = set(PACKAGES) - {package} - BELOW[package]
    bad = [
        f"{path.name}: {names}" for path in modules(package) if (names := imported(path) & ours)
    ]
    assert bad == []


@pytest.mark.parametrize(("package", "blocked"), WITHOUT)
def test_every_module_imports_without_what_its_machine_lacks(package, blocked):
    nodes = "no-nodes" if "rclpy" in blocked else "nodes"
    _import_all(package, blocked, nodes)


@pytest.mark.parametrize(
    "package", ["sensorium_core", "sensorium_fusion", "sensorium_control", "sensorium_drivers"]
)
def test_nodes_of_a_robot_import_without_torch_and_mujoco(package):
    _import_all(package, ("torch", "mujoco"), "nodes")


def _import_all(package: str, blocked: tuple[str, ...], nodes: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, package, ",".join(blocked), nodes],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
