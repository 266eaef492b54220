"""Keeps what was measured, so that an interrupted matrix goes on and a larger one adds to it.

One JSON file. Outcomes lie under a hash of what decides them (policy and language file by content,
who acts, condition, task set) and there under their trial. The code's version is not in that hash:
the commits at which outcomes were measured are kept beside them and told in the report.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sensorium_core.errors import CacheError
from sensorium_core.hashes import text_sha256

from sensorium_training.matrix.task_sets import Trial

_FORMAT = 1


@dataclass(frozen=True)
class Result:
    """What came of one trial."""

    success: bool
    reason: str
    state: str
    """Of the proposer at the end."""
    seconds: float
    moved_m: float
    peak_force_n: float
    refusals: int
    """Proposals that the gate refused."""
    trips: tuple[str, ...] = ()
    """Why the gate held or stopped the arm."""


class MatrixStore:
    """The file of one matrix; without a path nothing is kept beyond this object."""

    def __init__(self, path: Path | None = None) -> None:
        """Read what is there. Raises `CacheError` when that is not such a file."""
        self.path = path
        self._data: dict[str, Any] = {"format": _FORMAT, "units": {}, "facts": {}}
        if path is not None and path.is_file():
            try:
                self._data = json.loads(path.read_text(encoding="utf-8"))
                found = self._data["format"], self._data["units"], self._data["facts"]
            except (ValueError, LookupError, TypeError) as error:
                raise CacheError(path, f"is no matrix ({error})", "name another file") from None
            if found[0] != _FORMAT:
                raise CacheError(path, f"has format {found[0]!r}", "name another file")

    def get(self, settings: dict[str, object], trial: Trial) -> Result | None:
        """What came of a trial under these settings; None: not yet run."""
        unit = self._data["units"].get(key_of(settings), {"outcomes": {}})
        found = unit["outcomes"].get(_trial_key(trial))
        return None if found is None else Result(**{**found, "trips": tuple(found["trips"])})

    def put(self, settings: dict[str, object], trial: Trial, result: Result, commit: str) -> None:
        """Remember an outcome; `save` writes it."""
        new = {"settings": settings, "commits": [], "outcomes": {}}
        unit = self._data["units"].setdefault(key_of(settings), new)
        if commit not in unit["commits"]:
            unit["commits"].append(commit)
        unit["outcomes"][_trial_key(trial)] = asdict(result)

    def commits(self, settings: dict[str, object]) -> tuple[str, ...]:
        """At which commits outcomes under these settings were measured."""
        return tuple(self._data["units"].get(key_of(settings), {"commits": ()})["commits"])

    def fact(self, settings: dict[str, object]) -> dict[str, Any] | None:
        """Something measured of a policy file, or None."""
        found: dict[str, Any] | None = self._data["facts"].get(key_of(settings))
        return None if found is None else found["value"]

    def put_fact(self, settings: dict[str, object], value: dict[str, Any]) -> None:
        """Remember it; `save` writes it."""
        self._data["facts"][key_of(settings)] = {"settings": settings, "value": value}

    def put_summary(self, summary: dict[str, Any]) -> None:
        """Keep what a report says, for people and other programs; `save` writes it."""
        self._data["summary"] = summary

    def save(self) -> None:
        """Write the file, at once or not at all. Raises `CacheError` when it cannot be."""
        if self.path is None:
            return
        partial = self.path.with_name(self.path.name + ".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._data, indent=1) + "\n", encoding="utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise CacheError(
                self.path, f"cannot be written ({error})", "name another file"
            ) from None


def key_of(settings: dict[str, object]) -> str:
    """Hash of settings, whatever the order of their names."""
    return text_sha256(json.dumps(settings, sort_keys=True))[:24]


def _trial_key(trial: Trial) -> str:
    return f"{trial.family}:{trial.seed}:{trial.text}"
