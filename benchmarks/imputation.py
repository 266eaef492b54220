"""How near each way of standing in for a missing sense comes to the token it would have had.

    sensorium generate data/few --episodes 300
    .venv/bin/python benchmarks/imputation.py data/few

For each seed a fifth of the episodes is kept aside, a policy network learns from the others for
some steps, and its encoders are frozen. Imputers of both kinds then learn on the tokens of those
others. They are judged on the tokens of the episodes kept aside, with one sense or both forces
taken away. The error is in parts of that of the mean token of the training rows: 1 is as bad as
knowing nothing. Also judged: least squares on the tokens that are there, and the learned token of
the policy itself. This says how well tokens are guessed, not how well the arm does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from results_page import commit, table
from scipy.stats import t as student
from sensorium_recording.loader import EpisodeDataset, Items
from sensorium_training.batches import Augmentation, Batches
from sensorium_training.dataset import load
from sensorium_training.encoders import NetConfig
from sensorium_training.fusion.interface import FORCE_SENSES, SENSES, peak_forces
from sensorium_training.imputation.choice import imputer_of
from sensorium_training.imputation.config import ImputationConfig
from sensorium_training.imputation.interface import hide
from sensorium_training.losses import policy_losses, total
from sensorium_training.network import PolicyNet
from torch import Tensor

_BATCH, _LESSON, _DRAW, _ROWS = 64, 128, 256, (4096, 1024)
_RIDGE = 1e-3
_ALONE = {name: (sense,) for sense, name in enumerate(SENSES)}
_GONE = {**_ALONE, "wrench and pads": FORCE_SENSES}
"""What is taken away."""
_PLAIN, _ONE_WAY = ImputationConfig(), ImputationConfig(cycle=0.0)
_ALL = tuple(range(len(SENSES)))
Guess = Callable[[Tensor, tuple[int, ...]], Tensor]
"""From tokens and the senses that are gone to tokens `(n, senses, width)` in their place."""
Errors = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Tokens:
    """Tokens of rows in which every sense is there."""

    tokens: Tensor
    """`(n, senses, width)`."""
    contact: Tensor
    """`(n,)` bool: a force beyond dead band and threshold of `contact_gate` is in the window."""


class Some:
    """Some rows of a data set, as a `RowSource`."""

    def __init__(self, data: EpisodeDataset, rows: NDArray[np.int64]) -> None:
        self._data, self._rows = data, rows

    def __len__(self) -> int:
        return len(self._rows)

    def batch(self, indices: NDArray[np.int64]) -> Items:
        """Rows by name of array."""
        return self._data.batch(self._rows[indices])

    def field(self, name: str, indices: NDArray[np.int64]) -> NDArray[np.generic]:
        """One array of rows."""
        return self._data.field(name, self._rows[indices])


def divided(data: EpisodeDataset, seed: int) -> tuple[Some, Some]:
    """Four fifths of the episodes, and the rest; another division for each seed."""
    rows = np.arange(len(data))
    episode = data.episode_of(rows)
    known = np.unique(episode)
    aside = np.random.default_rng(seed).permutation(known)[: max(len(known) // 5, 1)]
    kept = np.isin(episode, aside)
    return Some(data, rows[~kept]), Some(data, rows[kept])


def policy(rows: Some, steps: int, seed: int) -> PolicyNet:
    """A network with learned tokens, trained by the policy's losses and the usual augmentation."""
    torch.manual_seed(seed)
    net, batches = PolicyNet(), Batches(rows, seed)
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        inputs, labels = batches.draw(_BATCH, Augmentation())
        optimizer.zero_grad()
        total(policy_losses(net(**inputs), labels)).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
    return net.eval()


@torch.no_grad()
def encoded(net: PolicyNet, rows: Some, count: int, seed: int) -> Tokens:
    """Tokens of random rows, one goal each, without augmentation."""
    batches, gate = Batches(rows, seed), net.config
    least = torch.tensor(
        [gate.wrench_band_n + gate.wrench_contact_n, gate.pads_band_n + gate.pads_contact_n]
    )
    tokens, contact = [], []
    for _ in range(count // _DRAW):
        inputs, _ = batches.draw(_DRAW, None)
        whole = (inputs["valid"] > 0.5).all(1)
        pads = torch.cat([inputs["touch_left"], inputs["touch_right"]], -1)
        tokens.append(net(**inputs).tokens[whole])
        contact.append((peak_forces(inputs["wrench"], pads) > least).any(1)[whole])
    return Tokens(torch.cat(tokens), torch.cat(contact))


def taught(name: str, how: ImputationConfig, known: Tensor, steps: int, seed: int) -> Guess:
    """An imputer after training on these tokens by its own losses."""
    torch.manual_seed(seed)
    imputer = imputer_of(NetConfig(imputation=name), _ALL)
    assert imputer is not None
    optimizer = torch.optim.AdamW(imputer.parameters(), 2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    rng = torch.Generator().manual_seed(seed)
    valid = torch.ones(_LESSON, len(SENSES))
    for _ in range(steps):
        some = known[torch.randint(len(known), (_LESSON,), generator=rng)]
        terms = imputer.losses(some, valid, hide(valid, how.hide, rng))
        optimizer.zero_grad()
        total(terms, how.weights()).backward()
        optimizer.step()
        schedule.step()

    @torch.no_grad()
    def guess(tokens: Tensor, gone: tuple[int, ...]) -> Tensor:
        full = tokens.clone()
        full[:, list(imputer.guessed)] = imputer(tokens, _without(tokens, gone))
        return full

    return guess


def least_squares(known: Tensor) -> Guess:
    """The best linear guess from the tokens that are there, slightly ridged."""

    def guess(tokens: Tensor, gone: tuple[int, ...]) -> Tensor:
        rest = [sense for sense in _ALL if sense not in gone]
        mean = known.mean(0)
        x = (known - mean)[:, rest].flatten(1).double()
        y = (known - mean)[:, list(gone)].flatten(1).double()
        square = x.T @ x
        ridge = _RIDGE * square.diagonal().mean() * torch.eye(len(square), dtype=x.dtype)
        turn = torch.linalg.solve(square + ridge, x.T @ y)
        told = (tokens - mean)[:, rest].flatten(1).double() @ turn
        full = tokens.clone()
        full[:, list(gone)] = mean[list(gone)] + told.unflatten(1, (len(gone), -1)).float()
        return full

    return guess


def _without(tokens: Tensor, gone: tuple[int, ...]) -> Tensor:
    valid = torch.ones(tokens.shape[:2])
    valid[:, list(gone)] = 0.0
    return valid


def judged(guess: Guess, known: Tokens, aside: Tokens) -> Errors:
    """Error by what is gone, of all rows and of those in contact, in parts of the mean token's."""
    found: Errors = {}
    for label, gone in _GONE.items():
        guesses, places = guess(aside.tokens, gone), list(gone)
        wrong = (guesses - aside.tokens)[:, places].square().mean((1, 2))
        blind = (known.tokens.mean(0) - aside.tokens)[:, places].square().mean((1, 2))
        felt = aside.contact
        found[label] = {
            "all": float(wrong.mean() / blind.mean()),
            "contact": float(wrong[felt].mean() / blind[felt].mean()),
        }
    return found


def one_seed(data: EpisodeDataset, seed: int, steps: int, lessons: int) -> dict[str, object]:
    """Errors by way, and how many rows they are of."""
    rows, kept = divided(data, seed)
    net = policy(rows, steps, seed)
    known, aside = encoded(net, rows, _ROWS[0], seed), encoded(net, kept, _ROWS[1], seed)
    stand_ins = net.missing.detach()
    ways: dict[str, Guess] = {
        "policy's learned token": lambda tokens, gone: stand_ins.expand_as(tokens),
        "least squares": least_squares(known.tokens),
        "autoencoder": taught("autoencoder", _PLAIN, known.tokens, lessons, seed),
        "translation": taught("translation", _PLAIN, known.tokens, lessons, seed),
        "translation, no cycle": taught("translation", _ONE_WAY, known.tokens, lessons, seed),
    }
    errors = {way: judged(guess, known, aside) for way, guess in ways.items()}
    contact = float(aside.contact.float().mean())
    return {"seed": seed, "rows": len(aside.tokens), "contact": contact, "errors": errors}


def interval(values: list[float]) -> str:
    """Mean and 95 % interval by Student's t over seeds."""
    numbers, count = np.array(values), len(values)
    if count < 2:
        return f"{numbers.mean():.2f}"
    half = float(student.ppf(0.975, count - 1)) * numbers.std(ddof=1) / count**0.5
    return f"{numbers.mean():.2f} ± {half:.2f}"


def page(results: list[dict[str, object]], command: str) -> str:
    """Two tables, and what they are of."""
    errors = [result["errors"] for result in results]
    assert isinstance(errors[0], dict)
    parts = []
    for which, title in (("all", "All rows"), ("contact", "Rows in contact")):
        cells = []
        for gone, senses in _GONE.items():
            row = [gone]
            for way in errors[0]:
                spoken = "translation" not in way or set(senses) <= set(FORCE_SENSES)
                values = [seed[way][gone][which] for seed in errors]  # type: ignore[index]
                row.append(interval(values) if spoken else "–")
            cells.append(row)
        parts += [f"{title}:", table(["gone", *errors[0]], cells)]
    shares = ", ".join(f"{result['contact']:.0%}" for result in results)
    about = (
        f"`{command}`, commit {commit()}: {len(results)} seeds, each with its own network and "
        f"division of episodes; {results[0]['rows']} rows kept aside, in contact {shares}. "
        "Mean square error of the token in parts of the mean token's; 95 % intervals over seeds."
    )
    return "\n\n".join([about, *parts])


@click.command()
@click.argument("demos", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1))
@click.option(
    "--steps", default=300, show_default=True, type=click.IntRange(1),
    help="Of the policy network.",
)  # fmt: skip
@click.option(
    "--lessons", default=1500, show_default=True, type=click.IntRange(1),
    help="Steps of each imputer.",
)  # fmt: skip
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path),
    help="Write the numbers, and keep those of seeds that are there.",
)  # fmt: skip
def main(demos: Path, seeds: int, steps: int, lessons: int, json_path: Path | None) -> None:
    """Compare the ways on the bags in DEMOS."""
    torch.set_num_threads(1)
    data = load(demos, "all", 0.0)
    command = f"benchmarks/imputation.py {demos} --seeds {seeds} --steps {steps}"
    command += f" --lessons {lessons}"
    made = {"steps": steps, "lessons": lessons, "data": data.data_hash}
    results: list[dict[str, object]] = []
    if json_path is not None and json_path.is_file():
        record = json.loads(json_path.read_text(encoding="utf-8"))
        results = record["results"] if record.items() >= made.items() else []
    for seed in range(len(results), seeds):
        results.append(one_seed(data, seed, steps, lessons))
        if json_path is not None:
            record = {**made, "commit": commit(), "results": results}
            json_path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(page(results[:seeds], command))


if __name__ == "__main__":
    main()
