"""Where a ROS package's files and executables are: built by colcon, or installed by pip.

Stateless; reads AMENT_PREFIX_PATH from the environment it is given.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from sensorium_core.errors import ExecutableNotFoundError, PackageNotFoundError

BRINGUP = "sensorium"
_MARKERS = Path("share/ament_index/resource_index/packages")


def package_share(package: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder with a package's shared files (launch, config, urdf, ...).

    Raises:
        PackageNotFoundError: if it is not installed.
    """
    for prefix in _prefixes(environment):
        if (prefix / _MARKERS / package).exists():
            return prefix / "share" / package
    source = _source_folder(package)
    if source is None:
        raise PackageNotFoundError(package, _near_packages(package, environment))
    return source


def package_prefix(package: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The prefix under which a package is installed.

    Raises:
        PackageNotFoundError: if it is not installed.
    """
    for prefix in _prefixes(environment):
        if (prefix / _MARKERS / package).exists():
            return prefix
    if _source_folder(package) is None:
        raise PackageNotFoundError(package, _near_packages(package, environment))
    return Path(sys.prefix)


def find_executable(
    package: str, executable: str, environment: Mapping[str, str] = os.environ
) -> list[str]:
    """The command that runs a package's executable: a file of lib/<package>, or an entry point.

    Raises:
        PackageNotFoundError, ExecutableNotFoundError: if there is none.
    """
    folders = [prefix / "lib" / package for prefix in _prefixes(environment)]
    for path in (folder / executable for folder in folders):
        if path.is_file() and os.access(path, os.X_OK):
            return [str(path)]
    scripts = _console_scripts(package)
    if executable in scripts:
        return [sys.executable, "-m", "sensorium_cli.entry", scripts[executable]]
    package_prefix(package, environment)
    files = {path.name for folder in folders if folder.is_dir() for path in folder.iterdir()}
    raise ExecutableNotFoundError(package, executable, sorted({*scripts, *files}))


def _prefixes(environment: Mapping[str, str]) -> Iterator[Path]:
    for part in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if part:
            yield Path(part)
    yield Path(sys.prefix)


def _source_folder(package: str) -> Path | None:
    """The source folder of an editable install; the repository's root for the bringup package."""
    module = "sensorium_cli" if package == BRINGUP else package
    spec = importlib.util.find_spec(module) if module.isidentifier() else None
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).resolve().parents[1]
    if package == BRINGUP:
        folder = folder.parents[2]
    return folder if (folder / "package.xml").is_file() else None


def _console_scripts(package: str) -> dict[str, str]:
    try:
        points = metadata.distribution(package).entry_points
    except metadata.PackageNotFoundError:
        return {}
    return {point.name: point.value for point in points if point.group == "console_scripts"}


def _near_packages(package: str, environment: Mapping[str, str]) -> list[str]:
    """Names like the wanted one, or all of ours."""
    marked = {
        path.name
        for prefix in _prefixes(environment)
        if (prefix / _MARKERS).is_dir()
        for path in (prefix / _MARKERS).iterdir()
    }
    installed = {dist.name.replace("-", "_") for dist in metadata.distributions()}
    ours = {name for name in marked | installed if name.startswith(BRINGUP)} | {BRINGUP}
    return difflib.get_close_matches(package, marked | ours, n=3) or sorted(ours)
