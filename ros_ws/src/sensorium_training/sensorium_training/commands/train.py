"""`sensorium train`: from bags of demonstrations to trained weights."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from sensorium_core.fast_policy import FastPolicy

from sensorium_training.commands.progress import progress_bar
from sensorium_training.commands.recipe_options import recipe_of, recipe_options
from sensorium_training.recipe import Recipe
from sensorium_training.scene_seeds import ROLLOUTS, rollout_seeds

DAGGER_FIRST_SEED = ROLLOUTS.start
"""Scenes of policy rollouts are training scenes that no demonstration used."""


@click.command()
@click.argument(
    "demos", default="data/demos", type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option(
    "--run", "run_dir", default="runs/tabletop", show_default=True,
    type=click.Path(path_type=Path, file_okay=False), help="Checkpoints, log and weights.",
)  # fmt: skip
@click.option(
    "--cache", default="data/cache", show_default=True,
    type=click.Path(path_type=Path, file_okay=False), help="Rows of the demonstrations.",
)  # fmt: skip
@click.option(
    "--minutes", default=25.0, show_default=True, type=click.FloatRange(0.0),
    help="Training time on the demonstrations; 0, with --weights: none before the rollouts.",
)  # fmt: skip
@click.option(
    "--dagger", default=400, show_default=True, type=click.IntRange(0),
    help="Episodes driven by the policy and labelled by the expert; 0: none.",
)  # fmt: skip
@click.option(
    "--rounds", default=1, show_default=True, type=click.IntRange(1),
    help="How often --dagger episodes are driven, each time by the policy trained on the last.",
)  # fmt: skip
@click.option(
    "--dagger-minutes", default=15.0, show_default=True, type=click.FloatRange(0.01),
    help="Training time with those added, in each round.",
)  # fmt: skip
@click.option("--batch", default=192, show_default=True, type=click.IntRange(1))
@click.option("--learning-rate", default=2e-3, show_default=True, type=click.FloatRange(0.0))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--workers", default=2, show_default=True, type=click.IntRange(1),
    help="Processes for caching and rollouts, and threads of training.",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="cpu, cuda or auto.")
@recipe_options
@click.option(
    "--encoders", default=None, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Encoders to start from: of `sensorium pretrain`, or a policy's weights.safetensors.",
)  # fmt: skip
@click.option(
    "--weights", default=None, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A trained policy's weights.safetensors to go on from, at half the learning rate.",
)  # fmt: skip
@click.option(
    "--fast-policy", default=None, type=click.Path(path_type=Path, exists=True),
    help="The fast half that acts beside a policy where touch decides, in its own episodes.",
)  # fmt: skip
def train(
    demos: Path,
    run_dir: Path,
    cache: Path,
    minutes: float,
    dagger: int,
    rounds: int,
    dagger_minutes: float,
    batch: int,
    learning_rate: float,
    seed: int,
    workers: int,
    device: str,
    encoders: Path | None,
    weights: Path | None,
    fast_policy: Path | None,
    **asked: Any,
) -> None:
    """Train the policy on the bags in DEMOS, then once more on its own mistakes.

    Every stage is skipped when it is done already, and training goes on from its last checkpoint,
    so the same command resumes after an interruption.
    """
    from sensorium_training.stages import Stages

    recipe = recipe_of(asked)
    _require_one_start(minutes, encoders, weights, recipe)
    recipe = _as_in(weights, asked, recipe)
    _require_fast_half(recipe, dagger, fast_policy)
    with progress_bar() as bar:
        stages = Stages(
            demos, run_dir, cache, workers, seed, batch, learning_rate, device, bar,
            recipe, encoders, fast_policy, weights,
        )  # fmt: skip
        started = time.monotonic()
        stages.rows("demos")
        trained = stages.train("first", ["demos"], minutes, None)
        for k in range(rounds if dagger else 0):
            policy = stages.export(trained, "first" if k == 0 else f"round{k}")
            stages.rollouts(policy, rollout_seeds(seed, dagger * (k + 1)), k)
            name = "second" if k == 0 else f"round{k + 1}"
            trained = stages.train(name, ["demos", "dagger"], dagger_minutes, trained)
        stages.finish(trained, time.monotonic() - started)
    click.echo(f"weights in {run_dir / 'weights.safetensors'}; next: sensorium export")
    click.echo(json.dumps(stages.facts()["validation"], indent=1))


def _as_in(weights: Path | None, asked: dict[str, Any], recipe: Recipe) -> Recipe:
    """The recipe with the network of the weights, if any, but for what the options ask for."""
    if weights is None:
        return recipe
    from sensorium_training.stages import network
    from sensorium_training.weights import config_of

    theirs, plain = config_of(weights), network(recipe)
    parts = {
        name: getattr(theirs, name)
        for name in ("fusion", "imputation", "head")
        if asked[name] is None and getattr(theirs, name) != getattr(plain, name)
    }
    return replace(recipe, **parts)


def _require_one_start(
    minutes: float, encoders: Path | None, weights: Path | None, recipe: Recipe
) -> None:
    """Raises `click.UsageError` where a run would start from two things, or from nothing."""
    if weights is not None and encoders is not None:
        raise click.UsageError(
            "--weights hold encoders already: leave out --encoders or --weights"
        )
    if weights is not None and recipe.blur:
        raise click.UsageError("--blur is for eyes that begin: leave it out, or --weights")
    if minutes == 0 and weights is None and not recipe.steps:
        raise click.UsageError(
            "--minutes 0 would roll out an untrained policy; say how many, or name --weights"
        )


def _require_fast_half(recipe: Recipe, dagger: int, fast: Path | None) -> None:
    """A policy drives as it will drive: raises `click.UsageError` where its fast half lacks.

    Raises `PolicyFileError` when the file is none.
    """
    if fast is not None:
        FastPolicy(fast)
    felt = recipe.contract == "touch" and "wrench" not in recipe.dead
    if felt and dagger and fast is None:
        raise click.UsageError(
            f"{dagger} episodes of --dagger would be driven by half a policy: where touch decides "
            "a fast half corrects its motion; say --fast-policy models/fast, or --dagger 0"
        )
