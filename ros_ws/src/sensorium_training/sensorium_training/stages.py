"""The stages of a training run, each resumable: cache, train, roll out, train again.

A stage leaves a file behind when it is complete; what it cost is added up in `facts.json`.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

from rich.progress import Progress
from sensorium_core.contract import Contract
from sensorium_recording.episodes import episodes

from sensorium_training.dagger import rollouts, successes
from sensorium_training.dataset import build_cache
from sensorium_training.export import export
from sensorium_training.train import TrainConfig, Trainer, load_network


class Stages:
    """One run directory and its caches."""

    def __init__(
        self,
        run_dir: Path,
        cache: Path,
        workers: int,
        seed: int,
        batch: int,
        learning_rate: float,
        device: str,
        bar: Progress,
    ) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._run, self._cache, self._workers, self._seed = run_dir, cache, workers, seed
        self._batch, self._rate, self._device, self._bar = batch, learning_rate, device, bar

    def facts(self) -> dict[str, Any]:
        """What is known of the run so far: seconds by stage, data hashes, metrics."""
        path = self._run / "facts.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return known

    def _note(self, key: str, value: object) -> None:
        (self._run / "facts.json").write_text(json.dumps({**self.facts(), key: value}, indent=1))

    def cache(self, name: str, bags: list[Path]) -> None:
        """Build the cache `name` of these bags, unless it is there."""
        path = self._place(name)
        if (path / "index.json").is_file():
            return
        task = self._bar.add_task(f"cache {name}", total=None, note="")
        began = time.monotonic()
        build_cache(
            bags, path, self._workers,
            lambda done, total: self._bar.update(task, completed=done, total=total),
        )  # fmt: skip
        shutil.rmtree(path / "shards")
        self._note(f"cache_{name}_s", round(time.monotonic() - began))
        self._note(f"episodes_{name}", len(bags))
        self._note(f"data_hash_{name}", json.loads((path / "index.json").read_text())["data_hash"])

    def _place(self, name: str) -> Path:
        """Demonstrations serve every run; rollouts belong to the run that made them."""
        return self._cache if name == "demos" else self._run / "cache" / name

    def train(self, name: str, caches: list[str], minutes: float, weights: Path | None) -> Path:
        """Train for `minutes` on these caches; returns the averaged weights."""
        directory = self._run / name
        config = TrainConfig(
            minutes=minutes, batch=self._batch, seed=self._seed, threads=self._workers,
            device=self._device, learning_rate=self._rate if weights is None else self._rate / 2,
        )  # fmt: skip
        trainer = Trainer([self._place(c) for c in caches], directory, config, weights)
        task = self._bar.add_task(f"train {name}", total=minutes * 60, note="")

        def show(done: int, _total: int, terms: dict[str, float]) -> None:
            self._bar.update(task, completed=done, note=f"chunk {terms['chunk']:.3f}")

        result = trainer.run(show)
        self._note("validation", trainer.validate())
        self._note(f"train_{name}_s", round(trainer.spent_s))
        self._note(f"samples_{name}", trainer.step * self._batch)
        return result

    def export(self, weights: Path, contract: Contract) -> Path:
        """A policy file of intermediate weights, for rollouts."""
        path = self._run / "first.onnx"
        if not path.is_file():
            export(load_network(weights), contract, path)
        return path

    def rollouts(self, policy: Path, seeds: range) -> None:
        """Let the policy drive, and cache what came of it."""
        directory, began = self._run / "rollouts", time.monotonic()
        task = self._bar.add_task("roll out the policy", total=len(seeds), note="")
        if not (self._place("dagger") / "index.json").is_file():
            rollouts(
                policy, directory, seeds, self._workers,
                lambda done: self._bar.update(task, completed=done),
            )  # fmt: skip
            self._note("rollouts_s", round(time.monotonic() - began))
            self._note("rollout_success", successes(directory))
            self.cache("dagger", episodes(directory))
        self._bar.update(task, completed=len(seeds))

    def finish(self, weights: Path, seconds: float) -> None:
        """Put the final weights where `sensorium export` looks."""
        shutil.copy(weights, self._run / "weights.safetensors")
        self._note("seed", self._seed)
        self._note("last_call_s", round(seconds))
