"""System libraries, Python libraries against the lock file, rendering, the policy file."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from sensorium_cli.doctor.finding import FAIL, OK, WARN, Finding, apt_line
from sensorium_cli.packages import BRINGUP, package_share

_SYSTEM_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libOpenGL.so.0": "libopengl0",
    "libgomp.so.1": "libgomp1",
}
_MEND = "scripts/setup run"
_PROBE_S = 60.0


def check_system_libraries() -> Finding:
    """What pip cannot bring."""
    missing = [name for name in _SYSTEM_LIBRARIES if not _can_load(name)]
    if missing:
        packages = [_SYSTEM_LIBRARIES[name] for name in missing]
        return Finding(
            "system libraries", FAIL, f"missing: {', '.join(missing)}",
            apt_line(*packages, "libgl1-mesa-dri"),
        )  # fmt: skip
    return Finding("system libraries", OK, ", ".join(_SYSTEM_LIBRARIES))


def check_libraries(lock: Path | None = None) -> Finding:
    """Every pinned library is there, in its pinned version."""
    lock = lock or package_share(BRINGUP) / "requirements" / "run.txt"
    if not lock.is_file():
        return Finding("libraries", WARN, f"no lock file {lock} to compare with", _MEND)
    pins = [_pin(line) for line in lock.read_text(encoding="utf-8").splitlines()]
    wanted = [pin for pin in pins if pin is not None]
    missing = [name for name, _ in wanted if _installed(name) is None]
    if missing:
        return Finding("libraries", FAIL, f"missing: {', '.join(missing)}", _MEND)
    other = [
        f"{name} {_installed(name)} (locked: {version})"
        for name, version in wanted
        if (_installed(name) or "").partition("+")[0] != version
    ]
    if other:
        return Finding("libraries", WARN, f"other versions: {', '.join(other)}", _MEND)
    return Finding("libraries", OK, f"{len(wanted)} as locked")


def check_rendering() -> Finding:
    """One MuJoCo frame without a screen, in a process of its own."""
    environment = {"MUJOCO_GL": "egl", "LP_NUM_THREADS": "0"} | dict(os.environ)
    backend = environment["MUJOCO_GL"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sensorium_sim.render_probe"],
            env=environment, capture_output=True, text=True, timeout=_PROBE_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Finding("rendering", FAIL, f"no frame within {_PROBE_S:.0f} s", _rendering_remedy())
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        why = lines[-1] if lines else f"exit code {done.returncode}"
        return Finding("rendering", FAIL, f"MUJOCO_GL={backend}: {why}", _rendering_remedy())
    return Finding("rendering", OK, f"MUJOCO_GL={backend}: {done.stdout.strip()}")


def check_policy(path: Path | None = None) -> Finding:
    """The trained policy is in its place."""
    path = path or package_share(BRINGUP) / "models" / "tabletop" / "policy.onnx"
    if not path.is_file():
        return Finding("policy", WARN, f"no {path}", "make train")
    return Finding("policy", OK, f"{path.name}, {path.stat().st_size / 1e6:.1f} MB")


def _rendering_remedy() -> str:
    return (
        f"{apt_line('libegl1', 'libopengl0', 'libgl1-mesa-dri')}   "
        f"(or: {apt_line('libosmesa6')} and export MUJOCO_GL=osmesa)"
    )


def _can_load(name: str) -> bool:
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _pin(line: str) -> tuple[str, str] | None:
    """Name and version of a line of the lock file that counts on this Python."""
    if not line.strip() or line.startswith("#"):
        return None
    requirement = Requirement(line)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return None
    return requirement.name, next(iter(requirement.specifier)).version


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
