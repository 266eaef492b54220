"""`python -m sensorium_training.language.card`: measures encoder files and writes the model card.

The first file is the one that ships; the others are the candidates that it was compared with.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from sensorium_core.goal import ALL_FAMILIES
from sensorium_core.hashes import file_sha256
from sensorium_core.language import LanguageEncoder
from sensorium_core.phrases_file import read_phrases

from sensorium_training.language.corpus import NAMINGS, Line
from sensorium_training.language.measure import Score, measure
from sensorium_training.language.pretrained import REQUIREMENT, SHA256
from sensorium_training.language.train import heldout_sets

ROWS = {
    "phrasings": ("held-out phrasings, every slot right", "≥ 98 %"),
    "phrasings_retyped": ("the same, retyped with slips and abbreviations", ""),
    "free": ("free-form lines written by hand (`benchmarks/phrases_free.tsv`)", "≥ 92 %"),
    "blind": ("a second such set, never looked at while working", "≥ 92 %"),
    "unseen_words": ("held-out phrasings with colour and shape words never trained on", ""),
}
_TIMED = "could you push the blue cylinder over to the left please"


@dataclass(frozen=True)
class Candidate:
    """One measured file."""

    path: Path
    encoder: LanguageEncoder
    scores: dict[str, Score]
    encode_ms: float
    """Median processor time of one instruction on one thread."""

    @property
    def in_scope(self) -> tuple[int, int]:
        """Of the held-out phrasings: how many were wrongly refused, of how many."""
        score = self.scores["phrasings"]
        return score.wrongly_refused, score.n


def free_lines(path: Path) -> list[Line]:
    """Read the hand-written lines as labelled lines."""
    phrases = read_phrases(path)
    return [Line(each.text, each.goal, "ok" if each.goal else "none") for each in phrases]


def examine(path: Path, written: dict[str, list[Line]], n: int) -> Candidate:
    """Measure one file on every set."""
    encoder = LanguageEncoder(path)
    sets = {**heldout_sets(n=n), **written}
    scores = {
        name: measure(encoder, track(lines, f"{path.name}: {name}"))
        for name, lines in sets.items()
    }
    times = []
    for _ in range(100):
        began = time.thread_time()
        encoder.encode(_TIMED)
        times.append(time.thread_time() - began)
    return Candidate(path, encoder, scores, float(np.median(times)) * 1e3)


def table(candidates: list[Candidate]) -> str:
    """The comparison as a Markdown table."""
    heads = [candidate.encoder.metadata["body"] for candidate in candidates]
    lines = [f"| measure | bar | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    for name, (words, bar) in ROWS.items():
        cells = [_share(each.scores[name].right, each.scores[name].n) for each in candidates]
        lines.append(f"| {words} | {bar} | {' | '.join(cells)} |")
    unseen = [each.scores["unseen_words"] for each in candidates]
    cells = [_share(each.n - each.right - each.wrongly_refused, each.n) for each in unseen]
    lines.append(f"| the same, misunderstood and acted on | | {' | '.join(cells)} |")
    wrong = [_share(*each.in_scope) for each in candidates]
    lines.append(f"| held-out phrasings wrongly refused | ≤ 2 % | {' | '.join(wrong)} |")
    taken = [each.scores["refusals"] for each in candidates]
    cells = [_share(score.wrongly_accepted, score.n) for score in taken]
    lines.append(f"| held-out out-of-scope lines accepted | ≤ 3 % | {' | '.join(cells)} |")
    asked = [each.scores["lacking"] for each in candidates]
    cells = [_share(score.wrongly_accepted, score.n) for score in asked]
    lines.append(f"| put and stack that lack a word, acted on | ≤ 3 % | {' | '.join(cells)} |")
    both = [each.scores["joined"] for each in candidates]
    cells = [_share(score.wrongly_accepted, score.n) for score in both]
    lines.append(f'| two commands joined by "and", acted on | | {" | ".join(cells)} |')
    sizes = [f"{each.path.stat().st_size / 1e6:.1f} MB" for each in candidates]
    lines.append(f"| file | ≤ 20 MB | {' | '.join(sizes)} |")
    speeds = [f"{each.encode_ms:.1f} ms" for each in candidates]
    lines.append(f"| one instruction, one thread | ≤ 10 ms | {' | '.join(speeds)} |")
    return "\n".join(lines)


def write_card(candidates: list[Candidate], out: Path) -> None:
    """Write the card of the first candidate."""
    shipped = candidates[0]
    digest = file_sha256(shipped.path)
    config = json.loads(shipped.encoder.metadata["config"])
    told = json.loads(shipped.encoder.metadata["classes"])
    wrong = [each for name in ("free", "blind") for each in shipped.scores[name].mistaken]
    missed = "\n".join(f"- `{text}`: wanted {want}, got {got}" for text, want, got in wrong)
    out.write_text(
        _CARD.format(
            table=table(candidates),
            by_family=shares("family", shipped.scores["phrasings"].families, ALL_FAMILIES),
            by_naming=shares("named by", shipped.scores["phrasings"].namings, NAMINGS),
            n_slots=len(told),
            slots=", ".join(told),
            families=", ".join(shipped.encoder.families),
            compared=_SMALL if len(candidates) > 1 else "",
            lines=config["lines"],
            seed=config["seed"],
            threads=config["threads"],
            sha256=digest,
            requirement=REQUIREMENT,
            wheel_sha256=SHA256,
            config=json.dumps(config, indent=2),
            missed=missed or "none",
        ),
        encoding="utf-8",
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} % ({part}/{whole})"


def shares(head: str, counts: Mapping[str, tuple[int, int]], names: Sequence[str]) -> str:
    """How many of how many were right for each name that was met, as a Markdown table."""
    lines = [f"| {head} | every slot right |", "|---|---|"]
    lines += [f"| {name} | {_share(*counts[name])} |" for name in names if name in counts]
    return "\n".join(lines)


_SMALL = """`small` is our own two-layer encoder, trained from nothing on the same lines for three
passes.
"""
_CARD = """# Language encoder

Turns one instruction into {n_slots} tokens of 32 numbers, the slots with their probabilities, and
a verdict: act, or hold still and say why. Slots: {slots}.
Families: {families}.
Read by `sensorium_core.language.LanguageEncoder`; needs neither torch nor a network.

## Measured
{table}

Each family by itself, on held-out phrasings:

{by_family}

Picks and pushes, by what names their object ("both" is colour and shape):

{by_naming}

`minilm` ships: all-MiniLM-L6-v2, cut to fewer layers and to plain ASCII pieces, fine-tuned.
{compared}The free-form lines are never trained on, but come from the authors of the grammar: the
first set was read while it grew, the second was only ever measured. Reproduce with
`python -m sensorium_training.language.train --lines {lines} --seed {seed} --threads {threads}`
and `python -m sensorium_training.language.card models/language/encoder.onnx`; a second file, of
`--body small` say, is compared with it.

## How the tokens are made
Each token is the mixture of its slot's class codes, weighted by their probabilities. The codes
are fixed (`sensorium_core.codebook`), so that a new encoder needs no new policy.

## Data
Lines come from the grammar in `sensorium_sim/phrases`, retyped with slips. A tenth of the
phrasings and patterns and a fifth of the strange vocabulary, chosen by a stable hash, are held out
for good. Pretrained weights: `{requirement}` (Apache-2.0 weights, unknown publisher),
sha256 `{wheel_sha256}`, at build time only.

## Limits
English only. One simple command at a time. Of put and stack, colour and shape of the object and of
what is below must be said; of soft, hard, heavier and lighter, no colour can be. It knows words,
not the scene: whether the object is there is for the policy to say. Left, right, away and closer
are seen from the base of the robot, whoever speaks. Free-form lines that it gets wrong:

{missed}

## Provenance
sha256 of `encoder.onnx`: `{sha256}`

```json
{config}
```
"""


@click.command()
@click.argument("files", nargs=-1, required=True, type=Path)
@click.option("--written", type=Path, default=Path("benchmarks"), help="Where phrases_*.tsv lie.")
@click.option("--lines", type=int, default=2000, help="Lines of each held-out set.")
@click.option("--out", type=Path, default=Path("models/language/card.md"))
def main(files: tuple[Path, ...], written: Path, lines: int, out: Path) -> None:
    """Measure encoder FILES and write the card of the first."""
    names = ("free", "blind")
    sets = {name: free_lines(written / f"phrases_{name}.tsv") for name in names}
    candidates = [examine(path, sets, lines) for path in files]
    write_card(candidates, out)
    Console().print(table(candidates))


if __name__ == "__main__":
    main()
