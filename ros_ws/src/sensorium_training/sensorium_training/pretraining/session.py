"""One call of `sensorium pretrain`: rows, training, and what is told to the person meanwhile."""

from collections.abc import Mapping
from pathlib import Path

from rich.progress import Progress
from sensorium_recording.splits import Split

from sensorium_training.encoders import contract_of
from sensorium_training.objectives.compose import parse
from sensorium_training.pretraining.config import PretrainConfig, needs
from sensorium_training.pretraining.encoding import Pretraining
from sensorium_training.pretraining.processes import Processes
from sensorium_training.pretraining.rows import PretrainRows
from sensorium_training.pretraining.source import load_rows, speaker
from sensorium_training.pretraining.trainer import Pretrainer


class Session:
    """A folder of bags, a run directory and the processes that work on them."""

    def __init__(
        self,
        demos: Path,
        run_dir: Path,
        cache: Path,
        workers: int,
        language: Path,
        config: PretrainConfig,
        processes: Processes,
        bar: Progress,
    ) -> None:
        self._demos, self._run, self._cache, self._workers = demos, run_dir, cache, workers
        self._language, self._config = language, config
        self._processes, self._bar = processes, bar

    def run(self, resume: Path | None) -> Path:
        """Pretrain; returns the encoders' file.

        Raises:
            GateConfigError, ShapeError, UnknownNameError: an objective that cannot be built; found
                before rows are made.
            LanguageFileError: an objective wants words, and the file of the language is none; as
                early.
            BagError, LoaderError: nothing to learn from, or a checkpoint of another run.
        """
        Pretraining(self._config.objectives, self._config.net, contract_of(self._config.net))
        if needs(parse(self._config.objectives)).words and self._language is not None:
            speaker(self._language)
        train, watch = self._rows()
        trainer = Pretrainer(train, watch, self._run, self._config, self._processes, resume)
        self._say(f"{len(train)} rows to learn from, {len(watch)} kept aside")
        if not trainer.validation_rows:
            self._say("too few rows are kept aside to watch for overfitting; going on without")
        if trainer.step:
            self._say(f"going on after step {trainer.step}")
        task = self._bar.add_task(
            "pretrain", total=self._config.steps, completed=trainer.step, note=""
        )

        def show(done: int, _total: int, terms: Mapping[str, float]) -> None:
            self._bar.update(task, completed=done, note=f"loss {terms['loss']:.3f}")

        return trainer.run(show, self._say)

    def _rows(self) -> tuple[PretrainRows, PretrainRows]:
        """Rows to learn from and rows kept aside; the first process makes them for all."""
        if not self._processes.writes:
            self._processes.wait()
        train = self._load("train")
        if self._processes.writes:
            self._processes.wait()
        return train, self._load("validation")

    def _load(self, split: Split) -> PretrainRows:
        task = self._bar.add_task("rows", total=None, note="", visible=False)

        def show(done: int, total: int) -> None:
            self._bar.update(task, completed=done, total=total, visible=done < total)

        rows, data = load_rows(
            self._demos, split, contract_of(self._config.net),
            needs(parse(self._config.objectives)), self._config.validation_share,
            language=self._language, cache=self._cache, workers=self._workers, progress=show,
        )  # fmt: skip
        if split == "train":
            for path, problem in data.problems.items():
                self._say(f"left out: {path}: {problem}")
        return rows

    def _say(self, line: str) -> None:
        if self._processes.writes:
            self._bar.console.print(line, markup=False)
