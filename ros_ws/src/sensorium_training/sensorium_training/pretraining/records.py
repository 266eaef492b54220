"""What a run leaves on disk: checkpoints, `log.jsonl`, TensorBoard's event files if it is here.

Checkpoints are read as plain tensors and numbers; no code travels in them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from sensorium_core.errors import LoaderError

from sensorium_training.encoders import NetConfig

HOW_TO_GET_TENSORBOARD = (
    "no TensorBoard files: the package is not here; `pip install tensorboard` gets it. "
    "The same numbers are in log.jsonl"
)


class Checkpoints:
    """`checkpoints/00000500.pt` and so on, all of them kept."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "checkpoints"

    def newest(self) -> Path | None:
        """The last one, if there is any."""
        return max(self._folder.glob("[0-9]*.pt"), default=None)

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{step:08d}.pt"
        partial = path.with_suffix(".part")
        torch.save(dict(state), partial)
        partial.replace(path)
        return path


def read_checkpoint(path: Path, config: Mapping[str, Any], data_hash: str) -> dict[str, Any]:
    """A checkpoint's state, after a check that the run is still the same.

    A setting of the network that was not there yet when it was written counts as the default.

    Raises:
        LoaderError: it cannot be read, or is of other settings or other rows.
    """
    try:
        if not is_zipfile(path):
            raise ValueError("it is not whole, or something else")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        begun = json.loads(state["config"])
        begun = {**begun, "net": asdict(NetConfig.of(begun.get("net", {})))}
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
        words = str(error).split("\n")[0][:200]
        raise LoaderError(
            f"{path} cannot be read as a checkpoint ({words})", "one of this run; or name another"
        ) from None
    asked = json.loads(json.dumps(config))
    changed = sorted(
        name for name in begun.keys() | asked.keys() if begun.get(name) != asked.get(name)
    )
    if changed:
        told = ", ".join(f"{n} = {begun.get(n)!r} and not {asked.get(n)!r}" for n in changed)
        raise LoaderError(f"{path} is of a run with {told}", "the same; or name another run")
    if state.get("data") != data_hash:
        raise LoaderError(f"{path} is of other rows than these", "the same; or name another run")
    return state


class RunLog:
    """`log.jsonl` and, where TensorBoard is installed, its event files beside it."""

    def __init__(self, directory: Path, step: int) -> None:
        """Go on after a step; what was written beyond it is forgotten, and before step 0 all.

        So is a last line that was cut off: it is of a step after the newest checkpoint. Raises
        `LoaderError` where another line is none of a log.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / "log.jsonl"
        kept = self._path.read_text().splitlines() if self._path.is_file() else []
        kept = [line for i, line in enumerate(kept) if step and self._is_until(step, i, kept)]
        self._path.write_text("".join(line + "\n" for line in kept))
        self.missing = ""
        """Why there are no event files, in words; empty where there are."""
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._events, self.missing = None, HOW_TO_GET_TENSORBOARD
        else:
            begins = step + 1 if step else 0
            self._events = SummaryWriter(str(directory / "tensorboard"), purge_step=begins)

    def _is_until(self, step: int, i: int, lines: list[str]) -> bool:
        try:
            return bool(json.loads(lines[i])["step"] <= step)
        except (ValueError, KeyError, TypeError):
            if i == len(lines) - 1:
                return False
            raise LoaderError(
                f"line {i + 1} of {self._path} is none of a log: {lines[i][:80]!r}",
                "lines of JSON with a step; delete that line, or name another run",
            ) from None

    def write(self, step: int, kind: str, terms: Mapping[str, float]) -> None:
        """One line, and the same on disk for TensorBoard; `kind` is train or validation."""
        with self._path.open("a") as log:
            log.write(json.dumps({"step": step, "kind": kind, **terms}) + "\n")
        if self._events is not None:
            for name, value in terms.items():
                self._events.add_scalar(f"{kind}/{name}", value, step)
            self._events.flush()

    def close(self) -> None:
        """End TensorBoard's thread."""
        if self._events is not None:
            self._events.close()
