"""The stages of a training run, each resumable: make rows, train, roll out, train again.

Rows, checkpoints and rollouts that are there are kept; what a stage cost stands in `facts.json`.
"""

import json
import math
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import Progress
from sensorium_core.errors import BagError, LoaderError
from sensorium_core.goal import families_of
from sensorium_core.hashes import file_sha256
from sensorium_core.policy import Policy
from sensorium_recording.loader import EpisodeDataset
from sensorium_recording.splits import Split

from sensorium_training.batches import Augmentation
from sensorium_training.curriculum import BlurCurriculum
from sensorium_training.dagger import asked_for, failing, rollouts, successes
from sensorium_training.dataset import load
from sensorium_training.encoders import NetConfig, contract_of
from sensorium_training.export import export
from sensorium_training.network import PolicyNet
from sensorium_training.part import Part
from sensorium_training.pretraining.transfer import Taken, take_encoders
from sensorium_training.recipe import Recipe, contract_named, senses_of
from sensorium_training.train import TrainConfig, Trainer, load_network
from sensorium_training.weights import take_weights


class Stages:
    """One run directory and its caches."""

    def __init__(
        self,
        demos: Path,
        run_dir: Path,
        cache: Path,
        workers: int,
        seed: int,
        batch: int,
        learning_rate: float,
        device: str,
        bar: Progress,
        recipe: Recipe | None = None,
        encoders: Path | None = None,
        fast: Path | None = None,
        weights: Path | None = None,
    ) -> None:
        """Raises `WeightsError` when encoders or weights do not fit, before rows are made."""
        run_dir.mkdir(parents=True, exist_ok=True)
        self._bags = {"demos": (demos, cache), "dagger": (run_dir / "rollouts", run_dir / "cache")}
        """Bags and cache of each set. Demonstrations serve every run; rollouts only their own."""
        self._run, self._workers, self._seed = run_dir, workers, seed
        self._batch, self._rate, self._device, self._bar = batch, learning_rate, device, bar
        self._recipe, self._encoders, self._fast = recipe or Recipe(), encoders, fast
        self._net, self._weights = network(self._recipe), weights
        if weights is not None:
            take_weights(PolicyNet(self._net), weights, self._recipe.dead)
        if encoders is not None:
            take_encoders(PolicyNet(self._net), encoders)

    def facts(self) -> dict[str, Any]:
        """What is known of the run so far: seconds by stage, data hashes, metrics."""
        path = self._run / "facts.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
        return known

    def _note(self, key: str, value: object) -> None:
        (self._run / "facts.json").write_text(json.dumps({**self.facts(), key: value}, indent=1))

    def rows(self, name: str) -> None:
        """Make rows of the bags of a set; those that are there are kept.

        Raises `BagError` when there are none to train on.
        """
        began, before = time.monotonic(), self.facts()
        data = self._load(name, "all")
        if not len(data):
            raise BagError(
                self._bags[name][0], "holds no episode with ground truth", "`sensorium generate`"
            )
        for path, problem in data.problems.items():
            self._bar.console.print(f"left out: {path}: {problem}", markup=False)
        for path, note in data.notes.items():
            self._bar.console.print(f"{path}: {note}", markup=False)
        if before.get(f"data_hash_{name}") != data.data_hash:
            spent = round(before.get(f"cache_{name}_s", 0) + time.monotonic() - began)
            self._note(f"cache_{name}_s", spent)
            self._note(f"episodes_{name}", len(data.episodes))
            self._note(f"data_hash_{name}", data.data_hash)

    def _load(self, name: str, split: Split) -> EpisodeDataset:
        directory, cache = self._bags[name]
        task = self._bar.add_task(f"rows of {name}", total=None, note="", visible=False)

        def show(done: int, total: int) -> None:
            self._bar.update(task, completed=done, total=total, visible=True)

        return load(
            directory, split, TrainConfig.validation_share, cache=cache, workers=self._workers,
            progress=show, contract=contract_of(self._net),
        )  # fmt: skip

    def train(self, name: str, sets: list[str], minutes: float, weights: Path | None) -> Path:
        """Train for `minutes` on these sets; returns the averaged weights.

        Without `weights` it goes on from those that the run was given, or from scratch.

        Raises `LoaderError` when the run began with another recipe, other encoders or weights.
        """
        self._tell_recipe()
        self._tell_beginning()
        directory = self._run / name
        if weights is None:
            self._tell_weights()
            weights = self._weights
        steps = self._recipe.steps if name == "first" else 0
        config = self._config(minutes, steps, anew=weights is None)
        train = [self._to_learn_from(one) for one in sets]
        watch = [self._load(one, "validation") for one in sets]
        encoders = self._encoders if weights is None else None
        trainer = Trainer(train, watch, directory, config, weights, encoders)
        if encoders is not None:
            self._tell_encoders(encoders, trainer.taken)
        task = self._bar.add_task(f"train {name}", total=1000, note="")

        def show(done: int, _total: int, terms: dict[str, float]) -> None:
            self._bar.update(task, completed=done, note=f"chunk {terms['chunk']:.3f}")

        result = trainer.run(show)
        self._note("validation", trainer.validate())
        self._note(f"train_{name}_s", round(trainer.spent_s))
        self._note(f"samples_{name}", trainer.step * self._batch)
        return result

    def _config(self, minutes: float, steps: int, anew: bool) -> TrainConfig:
        """How to train, anew or on from weights: slower then, and with sharp eyes."""
        recipe = self._recipe
        return TrainConfig(
            minutes=minutes, steps=steps, batch=self._batch,
            seed=self._seed, threads=self._workers, device=self._device,
            learning_rate=self._rate if anew else self._rate / 2, net=self._net,
            blur=BlurCurriculum(recipe.blur if anew else 0.0),
            corrupt=recipe.corrupt, augmentation=augmentation(recipe), dead=recipe.dead,
            precision=recipe.precision, felt=recipe.felt,
        )  # fmt: skip

    def _to_learn_from(self, name: str) -> Part:
        """The rows of a set that train: of the demonstrations, the recipe's share."""
        part = Part(self._load(name, "train"), self._recipe.share if name == "demos" else 1.0)
        self._note(f"episodes_learnt_from_{name}", len(part.episodes))
        return part

    def _tell_recipe(self) -> None:
        """Say what is made; raises `LoaderError` when the run began with something else."""
        told, begun = as_facts(self._recipe), self.facts().get("recipe")
        if begun is None and (self._run / "first" / "last.pt").is_file():
            begun = {name: value for name, value in told.items() if name not in _NEWER}
        noted = _first_recipe() | _felt_of(self._run / "first" / "config.json")
        before = told if begun is None else noted | begun
        for name, asked in told.items():
            if _without_nevers(before[name]) != _without_nevers(asked):
                raise LoaderError(
                    f"{self._run} began with {name} {before[name]}, now it is {asked}",
                    "a new --run, or what it began with",
                )
        self._note("recipe", told)

    def _tell_beginning(self) -> None:
        """Say with which seed, batch, rate and demonstrations; raises `LoaderError` for others.

        What a run from before these were noted does not tell is not held against it.
        """
        facts = self.facts()
        told = {
            "seed": self._seed, "batch": self._batch, "learning_rate": self._rate,
            "data_hash_demos": facts.get("data_hash_demos"),
        }  # fmt: skip
        before = facts.get("began_with", {"seed": facts["seed"]} if "seed" in facts else {})
        if (self._run / "first" / "last.pt").is_file():
            for name, value in before.items():
                if value != told[name]:
                    raise LoaderError(
                        f"{self._run} began with {name} {value}, now it is {told[name]}",
                        "a new --run, or what it began with",
                    )
        self._note("began_with", told)

    def _tell_weights(self) -> None:
        """Say what it goes on from; raises `LoaderError` when the run began with other weights."""
        given = None if self._weights is None else file_sha256(self._weights)
        began = self.facts().get("went_on_from")
        if (self._run / "first" / "last.pt").is_file() and began != given:
            raise LoaderError(
                f"{self._run} began {'from scratch' if began is None else 'with other weights'}",
                "a new --run, or the --weights it began with, if any",
            )
        self._note("went_on_from", given)

    def _tell_encoders(self, file: Path, taken: Taken | None) -> None:
        """Say what was taken; raises `LoaderError` when the run began with other encoders."""
        if taken is not None:
            self._bar.console.print(f"{file}: {taken.in_words()}", markup=False)
            self._note("encoders", taken.as_facts())
        elif self.facts().get("encoders", {}).get("sha256") != file_sha256(file):
            raise LoaderError(
                f"{self._run} began without {file}", "a new --run, or the encoders it began with"
            )

    def export(self, weights: Path, name: str) -> Path:
        """A policy file of intermediate weights, for rollouts."""
        path = self._run / f"{name}.onnx"
        dead = frozenset(self._recipe.dead)
        if not path.is_file() or Policy(path).unheard != dead:
            export(load_network(weights), contract_of(self._net), path, self._recipe.dead)
        return path

    def rollouts(self, policy: Path, seeds: range, done: int = 0) -> None:
        """Let the policy drive where no policy of the `done` earlier rounds has, and make rows.

        `seeds` are those of all rounds together. The more of a family failed in the round before,
        the more of it there is in this one.
        """
        directory, began = self._run / "rollouts", time.monotonic()
        each = len(seeds) // (done + 1)
        before, last = seeds[:-each][-each:], seeds[-each:]
        failed = failing(directory, before) if done else None
        asked = asked_for(last, families_of(self._net.version), failed)
        task = self._bar.add_task("roll out the policy", total=len(last), note="")
        made = rollouts(
            policy, directory, asked, self._workers,
            lambda n: self._bar.update(task, completed=n), self._fast, self._recipe.deaf,
        )  # fmt: skip
        suffix = "" if done == 0 else f"_round{done + 1}"
        if made:
            self._note(f"rollouts{suffix}_s", round(time.monotonic() - began))
        if made or f"rollout_success{suffix}" not in self.facts():
            share = successes(directory, last)
            self._note(f"rollout_success{suffix}", None if math.isnan(share) else share)
        self.rows("dagger")

    def finish(self, weights: Path, seconds: float) -> None:
        """Put the final weights where `sensorium export` looks."""
        shutil.copy(weights, self._run / "weights.safetensors")
        self._note("seed", self._seed)
        self._note("last_call_s", round(seconds))


_NEWER = ("corrupt", "deaf", "drop", "felt", "head", "only", "precision", "share", "steps")
"""What runs could not choose when they did not note it yet."""


def _first_recipe() -> dict[str, Any]:
    """Of runs that did not note it: no senses were dropped together then, and none in rollouts."""
    plain = as_facts(Recipe())
    alone = {group: odds for group, odds in plain["drop"].items() if len(senses_of(group)) == 1}
    return {**plain, "drop": alone, "deaf": 0.0}


def _felt_of(config: Path) -> dict[str, float]:
    """Of runs that noted it in no recipe: their training's configuration tells it, or it was 0."""
    told = json.loads(config.read_text()) if config.is_file() else {}
    return {"felt": told.get("felt", 0.0)}


def _without_nevers(asked: Any) -> Any:
    """Of odds by sense, those that are not 0; anything else as it is."""
    return {k: v for k, v in asked.items() if v} if isinstance(asked, dict) else asked


def network(recipe: Recipe) -> NetConfig:
    """What is trained."""
    asked: dict[str, Any] = {"fusion": recipe.fusion, "imputation": recipe.imputation}
    if recipe.head:
        asked["head"] = recipe.head
    return NetConfig.for_contract(contract_named(recipe.contract), **asked)


def augmentation(recipe: Recipe) -> Augmentation:
    """How rows are made harder: the default, but for the senses that the recipe drops."""
    return Augmentation().dropping(dict(recipe.drop))


def as_facts(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON gives it back, with the odds of every sense that may be dropped."""
    plain = {**asdict(recipe), "drop": dict(augmentation(recipe).drop)}
    told: dict[str, Any] = json.loads(json.dumps(plain))
    return told
