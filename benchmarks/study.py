"""Do all senses together beat some of them? Trains every recipe from scratch, with several seeds.

    .venv/bin/sensorium generate data/touch --episodes 2700 --families all
    .venv/bin/python benchmarks/study.py data/touch --cache data/touch-cache --steps 8000 \
        --seeds 3 --recipe 'all senses' --recipe concatenation --recipe 'vision alone'

All recipes get the same demonstrations and steps, and no rollouts of their own. Runs that are
finished are kept, one that was interrupted goes on. 8,000 steps of 96 rows take 17 minutes on one
core with nothing else to do and with --cache in memory (/dev/shm: 12 GB). 1,600 steps of 192 are
too few: all senses did 49 of 216 trials. At the end stands the command that lets the matrix judge
the policies. `--recipe` names some of the recipes; what they are: RECIPES.

"a tenth, pretrained" wants encoders first. These learn from half of the bags, without labels,
for an hour on one core:

    mkdir data/half && ln -s "$PWD"/data/touch/ep_*[13579] data/half/
    .venv/bin/sensorium pretrain data/half --cache data/half-cache --contract touch --batch 96 \
        --config benchmarks/study_pretraining.yaml --precision bfloat16 --threads 1
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
from results_page import ROOT
from sensorium_core.contract import touch
from sensorium_core.hashes import file_sha256
from sensorium_training.commands.progress import progress_bar
from sensorium_training.commands.recipe_options import recipe_of
from sensorium_training.commands.train import train
from sensorium_training.dataset import load
from sensorium_training.matrix.comparing import PRETRAINED, UNTAUGHT
from sensorium_training.recipe import PRECISIONS, Recipe
from sensorium_training.stages import as_facts
from sensorium_training.train import TrainConfig

_SENSORIUM = str(Path(sys.executable).with_name("sensorium"))
_VISION = "scene_rgb,cloud,wrist_rgb,joints"
_ENCODERS = "{encoders}"
OURS = "all senses"
RECIPES: dict[str, tuple[str, ...]] = {
    OURS: (),
    "concatenation": ("--fusion", "concatenation"),
    "weighted": ("--fusion", "weighted"),
    "contact gate": ("--fusion", "contact_gate"),
    "vision alone": ("--only", _VISION),
    "force alone": ("--only", "wrench,pads,joints"),
    UNTAUGHT: ("--share", "0.1"),
    PRETRAINED: ("--share", "0.1", "--encoders", _ENCODERS),
}
"""By label in the matrix, options of `sensorium train`. What hears no force or sees nothing has
the joints all the same: every arm has them."""


def make(recipe: str, seed: int, asked: dict[str, str], runs: Path) -> Path:
    """Train and export one policy; one that is there is kept.

    Raises `click.ClickException` when a command fails, or what is there was made otherwise.
    """
    run = runs / f"{recipe.replace(', ', '-').replace(' ', '-')}-{seed}"
    policy = run / "release" / "policy.onnx"
    if policy.is_file():
        _require_same(run, recipe, asked)
        return policy
    options = {
        "--run": str(run), "--cache": asked["cache"], "--contract": "touch", "--dagger": "0",
        "--steps": asked["steps"], "--batch": asked["batch"], "--precision": asked["precision"],
        "--seed": str(seed), "--workers": asked["threads"],
    }  # fmt: skip
    told = [part for option in options.items() for part in option]
    more = [part.format(**asked) for part in RECIPES[recipe]]
    run.mkdir(parents=True, exist_ok=True)
    for command in (
        ["train", asked["demos"], *told, *more],
        ["export", str(run), str(policy.parent)],
    ):
        with (run / "out.log").open("a") as log:
            done = subprocess.run([_SENSORIUM, *command], stdout=log, stderr=subprocess.STDOUT)
        if done.returncode:
            raise click.ClickException(f"{recipe}, seed {seed}: see {run / 'out.log'}")
    return policy


def _require_same(run: Path, recipe: str, asked: dict[str, str]) -> None:
    """A finished run was made by the same recipe from the same files, or raises.

    Of a recipe that was noted before it had all of today's choices, those that it noted count.
    """
    facts = json.loads((run / "facts.json").read_text())
    today, pretrained = _recipe_facts(recipe, asked), _ENCODERS in RECIPES[recipe]
    wanted = {
        "recipe": {name: today[name] for name in facts["recipe"]},
        "samples_first": int(asked["steps"]) * int(asked["batch"]),
        "data_hash_demos": asked["data_hash"],
        "encoders": file_sha256(Path(asked["encoders"])) if pretrained else None,
    }
    told = {**facts, "encoders": facts.get("encoders", {}).get("sha256")}
    for name, value in wanted.items():
        if told[name] != value:
            raise click.ClickException(
                f"{run} is finished with {name} {told[name]}, asked is {value}; "
                "name other --runs, or delete it"
            )


def _recipe_facts(recipe: str, asked: dict[str, str]) -> dict[str, Any]:
    """What `sensorium train` notes of a recipe."""
    options = [part for part in RECIPES[recipe] if part not in ("--encoders", _ENCODERS)]
    more = ["--contract", "touch", "--steps", asked["steps"], "--precision", asked["precision"]]
    given = train.make_context("train", [str(ROOT), *more, *options]).params
    names = [one.name for one in fields(Recipe)]
    return as_facts(recipe_of({name: given[name] for name in names}))


def judged(made: dict[str, list[Path]], demos: Path) -> str:
    """The command that compares them, in words where there is nothing to compare with.

    It refuses to judge by a scene of the demonstrations that they learnt from.
    """
    if OURS not in made:
        return f"to compare them, train {OURS!r}, too: leave out --recipe, or name it as well"
    ours, *rest = made.pop(OURS)
    words = [".venv/bin/python", "benchmarks/senses.py", str(ours)]
    words += [part for path in rest for part in ("--also", str(path))]
    for label, paths in made.items():
        words += [part for path in paths for part in ("--policy", f"{label}={path}")]
    words += ["--tasks", "tabletop", "--tasks", "touch", "--fast-policy", "models/fast"]
    words += ["--trained-on", str(demos)]
    words += ["--episodes", "20", "--json", "out/study.json", "--section", "study", "--write"]
    return shlex.join(words)


@click.command()
@click.argument("demos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--cache", default="data/touch-cache", show_default=True, type=click.Path())
@click.option("--runs", default=ROOT / "runs" / "study", type=click.Path(path_type=Path))
@click.option("--steps", default=8000, show_default=True, type=click.IntRange(1))
@click.option("--batch", default=96, show_default=True, type=click.IntRange(1))
@click.option("--precision", default="bfloat16", show_default=True, type=click.Choice(PRECISIONS))
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1),
              help="Trainings at a time.")  # fmt: skip
@click.option("--threads", default=1, show_default=True, type=click.IntRange(1),
              help="Of each training.")  # fmt: skip
@click.option("--encoders", default="runs/pretraining/encoders.safetensors", show_default=True)
@click.option("--recipe", "recipes", multiple=True, type=click.Choice(list(RECIPES)),
              help="Repeatable; all by default.")  # fmt: skip
def main(
    demos: Path,
    cache: str,
    runs: Path,
    steps: int,
    batch: int,
    precision: str,
    seeds: int,
    jobs: int,
    threads: int,
    encoders: str,
    recipes: tuple[str, ...],
) -> None:
    """Train on DEMOS every recipe with every seed; say how they are compared."""
    chosen = list(recipes or RECIPES)
    if any(_ENCODERS in RECIPES[name] for name in chosen) and not Path(encoders).is_file():
        raise click.UsageError(f"no pretrained encoders at {encoders}; see the top of this file")
    share, workers = TrainConfig.validation_share, jobs * threads
    data = load(demos, "all", share, cache=Path(cache), workers=workers, contract=touch())
    asked = {
        "demos": str(demos), "cache": cache, "steps": str(steps), "batch": str(batch),
        "precision": precision, "threads": str(threads), "encoders": encoders,
        "data_hash": data.data_hash,
    }  # fmt: skip
    wanted = [(name, seed) for seed in range(seeds) for name in chosen]
    with ThreadPoolExecutor(jobs) as pool, progress_bar() as bar:
        task = bar.add_task("train", total=len(wanted), note="")
        futures = [pool.submit(make, name, seed, asked, runs) for name, seed in wanted]
        for future in futures:
            future.add_done_callback(lambda _: bar.advance(task))
        try:
            paths = [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    made: dict[str, list[Path]] = {}
    for (name, _), path in zip(wanted, paths, strict=True):
        made.setdefault(name, []).append(path)
        facts = json.loads((path.parents[1] / "facts.json").read_text())
        click.echo(f"{path}: {facts['samples_first']} rows seen, {facts['train_first_s']} s")
    click.echo(judged(made, demos))


if __name__ == "__main__":
    main()
