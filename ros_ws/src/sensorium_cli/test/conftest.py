"""What the tests share: launch files in a folder, a ROS package that only exists here."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from sensorium_cli.launch.interpreter import interpret
from sensorium_cli.launch.plan import Plan

Write = Callable[..., Path]
Read = Callable[..., Plan]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a launch file: `write(text, name)`."""

    def _write(text: str, name: str = "a.launch.yaml") -> Path:
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return _write


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """An install prefix as colcon makes it, with a package `probe` and its executable `dump`."""
    folder = tmp_path / "prefix"
    (folder / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (folder / "share/ament_index/resource_index/packages/probe").touch()
    (folder / "share/probe").mkdir()
    dump = folder / "lib/probe/dump"
    dump.parent.mkdir(parents=True)
    dump.write_text("#!/bin/sh\n")
    dump.chmod(0o755)
    return folder


@pytest.fixture
def read(write: Write, prefix: Path) -> Read:
    """Interprets a launch file: `read(text, name=value)`."""

    def _read(text: str, **arguments: str) -> Plan:
        environment = {"AMENT_PREFIX_PATH": str(prefix), "HOME": "/home/me", "PATH": "/bin"}
        return interpret(write(text), arguments, environment)

    return _read
