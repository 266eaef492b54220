"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL = "OK", "WARN", "FAIL"


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    name: str
    status: str
    """OK, WARN (works, but badly or not everywhere) or FAIL."""
    detail: str
    remedy: str = ""
    """What to type, or to do; empty when all is well."""


def apt_line(*packages: str) -> str:
    """The command that installs system packages."""
    return f"sudo apt-get update && sudo apt-get install -y {' '.join(packages)}"
