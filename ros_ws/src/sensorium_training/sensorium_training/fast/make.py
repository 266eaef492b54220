"""`python -m sensorium_training.fast.make`: from nothing to `models/fast/correction.onnx`.

Every stage is skipped when it is done already, and training goes on from its last checkpoint, so
the same command resumes after an interruption. Deterministic by seed on one machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import torch
from rich.progress import Progress, TaskID
from sensorium_core.fast_policy import FastPolicy
from sensorium_sim.fast_correction import FastCorrection

from sensorium_training.commands.progress import progress_bar
from sensorium_training.fast.card import fast_card
from sensorium_training.fast.collect import collect
from sensorium_training.fast.export import export_fast
from sensorium_training.fast.runs import data_hash, load_split, scene_seeds
from sensorium_training.fast.train import FastTrainConfig, FastTrainer, errors_m, load_fast_net
from sensorium_training.provenance import git_commit


@dataclass(frozen=True)
class Plan:
    """How much to make."""

    episodes: int = 120
    """Scenes of a round, insert and hold in turn."""
    aside: int = 20
    """Scenes of a round that are kept aside."""
    rounds: int = 3
    """The first one driven by the teacher, the others by the head of the round before."""


class Stages:
    """The stages of one run directory, in their order."""

    def __init__(
        self, directory: Path, plan: Plan, config: FastTrainConfig, bar: Progress
    ) -> None:
        self._directory, self._plan, self._config, self._bar = directory, plan, config, bar

    def rows(self, round_: int, student: FastCorrection | None) -> None:
        """Contacts of a round, those kept aside beside them."""
        for name, aside, n in (
            ("rows", False, self._plan.episodes),
            ("aside", True, self._plan.aside),
        ):
            seeds = scene_seeds(round_, n, aside)
            task = self._bar.add_task(f"round {round_}: {name}", total=len(seeds), note="")

            def show(done: int, task: TaskID = task) -> None:
                self._bar.update(task, completed=done)

            collect(self._folder(name, round_), seeds, student, self._config.net, show)

    def train(self, round_: int, before: Path | None) -> Path:
        """Weights after learning from all rounds so far."""
        runs = [r for i in range(round_ + 1) for r in load_split(self._folder("rows", i))]
        config = replace(self._config, seed=self._config.seed + 1000 * round_)
        trainer = FastTrainer(runs, self._folder("train", round_), config)
        if before is not None:
            trainer.begin_with(before)
        task = self._bar.add_task(f"round {round_}: train", total=config.steps, note="")
        return trainer.run(
            lambda step, steps, loss: self._bar.update(
                task, completed=step, total=steps, note=f"loss {loss:.3f}"
            )
        )

    def student(self, round_: int, weights: Path) -> FastPolicy:
        """The head of a round as a robot runs it."""
        path = self._folder("train", round_) / "correction.onnx"
        export_fast(load_fast_net(weights), path, {})
        return FastPolicy(path)

    def facts(self, weights: Path) -> dict[str, Any]:
        """Where the weights come from, and their errors on scenes kept aside."""
        rounds = range(self._plan.rounds)
        aside = [run for i in rounds for run in load_split(self._folder("aside", i))]
        net = load_fast_net(weights)
        return {
            "git_commit": git_commit(),
            "data_hash": data_hash([self._folder("rows", i) for i in rounds]),
            "seed": self._config.seed,
            "rounds": self._plan.rounds,
            "episodes": self._plan.rounds * self._plan.episodes,
            "parameters": sum(p.numel() for p in net.parameters()),
            "aside": errors_m(net, aside),
        }

    def _folder(self, name: str, round_: int) -> Path:
        return self._directory / name / str(round_)


def make(directory: Path, out: Path, plan: Plan, config: FastTrainConfig, bar: Progress) -> float:
    """All stages; returns the largest difference between the file and torch."""
    torch.set_num_threads(1)
    stages = Stages(directory, plan, config, bar)
    student: FastPolicy | None = None
    weights: Path | None = None
    for round_ in range(plan.rounds):
        stages.rows(round_, student)
        weights = stages.train(round_, weights)
        student = stages.student(round_, weights)
    assert weights is not None
    facts = stages.facts(weights)
    difference = export_fast(load_fast_net(weights), out / "correction.onnx", facts)
    (out / "card.md").write_text(fast_card(facts, difference), encoding="utf-8")
    return difference


@click.command()
@click.option("--run", "directory", default="runs/fast", show_default=True, type=Path)
@click.option("--out", default="models/fast", show_default=True, type=Path)
@click.option("--episodes", default=Plan.episodes, show_default=True, type=click.IntRange(2))
@click.option("--aside", default=Plan.aside, show_default=True, type=click.IntRange(2))
@click.option("--rounds", default=Plan.rounds, show_default=True, type=click.IntRange(1, 10))
@click.option("--steps", default=FastTrainConfig.steps, show_default=True, type=click.IntRange(1))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
def main(
    directory: Path, out: Path, episodes: int, aside: int, rounds: int, steps: int, seed: int
) -> None:
    """Make the fast force head: collect, train, roll out, train again, export."""
    with progress_bar() as bar:
        plan, config = Plan(episodes, aside, rounds), FastTrainConfig(steps=steps, seed=seed)
        difference = make(directory, out, plan, config, bar)
    click.echo(f"{out / 'correction.onnx'}: differs from torch by at most {difference:.1e}")


if __name__ == "__main__":
    main()
